"""Judging pairs in a browser: with the keyboard alone, with script off, and when things go wrong."""

from dataclasses import dataclass

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from annotation.models import Assignment, Exclusion, Judgment, Membership
from annotation.services.overlap import set_priorities
from tests.e2e.conftest import OpenPage
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ITEMS = 10
PROTOCOL = {
    "kind": "pairwise",
    "points": 7,
    "overlap": 3,
    "criteria": [{"key": "correctness", "name": "Correctness"}, {"key": "clarity", "name": "Clarity"}],
}


@dataclass(frozen=True)
class Opinion:
    """What to answer about an item: preferences as stored, negative for the completion imported first."""

    correctness: int
    clarity: int
    overall: int
    tie: str = ""
    note: str = ""
    confidence: int | None = None


OPINIONS = [
    Opinion(-2, -1, -3),
    Opinion(-1, 0, -2, note="It runs; the other does not."),
    Opinion(0, -1, -1, confidence=1),
    Opinion(0, 0, 0, tie="both_good"),
    Opinion(0, 0, 0, tie="nearly_identical", note="Same text.", confidence=3),
    Opinion(1, 0, 1),
    Opinion(1, 2, 2, confidence=2),
    Opinion(2, 2, 3, note="ünï ‹×›"),
    Opinion(-2, 2, -1),
    Opinion(0, 0, 0),
]
TIE_DIGITS = {"both_good": "1", "both_poor": "2", "nearly_identical": "3"}


@pytest.fixture
def world(transactional_db: None) -> World:
    world = make_world(PROTOCOL)
    world.now = timezone.now()
    world.batch(ITEMS)
    return world


def wait_for_keys(page: Page) -> None:
    """The script marks the active question when it is ready to take keys."""
    expect(page.locator('[data-active="true"]')).to_have_count(1)


def start(page: Page, *, is_scripted: bool = True) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text(f"Item 1 of {ITEMS}")
    if is_scripted:
        wait_for_keys(page)


def screen_sign(page: Page) -> int:
    """+1 when the completion imported first is on the left, −1 when the sides are swapped."""
    return 1 if ".0" in page.locator("#resp-a .resp-text").inner_text() else -1


def opinion_on(page: Page) -> Opinion:
    number = int(page.locator("#resp-a .resp-text").inner_text().split()[1].split(".")[0])
    return OPINIONS[number]


def wait_until_read(page: Page) -> None:
    """Both responses are short: they count as read as soon as they were on the screen."""
    expect(page.locator("[data-read]:not([hidden])")).to_have_count(2)


def stored(annotator: Membership) -> dict[int, Opinion]:
    """Item number → what the database holds of this person."""
    found = {}
    for judgment in Judgment.objects.current().filter(annotator=annotator).select_related("item"):
        rows = {row.criterion.key: row for row in judgment.pairwise_answers.select_related("criterion")}  # type: ignore[attr-defined]
        found[judgment.item.number] = Opinion(
            rows["correctness"].preference,
            rows["clarity"].preference,
            rows["overall"].preference,
            rows["overall"].tie_reason,
            judgment.note,
            judgment.confidence,
        )
    return found


def judge_by_keyboard(page: Page) -> None:
    opinion, sign = opinion_on(page), screen_sign(page)
    keys = page.keyboard
    keys.press(str(3 + sign * opinion.correctness))
    keys.press(str(3 + sign * opinion.clarity))
    keys.press(str(4 + sign * opinion.overall))
    if opinion.tie:
        keys.press(TIE_DIGITS[opinion.tie])
    if opinion.note:
        keys.press("n")
        keys.type(opinion.note)
        keys.press("Escape")
    if opinion.confidence:
        keys.press("s")
        keys.press(str(opinion.confidence))
    wait_until_read(page)
    page.wait_for_timeout(320)  # a fresh task takes no Enter for 300 ms
    keys.press("Enter")


def judge_by_form(page: Page) -> None:
    opinion, sign = opinion_on(page), screen_sign(page)
    page.check(f'input[name="q-correctness"][value="{sign * opinion.correctness}"]')
    page.check(f'input[name="q-clarity"][value="{sign * opinion.clarity}"]')
    page.check(f'input[name="q-overall"][value="{sign * opinion.overall}"]')
    if opinion.tie:
        page.check(f'input[name="tie-overall"][value="{opinion.tie}"]')
    page.fill("#note", opinion.note)
    if opinion.confidence:
        page.check(f'input[name="confidence"][value="{opinion.confidence}"]')
    page.click("#submit")


def test_ten_by_keyboard_and_ten_without_script_are_stored_alike(world: World, open_page: OpenPage) -> None:
    typist, clicker = world.member(), world.member()

    page = open_page(typist.user)
    start(page)
    for done in range(1, ITEMS + 1):
        judge_by_keyboard(page)
        if done < ITEMS:
            expect(page.locator("#item-h")).to_contain_text(f"Item {done + 1} of {ITEMS}")
            expect(page.locator("#item-h")).to_be_focused()
            expect(page).to_have_title(f"Judge {done + 1} of {ITEMS} · {world.project.name}")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")

    page = open_page(clicker.user, scripted=False)
    start(page, is_scripted=False)
    for _ in range(ITEMS):
        judge_by_form(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")

    expected = dict(enumerate(OPINIONS, start=1))
    assert stored(typist) == expected
    assert stored(clicker) == expected
    typed = Judgment.objects.filter(annotator=typist)
    assert {tuple(judgment.read_to_end) for judgment in typed} == {("A", "B")}
    assert all(judgment.active_seconds is not None for judgment in typed)
    assert {judgment.active_seconds for judgment in Judgment.objects.filter(annotator=clicker)} == {None}


def test_pressing_enter_twice_gives_one_judgment(world: World, open_page: OpenPage) -> None:
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    for key in ("2", "2", "2"):
        page.keyboard.press(key)
    wait_until_read(page)
    page.wait_for_timeout(320)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert Judgment.objects.filter(annotator=annotator).count() == 1
    expect(page.locator("#judge")).not_to_have_class("dock tried")


def test_open_questions_are_asked_for_in_place(world: World, open_page: OpenPage) -> None:
    page = open_page(world.member().user)
    start(page)
    page.keyboard.press("3")
    page.wait_for_timeout(320)
    page.keyboard.press("Enter")
    clarity = page.locator('[data-q="clarity"]')
    expect(clarity).to_contain_text("Please answer")
    expect(clarity.locator(".ask")).to_be_visible()
    expect(page.locator('[data-q="correctness"] .ask')).to_be_hidden()
    expect(clarity.locator("input").first).to_be_focused()
    expect(page.locator("#live")).to_have_text("Please answer Clarity")
    assert not Judgment.objects.exists()


def test_without_script_what_was_typed_comes_back(
    world: World, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(world.member().user, scripted=False)
    start(page, is_scripted=False)
    page.check('input[name="q-overall"][value="-2"]')
    page.check('input[name="confidence"][value="2"]')
    page.fill("#note", "Kept as it was.")
    page.click("#submit")
    expect(page.get_by_role("alert")).to_contain_text("Please answer Correctness.")
    expect(page.locator('input[name="q-overall"][value="-2"]')).to_be_checked()
    expect(page.locator('input[name="confidence"][value="2"]')).to_be_checked()
    expect(page.locator("#note")).to_have_value("Kept as it was.")
    complaints.clear()  # the browser notes the 422
    page.check('input[name="q-correctness"][value="0"]')
    page.check('input[name="q-clarity"][value="1"]')
    page.click("#submit")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    assert Judgment.objects.get().note == "Kept as it was."


def test_an_unread_side_is_asked_about_once(world: World, open_page: OpenPage) -> None:
    batch = world.project.batches.get()
    item = world.item(batch, 99, ["long 99.0\n\n" * 400, "short 99.1"])
    set_priorities(batch=batch, priorities={item.pk: 9}, actor=world.lead, now=world.now)
    page = open_page(world.member().user)
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    wait_for_keys(page)
    expect(page.locator("[data-read]:not([hidden])")).to_have_count(1)
    for key in ("2", "2", "2"):
        page.keyboard.press(key)
    page.wait_for_timeout(320)
    long_side = "A" if screen_sign(page) == 1 else "B"
    page.keyboard.press("Enter")
    expect(page.locator("#submit")).to_contain_text(f"Submit without reading {long_side}?")
    with page.expect_response("**/judgments"):
        page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    assert Judgment.objects.get().read_to_end == ["B" if long_side == "A" else "A"]


def test_undo_opens_the_answer_and_a_correction_supersedes_it(world: World, open_page: OpenPage) -> None:
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    for key in ("1", "2", "4", "2"):
        page.keyboard.press(key)
    wait_until_read(page)
    page.wait_for_timeout(320)
    page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")

    expect(
        page.locator("#undo")
    ).to_be_visible()  # the server has it; before, undo takes it back on this device
    page.keyboard.press("u")
    expect(page.get_by_text("You are changing an earlier answer.")).to_be_visible()
    wait_for_keys(page)
    expect(page.locator('input[name="q-overall"][value="0"]')).to_be_checked()
    expect(page.get_by_role("radio", name="Both poor")).to_be_checked()
    expect(page.locator('input[name="q-correctness"][data-digit="1"]')).to_be_checked()
    page.keyboard.press("6")
    wait_until_read(page)
    page.wait_for_timeout(320)
    with page.expect_response("**/corrections"):
        page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")

    first, second = Judgment.objects.filter(annotator=annotator).order_by("id")
    assert second.supersedes == first
    overall = second.pairwise_answers.get(criterion__key="overall")  # type: ignore[attr-defined]
    assert abs(overall.preference) == 2 and overall.tie_reason == ""


def test_cannot_judge_by_two_keys(world: World, open_page: OpenPage) -> None:
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    showing = page.locator("#judge").get_attribute("data-showing")
    item = Assignment.objects.get(leases__public_id=showing).item
    page.keyboard.press("x")
    expect(page.locator("#cant")).to_be_visible()
    page.keyboard.press("3")
    expect(page.get_by_text("The item went back to the pool.")).to_be_visible()
    assert Exclusion.objects.get(annotator=annotator).item == item
    assert Exclusion.objects.get(annotator=annotator).reason == "language"
    assert not Assignment.objects.filter(annotator=annotator, state="leased", item=item).exists()
    assert page.locator("#judge").get_attribute("data-showing") != showing


@pytest.mark.parametrize("lost", ["session", "all cookies", "all cookies, twice"])
def test_a_lost_session_loses_nothing(
    lost: str, world: World, open_page: OpenPage, complaints: list[str]
) -> None:
    annotator = world.member()
    annotator.user.set_password("correct horse battery")
    annotator.user.save()
    page = open_page(annotator.user)
    start(page)
    for key in ("2", "3", "6"):
        page.keyboard.press(key)
    page.fill("#note", "Do not lose me.")
    wait_until_read(page)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME if lost == "session" else None)
    page.keyboard.press("Control+Enter")
    login = page.locator("#sign-in")
    expect(login).to_contain_text("Please sign in again. Your answers are kept.")
    login.get_by_label("Email").fill(annotator.user.email)
    login.get_by_label("Password", exact=True).fill("correct horse battery")
    if lost == "all cookies, twice":  # as when a reply that was on its way brings another token
        page.context.clear_cookies()
        page.evaluate("fetch('/login').then(() => null)")
    login.get_by_role("button", name="Sign in").click()
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    expect(page.locator("#save-state")).to_have_text("All saved")
    expect(page.locator("#problem")).to_be_hidden()
    assert Judgment.objects.get().note == "Do not lose me."
    complaints.clear()  # the browser notes the 401 or 403


def test_a_cut_connection_keeps_the_answer_and_the_second_try_counts_once(
    world: World, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(world.member().user)
    start(page)
    for key in ("2", "3", "6"):
        page.keyboard.press(key)
    wait_until_read(page)
    page.wait_for_timeout(320)
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.locator("#save-state")).to_have_text("1 waiting")
    page.context.set_offline(False)
    expect(page.locator("#save-state")).to_have_text("All saved")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    assert Judgment.objects.count() == 1
    complaints.clear()


def test_single_keys_can_be_switched_off_and_stay_off(world: World, open_page: OpenPage) -> None:
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    page.keyboard.press("?")
    with page.expect_response("**/single-keys"):
        page.get_by_role("switch").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    wait_for_keys(page)
    page.keyboard.press("2")
    page.keyboard.press("x")
    expect(page.locator("[data-q] input:checked")).to_have_count(0)
    expect(page.locator("#cant")).to_be_hidden()
    annotator.user.refresh_from_db()
    assert not annotator.user.has_single_keys


def test_the_theme_is_kept_with_the_account_and_for_strangers(world: World, open_page: OpenPage) -> None:
    user = world.member().user
    page = open_page(user)
    start(page)
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    user.refresh_from_db()
    assert user.theme == "dark"

    stranger = open_page(scripted=False)
    stranger.goto("/login")
    stranger.get_by_role("button", name="Switch between light and dark").click()
    expect(stranger.locator("html")).to_have_attribute("data-theme", "dark")


def test_keys_pressed_before_the_script_listens_are_taken_and_enter_is_not(
    world: World, open_page: OpenPage
) -> None:
    annotator = world.member()
    page = open_page(annotator.user)
    held: list[Route] = []
    page.route("**/js/keys.js", lambda route: held.append(route))
    start(page, is_scripted=False)
    for key in ("2", "3", "n", "Enter"):
        page.keyboard.press(key)
    assert page.locator("[data-q] input:checked").count() == 0
    [route] = held
    route.continue_()
    expect(page.locator("[data-q] input:checked")).to_have_count(2)
    expect(page.locator("#note")).to_be_focused()
    expect(page.locator("#item-h")).to_contain_text(f"Item 1 of {ITEMS}")
    assert not Judgment.objects.filter(annotator=annotator).exists()


def test_keys_that_repeat_or_meet_a_text_do_nothing(world: World, open_page: OpenPage) -> None:
    page = open_page(world.member().user)
    start(page)
    page.keyboard.down("2")
    page.keyboard.down("2")  # the second is a key repeat
    page.keyboard.up("2")
    expect(page.locator("[data-q] input:checked")).to_have_count(1)
    page.keyboard.press("n")
    page.keyboard.type("x 3 u t")
    expect(page.locator("#note")).to_have_value("x 3 u t")
    expect(page.locator("#cant")).to_be_hidden()
    expect(page.locator("[data-q] input:checked")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("#resp-a .raw")).to_be_visible()
    expect(page.locator("#resp-a .md")).to_be_hidden()
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Stack")).to_have_attribute("aria-pressed", "true")
