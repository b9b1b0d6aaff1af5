"""Writing in a browser: keys, drafts that come back, changes, hostile text, and the same rows without script."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from annotation.models import Draft, Judgment, Membership
from comparisons.models import CritiqueAnswer, CritiquePrinciple, DemonstrationAnswer
from tests.e2e.conftest import PHONE, WIDE, OpenPage, sign_in
from tests.e2e.looks import faults, overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DEMONSTRATION = {"kind": "demonstration", "overlap": 3}
CRITIQUE = {
    "kind": "critique",
    "overlap": 3,
    "criteria": [
        {"name": "Honest", "question": "It says nothing false."},
        {"name": "Kind", "question": "It does not hurt."},
        {"name": "Brief", "question": "It takes no more words than it needs."},
    ],
}
REPLY = "Tides come from the Sun alone.\n\nAsk somebody else."
REVISION = "Tides come from the Moon and the Sun.\n\nAsk me more."
SECRET = "only-the-server-may-keep-this"
HOSTILE = (
    '</textarea><script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>\u202e'
)
KINDS = ["demonstration", "critique"]


def world_of(kind: str, items: int = 1, reply: str = REPLY, **fields: Any) -> World:
    world = make_world(DEMONSTRATION if kind == "demonstration" else CRITIQUE)
    world.now = timezone.now()
    batch = world.batch(0)
    for number in range(1, items + 1):
        world.item(batch, number, [] if kind == "demonstration" else [reply], **fields)
    return world


def start(page: Page, *, is_scripted: bool = True) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    if is_scripted:
        page.wait_for_load_state()  # modules have run by then


def submit_by_key(page: Page) -> None:
    page.wait_for_timeout(320)  # a fresh task takes no Enter for 300 ms
    page.keyboard.press("Control+Enter")


def expect_done(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")


def pass_time(page: Page, seconds: int) -> None:
    """The page's timers are over at once; nothing waits for the clock on the wall."""
    page.clock.run_for(seconds * 1000)


def stored(annotator: Membership) -> list[Mapping[str, Any]]:
    """What the database holds of this person, oldest first."""
    found: list[Mapping[str, Any]] = []
    for judgment in Judgment.objects.current().filter(annotator=annotator).order_by("pk"):
        facts = {"note": judgment.note, "confidence": judgment.confidence}
        text = DemonstrationAnswer.objects.filter(judgment=judgment).first()
        if text is not None:
            found.append(facts | {"text": text.text})
            continue
        row = CritiqueAnswer.objects.get(judgment=judgment)
        broken = CritiquePrinciple.objects.filter(judgment=judgment).order_by("principle__position")
        found.append(
            facts
            | {
                "principles": list(broken.values_list("principle__key", flat=True)),
                "critique": row.critique,
                "revision": row.revision,
                "is_changed": row.is_changed,
            }
        )
    return found


def browser_store(page: Page) -> str:
    """Everything that the browser keeps for this site and that outlives the page."""
    return str(
        page.evaluate(
            """async () => {
                const kept = [JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage})];
                for (const { name } of await indexedDB.databases()) {
                    const database = await new Promise((resolve) => {
                        indexedDB.open(name).onsuccess = (event) => resolve(event.target.result);
                    });
                    for (const store of database.objectStoreNames)
                        kept.push(JSON.stringify(await new Promise((resolve) => {
                            const all = database.transaction(store).objectStore(store).getAll();
                            all.onsuccess = () => resolve(all.result);
                        })));
                    database.close();
                }
                return kept.join("\\n");
            }"""
        )
    )


@pytest.fixture
def open_page(open_page: OpenPage) -> Iterator[OpenPage]:
    """Pages that save nothing while they are closed: the tables are emptied then."""
    pages: list[Page] = []

    def remembered(*args: Any, **options: Any) -> Page:
        pages.append(open_page(*args, **options))
        return pages[-1]

    yield remembered
    for page in pages:
        if not page.is_closed():
            page.evaluate("document.querySelector('[data-draft]')?.removeAttribute('data-draft')")


# With the keyboard, and without script


def test_messages_by_keyboard_and_without_script_are_stored_alike(open_page: OpenPage) -> None:
    world = world_of("demonstration", items=2)
    typist, clicker = world.member(), world.member()
    texts = ["First line.\n\n\tIndented, ünï ‹×›.", "Second message."]

    page = open_page(typist.user)
    start(page)
    for number, text in enumerate(texts, start=1):
        page.keyboard.press("n")
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.insert_text(text)
        page.keyboard.press("Escape")
        page.keyboard.press("s")
        page.keyboard.press("2")
        page.keyboard.press("n")
        submit_by_key(page)
        if number < len(texts):
            expect(page.locator("#item-h")).to_contain_text(f"Item {number + 1} of")
            expect(page.locator("#text")).to_have_value("")
    expect_done(page)

    plain = open_page(clicker.user, scripted=False)
    start(plain, is_scripted=False)
    for text in texts:
        plain.fill("#text", text)
        plain.check('input[name="confidence"][value="2"]')
        plain.click("#submit")
    expect_done(plain)

    expected = [{"note": "", "confidence": 2, "text": text} for text in texts]
    assert stored(typist) == expected
    assert stored(clicker) == expected


def test_critiques_by_keyboard_and_without_script_are_stored_alike(open_page: OpenPage) -> None:
    world = world_of("critique")
    typist, clicker = world.member(), world.member()

    page = open_page(typist.user)
    start(page)
    page.keyboard.press("2")
    page.keyboard.press("1")
    page.keyboard.press("3")
    page.keyboard.press("3")  # taken back
    expect(page.locator("#principles :checked")).to_have_count(2)
    page.keyboard.press("n")
    expect(page.locator("#critique")).to_be_focused()
    page.keyboard.type("Wrong, and rude.")
    page.keyboard.press("Tab")
    expect(page.locator("#revision")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(REVISION)
    submit_by_key(page)
    expect_done(page)

    plain = open_page(clicker.user, scripted=False)
    start(plain, is_scripted=False)
    plain.check('[name="principles"][value="kind"]')
    plain.check('[name="principles"][value="honest"]')
    plain.fill("#critique", "Wrong, and rude.")
    plain.fill("#revision", REVISION)
    plain.click("#submit")
    expect_done(plain)

    expected = {
        "note": "",
        "confidence": None,
        "principles": ["honest", "kind"],
        "critique": "Wrong, and rude.",
        "revision": REVISION,
        "is_changed": True,
    }
    assert stored(typist) == [expected]
    assert stored(clicker) == [expected]


def test_none_and_a_principle_put_each_other_out(open_page: OpenPage) -> None:
    page = open_page(world_of("critique").member().user)
    start(page)
    page.keyboard.press("1")
    page.keyboard.press("0")
    expect(page.locator("#principles :checked")).to_have_count(1)
    expect(page.locator("#principles [data-none]")).to_be_checked()
    page.keyboard.press("2")
    expect(page.locator("#principles [data-none]")).not_to_be_checked()
    expect(page.locator('#principles [value="kind"]')).to_be_checked()


def test_what_is_missing_is_named_one_after_another(open_page: OpenPage) -> None:
    page = open_page(world_of("critique").member().user)
    start(page)
    page.fill("#revision", "")
    page.locator("#item-h").focus()
    submit_by_key(page)
    expect(page.locator("#live")).to_have_text("Please pick the principles that are broken, or none")
    page.keyboard.press("1")
    submit_by_key(page)
    expect(page.locator("#critique")).to_be_focused()
    page.keyboard.type("Wrong.")
    submit_by_key(page)
    expect(page.locator("#revision")).to_be_focused()
    assert not Judgment.objects.exists()


def test_a_refused_answer_comes_back_as_it_was_typed(open_page: OpenPage, complaints: list[str]) -> None:
    page = open_page(world_of("critique").member().user)
    start(page)
    page.keyboard.press("1")
    page.fill("#critique", "Wrong.")
    submit_by_key(page)
    expect(page.locator("#errors")).to_contain_text("please change the response until it is kept")
    expect(page.locator("#critique")).to_have_value("Wrong.")
    expect(page.locator('[value="honest"]')).to_be_checked()
    complaints.clear()  # the browser notes the 422
    page.fill("#revision", REVISION)
    submit_by_key(page)
    expect_done(page)


def test_an_earlier_answer_is_changed(open_page: OpenPage) -> None:
    world = world_of("demonstration", items=2)
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    page.fill("#text", "Hasty.")
    submit_by_key(page)
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    expect(page.locator("#undo")).to_be_visible()
    page.locator("#item-h").focus()
    page.keyboard.press("u")
    expect(page.locator("#text")).to_have_value("Hasty.")
    page.fill("#text", "Considered.")
    with page.expect_response(lambda reply: reply.request.method == "POST" and "/corrections" in reply.url):
        submit_by_key(page)
    expect(page.locator("#text")).to_have_value("")
    assert [one["text"] for one in stored(annotator)] == ["Considered."]


# Changes


def test_changes_are_shown_word_by_word_and_again_after_more_of_them(open_page: OpenPage) -> None:
    page = open_page(world_of("critique").member().user)
    start(page)
    expect(page.locator("#changes")).to_be_hidden()
    page.fill("#revision", REPLY.replace("Sun alone", "Moon"))
    page.click("[data-changes]")
    expect(page.locator("#changes .diff del").last).to_contain_text("Sun alone")
    expect(page.locator("#changes .diff ins").last).to_contain_text("Moon")
    expect(page.locator("#changes .diff")).to_contain_text("Ask somebody else.")
    expect(page.locator("#revision")).to_have_value(REPLY.replace("Sun alone", "Moon"))
    page.fill("#revision", REPLY)
    page.click("[data-changes]")
    expect(page.locator("#changes")).to_contain_text("Nothing is changed yet.")
    assert not Draft.objects.exists()


def test_without_script_changes_and_drafts_have_a_button_each(open_page: OpenPage) -> None:
    world = world_of("critique")
    annotator = world.member()
    page = open_page(annotator.user, scripted=False)
    start(page, is_scripted=False)
    page.check('[name="principles"][value="kind"]')
    page.fill("#critique", "Rude.")
    page.fill("#revision", REVISION)
    page.click("[data-save-draft]")
    page.reload()
    expect(page.locator("#revision")).to_have_value(REVISION)
    page.click("[data-changes]")
    expect(page.locator("#changes .diff ins").first).to_be_visible()
    expect(page.locator("#critique")).to_have_value("Rude.")
    page.click("#submit")
    expect_done(page)
    assert [one["principles"] for one in stored(annotator)] == [["kind"]]


# Drafts


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_comes_back_after_a_reload_and_in_a_new_browser(
    kind: str, open_page: OpenPage, browser: Browser, live_server: LiveServer
) -> None:
    world = world_of(kind)
    annotator = world.member()
    field = "#text" if kind == "demonstration" else "#critique"
    page = open_page(annotator.user)
    page.clock.install()
    start(page)
    page.locator(field).press_sequentially(SECRET)
    pass_time(page, 9)
    expect(page.locator("#draft-state")).to_be_empty()
    with page.expect_response("**/draft") as reply:
        pass_time(page, 2)
    assert reply.value.status == 204
    expect(page.locator("#draft-state")).to_contain_text("Draft saved at")
    assert SECRET not in browser_store(page)

    page.reload()
    expect(page.locator(field)).to_have_value(SECRET)
    assert SECRET not in browser_store(page)
    address = page.url
    page.context.close()

    fresh = browser.new_context(base_url=live_server.url)
    sign_in(fresh, annotator.user, live_server.url)
    again = fresh.new_page()
    again.goto(address)
    expect(again.locator(field)).to_have_value(SECRET)
    again.wait_for_load_state()
    if kind == "critique":
        again.locator("#item-h").focus()
        again.keyboard.press("0")
        again.fill("#revision", REVISION)
    submit_by_key(again)
    expect_done(again)
    assert SECRET not in browser_store(again)
    fresh.close()
    assert len(stored(annotator)) == 1


def test_a_draft_is_gone_once_its_answer_is_in(open_page: OpenPage) -> None:
    world = world_of("demonstration", items=2)
    page = open_page(world.member().user)
    start(page)
    page.fill("#text", "Half a sent")
    page.click("[data-save-draft]")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved at")
    page.fill("#text", "A whole sentence.")
    submit_by_key(page)
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    expect(page.locator("#text")).to_have_value("")
    page.reload()
    expect(page.locator("#text")).to_have_value("")


def test_a_draft_that_cannot_be_kept_says_so_and_the_text_stays(
    open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(world_of("demonstration").member().user)
    start(page)
    page.route("**/draft", lambda route: route.abort())
    page.fill("#text", "Half a sent")
    page.click("[data-save-draft]")
    expect(page.locator("#draft-state")).to_have_text("Draft not saved. Your text is still here.")
    complaints.clear()  # the browser notes the failed request
    page.unroute("**/draft")
    page.click("[data-save-draft]")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved at")
    assert Draft.objects.get().answer["text"] == ["Half a sent"]


def test_the_body_of_a_draft_is_the_form(open_page: OpenPage) -> None:
    page = open_page(world_of("critique").member().user)
    start(page)
    page.keyboard.press("2")
    page.fill("#critique", "a & b\nü")
    with page.expect_response("**/draft") as reply:
        page.click("[data-save-draft]")
    body = unquote_plus(reply.value.request.post_data or "")
    assert "principles=kind" in body
    assert "critique=a & b\nü" in body.replace("\r\n", "\n")


# Untrusted text, and how it looks


def test_hostile_text_is_text_everywhere(open_page: OpenPage) -> None:
    prompt = [{"role": "user", "content": HOSTILE}]
    world = world_of("critique", reply=HOSTILE, prompt=prompt)
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    expect(page.locator("#revision")).to_have_value(HOSTILE)
    page.keyboard.press("1")
    page.fill("#critique", HOSTILE)
    page.fill("#revision", f"{HOSTILE} {HOSTILE}")
    page.click("[data-changes]")
    expect(page.locator("#changes .diff ins").first).to_contain_text("U+202E")
    assert page.locator("#task img, #task script").count() == 0
    page.click("[data-save-draft]")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved at")
    page.reload()
    expect(page.locator("#critique")).to_have_value(HOSTILE)
    submit_by_key(page)
    expect_done(page)
    assert stored(annotator)[0]["critique"] == HOSTILE

    console = open_page(world.lead)
    console.goto(f"/projects/{world.project.slug}/batches/1/items/1")
    expect(console.locator(".written").last).to_contain_text("<script>")
    assert console.locator("main img").count() == 0
    for one in (page, console):
        assert "owned" not in one.title()


@pytest.mark.parametrize(
    ("size", "theme"),
    [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")],
    ids=["wide light", "wide dark", "phone light", "phone dark"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(
    kind: str, size: tuple[int, int], theme: str, open_page: OpenPage, complaints: list[str]
) -> None:
    world = world_of(kind)
    page = open_page(world.member().user, size=size, theme=theme)
    start(page)
    check(page, "empty")
    if kind == "critique":
        page.fill("#revision", REVISION)
        page.locator("[data-digit='1']").first.check()
        page.click("[data-changes]")
        expect(page.locator("#changes .diff ins").first).to_be_visible()
        check(page, "changes")
    else:
        page.fill("#text", "word " * 400)
    page.click("[data-save-draft]")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved at")
    check(page, "draft")
    page.fill("#critique" if kind == "critique" else "#text", " \n")
    page.evaluate("HTMLFormElement.prototype.submit.call(document.querySelector('#judge'))")
    expect(page.locator("#errors")).to_be_visible()
    complaints.clear()  # the browser notes the 422
    check(page, "refused")


def check(page: Page, name: str) -> None:
    assert faults(page) == [], name
    assert overflow(page) == 0, f"{name} scrolls sideways"
