"""An answer is never lost: the network cut, the login gone, the browser restarted, two tabs, another person."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from annotation.models import Assignment, Batch, Judgment, Membership
from annotation.services.returning import sweep_leases
from tests.e2e.conftest import ARGUMENTS, WAIT_MS, OpenPage, sign_in
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ITEMS = 30
PASSWORD = "correct horse battery"
SUBMITS = re.compile(r"/assignments/\d+/judgments$")
SPARES = re.compile(r"/spare$")


@pytest.fixture
def world(transactional_db: None) -> World:
    world = make_world()
    world.now = timezone.now()
    world.batch(ITEMS)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    annotator = world.member()
    annotator.user.set_password(PASSWORD)
    annotator.user.save()
    return annotator


def start(page: Page, *, has_spare: bool = True) -> None:
    """At the first item, with the next one waiting behind it."""
    page.goto("/")
    if has_spare:
        with page.expect_response(SPARES):
            page.get_by_role("button", name=re.compile("Start|Continue")).click()
    else:
        page.get_by_role("button", name=re.compile("Start|Continue")).click()
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    expect(page.locator('[data-active="true"]')).to_have_count(1)


def answer(page: Page, digit: str = "2") -> None:
    expect(page.locator('[data-active="true"]')).to_have_count(1)
    page.keyboard.press(digit)
    expect(page.locator("[data-read]:not([hidden])")).to_have_count(2)
    page.wait_for_timeout(320)  # a fresh task takes no Enter for 300 ms
    page.keyboard.press("Enter")


def at_item(page: Page, number: int) -> None:
    expect(page.locator("#item-h")).to_contain_text(f"Item {number} of {ITEMS}")


def stored(annotator: Membership, count: int) -> list[Judgment]:
    """The person's judgments once there are `count`; fails when they do not come. No route is served meanwhile."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while Judgment.objects.filter(annotator=annotator).count() < count and time.monotonic() < deadline:
        time.sleep(0.05)
    found = list(Judgment.objects.filter(annotator=annotator).order_by("id"))
    assert len(found) == count
    return found


def test_the_next_item_is_there_before_the_server_has_answered(
    world: World, annotator: Membership, open_page: OpenPage
) -> None:
    page = open_page(annotator.user)
    start(page)
    held: list[Route] = []
    page.route(SUBMITS, lambda route: held.append(route))
    with page.expect_request(SUBMITS):
        answer(page)
    at_item(page, 2)
    expect(page.locator("#item-h")).to_be_focused()
    expect(page).to_have_title(f"Judge 2 of {ITEMS} · {world.project.name}")
    assert page.url.endswith(page.locator("#judge").get_attribute("data-url") or "nowhere")
    assert len(held) == 1 and not Judgment.objects.exists()
    held[0].continue_()
    stored(annotator, 1)
    expect(page.locator(".bar-mid")).to_contain_text(f"1 of {ITEMS}")
    expect(page.locator("#save-state")).to_have_text("All saved")
    marks = page.evaluate("performance.getEntriesByType('mark').map(mark => mark.name)")
    assert marks[:2] == ["concord:enter", "concord:next"]


def save_state(page: Page, text: str) -> None:
    expect(page.locator("#save-state")).to_have_text(text)


def test_a_cut_network_loses_nothing_and_doubles_nothing(
    annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(annotator.user)
    start(page)
    page.context.set_offline(True)
    answer(page, "1")
    at_item(page, 2)
    save_state(page, "1 waiting")
    expect(page.locator("#problem")).to_be_hidden()
    answer(page, "7")
    expect(page.locator("#problem")).to_have_text("You are offline. 2 answers are safe on this device.")
    at_item(page, 2)  # there is no third; this one stays to be read
    expect(page.locator("#resp-a .resp-text")).to_be_visible()

    page.locator("#save-state button").click()
    listed = page.locator("#waiting pre")
    expect(listed).to_contain_text("Item 1 of")
    expect(listed).to_contain_text("Item 2 of")
    page.keyboard.press("Escape")
    assert not Judgment.objects.exists()

    page.context.set_offline(False)
    at_item(page, 3)
    expect(page.locator("#problem")).to_be_hidden()
    save_state(page, "All saved")
    answer(page)
    at_item(page, 4)
    judged = stored(annotator, 3)
    expect(page.locator(".bar-mid")).to_contain_text(f"3 of {ITEMS}")
    assert len({judgment.item_id for judgment in judged}) == 3
    assert [abs(preference(one)) for one in judged] == [3, 3, 2]
    assert not kept_on_device(page)
    complaints.clear()


def preference(judgment: Judgment) -> int:
    value: int = judgment.pairwise_answers.get().preference  # type: ignore[attr-defined]
    return value


def kept_on_device(page: Page) -> str:
    """Everything that a script of ours keeps in this browser."""
    kept: str = page.evaluate(
        """async () => {
          const open = indexedDB.open("concord");
          await new Promise((done) => (open.onsuccess = done));
          const all = open.result.transaction("outbox").objectStore("outbox").getAll();
          await new Promise((done) => (all.onsuccess = done));
          const local = { ...localStorage };
          open.result.close();
          return all.result.length || Object.keys(local).length ? JSON.stringify([all.result, local]) : "";
        }"""
    )
    return kept


@contextmanager
def browser_of(
    browser: Browser, chromium: Path, folder: Path, annotator: Membership, url: str
) -> Iterator[BrowserContext]:
    """A browser with its own profile, which stays in the folder when it is closed."""
    context = browser.browser_type.launch_persistent_context(
        folder,
        executable_path=chromium,
        args=ARGUMENTS,
        base_url=url,
        reduced_motion="reduce",
        viewport={"width": 1440, "height": 900},
    )
    context.set_default_timeout(10_000)
    sign_in(context, annotator.user, url)
    yield context
    context.close()


@pytest.mark.parametrize("where", ["the task", "the home page"])
def test_answers_survive_a_restart_of_the_browser(
    where: str,
    annotator: Membership,
    browser: Browser,
    live_server: LiveServer,
    tmp_path: Path,
    chromium_path: Path,
) -> None:
    with browser_of(browser, chromium_path, tmp_path, annotator, live_server.url) as context:
        page = context.new_page()
        start(page)
        context.set_offline(True)
        answer(page, "1")
        at_item(page, 2)
        page.keyboard.press("3")
        save_state(page, "1 waiting")
        # Offline ends a moment before a browser does, and a page that is still open would send then.
        page.close()
    assert not Judgment.objects.exists()
    with browser_of(browser, chromium_path, tmp_path, annotator, live_server.url) as context:
        page = context.new_page()
        if where == "the home page":
            page.goto("/")
            assert abs(preference(stored(annotator, 1)[0])) == 3
            page.get_by_role("button", name="Continue").click()
        else:
            held = Assignment.objects.filter(annotator=annotator, state="leased").order_by("leases__ordinal")
            page.goto(f"/assignments/{held[0].leases.get().public_id}")
            assert abs(preference(stored(annotator, 1)[0])) == 3
        at_item(page, 2)
        # What was answered and not submitted is there as well.
        expect(page.locator('#judge input[data-digit="3"]:checked')).to_have_count(1)
        answer(page, "5")
        at_item(page, 3)
        stored(annotator, 2)


def fill_login(page: Page, email: str) -> None:
    dialog = page.locator("#sign-in")
    expect(dialog).to_contain_text("Please sign in again. Your answers are kept.")
    dialog.get_by_label("Email").fill(email)
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()


def test_signing_in_again_inside_the_page_loses_nothing(
    annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(annotator.user)
    start(page)
    page.fill("#note", "Do not lose me.")
    Session.objects.all().delete()
    page.keyboard.press("Escape")
    answer(page, "6")
    dialog = page.locator("#sign-in")
    expect(dialog.get_by_label("Email")).to_be_focused()
    save_state(page, "Sign in to send 1")
    dialog.get_by_label("Email").fill(annotator.user.email)
    dialog.get_by_label("Password", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_contain_text("do not match")
    fill_login(page, annotator.user.email)
    expect(dialog).to_be_hidden()
    save_state(page, "All saved")
    at_item(page, 2)
    assert stored(annotator, 1)[0].note == "Do not lose me."
    answer(page)
    at_item(page, 3)
    stored(annotator, 2)
    complaints.clear()


def test_the_answers_of_one_person_are_sealed_to_another(
    world: World, annotator: Membership, open_page: OpenPage, complaints: list[str], live_server: LiveServer
) -> None:
    other = world.member()
    other.user.set_password(PASSWORD)
    other.user.save()
    page = open_page(annotator.user)
    start(page)
    Session.objects.all().delete()
    answer(page)
    fill_login(page, other.user.email)
    expect(page.locator("#sign-in")).to_contain_text("The answers of the person before (1) stay sealed")
    page.get_by_role("link", name="Go to my work").click()
    expect(page.get_by_role("heading", name="My work")).to_be_visible()
    start(page)
    answer(page, "7")
    at_item(page, 2)
    assert abs(preference(stored(other, 1)[0])) == 3
    assert not Judgment.objects.filter(annotator=annotator).exists()

    page.context.clear_cookies()
    sign_in(page.context, annotator.user, live_server.url)
    page.goto("/")
    assert abs(preference(stored(annotator, 1)[0])) == 2
    complaints.clear()


def test_undo_takes_an_answer_out_before_it_is_sent(
    annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(annotator.user)
    start(page)
    page.context.set_offline(True)
    answer(page, "1")
    at_item(page, 2)
    page.keyboard.press("3")
    page.keyboard.press("u")
    at_item(page, 1)
    expect(page.locator('#judge input[data-digit="1"]:checked')).to_have_count(1)
    page.context.set_offline(False)
    answer(page, "5")
    at_item(page, 2)
    expect(page.locator('#judge input[data-digit="3"]:checked')).to_have_count(1)
    assert abs(preference(stored(annotator, 1)[0])) == 1
    save_state(page, "All saved")
    complaints.clear()


def test_undo_after_twenty_submissions_opens_the_right_answer(
    annotator: Membership, open_page: OpenPage
) -> None:
    page = open_page(annotator.user)
    start(page)
    for number in range(1, 21):
        at_item(page, number)
        answer(page, "6" if number == 20 else "2")
    at_item(page, 21)
    shown = stored(annotator, 20)[-1]
    expect(page.locator(".bar-mid")).to_contain_text(f"20 of {ITEMS}")
    page.keyboard.press("u")
    expect(page.get_by_text("You are changing an earlier answer.")).to_be_visible()
    expect(page.locator(".prompt .md")).to_have_text(shown.item.prompt[-1]["content"])
    expect(page.locator('#judge input[data-digit="6"]:checked')).to_have_count(1)
    with page.expect_response(SPARES):
        page.reload()
    answer(page, "7")
    at_item(page, 21)
    assert stored(annotator, 21)[-1].supersedes == shown


def test_answers_not_submitted_survive_a_reload_and_hold_no_text(
    annotator: Membership, open_page: OpenPage
) -> None:
    page = open_page(annotator.user)
    start(page)
    page.keyboard.press("6")
    page.fill("#note", "Half a thought")
    page.reload()
    expect(page.locator('#judge input[data-digit="6"]:checked')).to_have_count(1)
    expect(page.locator("#note")).to_have_value("Half a thought")
    kept = kept_on_device(page)
    assert f"draft:{annotator.user_id}:" in kept and "q-overall" in kept
    assert "Question" not in kept and "Answer" not in kept
    answer(page, "6")
    at_item(page, 2)
    assert stored(annotator, 1)[0].note == "Half a thought"
    expect(page.locator(".bar-mid")).to_contain_text(f"1 of {ITEMS}")
    assert not kept_on_device(page)


def test_a_late_answer_is_kept_and_told(world: World, annotator: Membership, open_page: OpenPage) -> None:
    Batch.objects.update(overlap=1)
    Assignment.objects.filter(number__gt=1).delete()
    page = open_page(annotator.user)
    start(page)
    held: list[Route] = []
    page.route(SUBMITS, lambda route: held.append(route))
    with page.expect_request(SUBMITS):
        answer(page)
    at_item(page, 2)
    late = Assignment.objects.get(annotator=annotator, leases__ordinal=1)
    Assignment.objects.filter(annotator=annotator).update(expires_at=timezone.now())
    assert sweep_leases(timezone.now()) == 2
    other = world.member()
    while Assignment.objects.get(pk=late.pk).state != "submitted":
        world.judge(other)
    held[0].continue_()
    expect(page.get_by_text("Saved. This item had already been completed.")).to_be_visible()
    assert stored(annotator, 1)[0].state == "late"


def test_what_does_not_fit_comes_back_with_the_reason(
    annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(annotator.user)
    start(page)
    page.fill("#note", "Stays")
    page.keyboard.press("Escape")

    def spoil(route: Route) -> None:
        route.continue_(post_data=re.sub("q-overall=[^&]*", "q-overall=99", route.request.post_data or ""))

    page.route(SUBMITS, spoil)
    answer(page)
    expect(page.locator("#errors")).to_contain_text("Not saved yet.")
    expect(page.locator("#errors")).to_be_focused()
    expect(page.locator("#note")).to_have_value("Stays")
    page.unroute(SUBMITS)
    answer(page, "3")
    at_item(page, 2)
    assert stored(annotator, 1)[0].note == "Stays"
    save_state(page, "All saved")
    complaints.clear()


def cut_after_the_server(route: Route) -> None:
    """The server has stored the answer, and its reply is lost."""
    route.fetch()
    route.abort()


def test_a_lost_reply_counts_once(annotator: Membership, open_page: OpenPage, complaints: list[str]) -> None:
    page = open_page(annotator.user)
    start(page)
    page.route(SUBMITS, cut_after_the_server, times=1)
    answer(page)
    at_item(page, 2)
    save_state(page, "1 waiting")
    save_state(page, "All saved")  # two seconds later, by itself
    stored(annotator, 1)
    complaints.clear()


def test_an_answer_changed_after_a_lost_reply_is_refused_and_both_are_kept(
    annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(annotator.user)
    start(page)
    page.route(SUBMITS, cut_after_the_server, times=1)
    answer(page, "1")
    save_state(page, "1 waiting")
    page.keyboard.press("u")
    at_item(page, 1)
    answer(page, "5")
    expect(page.locator("#problem")).to_contain_text("answered before with another answer, which is kept")
    save_state(page, "1 not taken")
    page.locator("#save-state button").click()
    expect(page.locator("#waiting pre")).to_contain_text("q-overall: 1")
    assert abs(preference(stored(annotator, 1)[0])) == 3
    complaints.clear()


@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_reply_that_does_not_name_the_answer_is_none(
    status: int, annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    """A server in trouble, or a page of the network in between that says 200 to everything."""
    page = open_page(annotator.user)
    start(page)
    page.route(SUBMITS, lambda route: route.fulfill(status=status, body="Welcome to the hotel"), times=1)
    answer(page)
    at_item(page, 2)
    save_state(page, "1 waiting")
    save_state(page, "All saved")
    stored(annotator, 1)
    complaints.clear()


def test_without_a_database_in_the_browser_the_other_store_is_used(
    annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(annotator.user)
    page.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    start(page)
    page.context.set_offline(True)
    answer(page)
    at_item(page, 2)
    save_state(page, "1 waiting")
    assert "outbox:" in page.evaluate("Object.keys(localStorage).join()")
    page.context.set_offline(False)
    save_state(page, "All saved")
    stored(annotator, 1)
    assert page.evaluate("localStorage.length") == 0
    complaints.clear()


def test_an_item_in_two_tabs_belongs_to_the_newer_one(annotator: Membership, open_page: OpenPage) -> None:
    page = open_page(annotator.user)
    start(page)
    page.keyboard.press("6")
    newer = page.context.new_page()
    newer.goto(page.url)
    at_item(newer, 1)
    asked = page.locator("#elsewhere")
    expect(asked).to_contain_text("This task is open in another tab.")
    page.keyboard.press("2")
    page.keyboard.press("Escape")
    expect(asked).to_be_visible()
    asked.get_by_role("button", name="Use it here").click()
    expect(newer.locator("#elsewhere")).to_be_visible()
    at_item(page, 1)
    expect(page.locator('#judge input[data-digit="6"]:checked')).to_have_count(1)
    answer(page)
    at_item(page, 2)
    stored(annotator, 1)


def test_one_key_keeps_the_item_before_its_time_is_over(annotator: Membership, open_page: OpenPage) -> None:
    page = open_page(annotator.user)
    page.clock.install()
    start(page)
    item = Assignment.objects.get(annotator=annotator, leases__ordinal=1)
    page.clock.fast_forward("24:30")
    expect(page.locator("#still")).to_be_hidden()
    for _ in range(2):
        page.clock.fast_forward("25:00")
        expect(page.locator("#still")).to_contain_text("Still there?")
        with page.expect_response("**/extend") as reply:
            page.keyboard.press("y")
        assert reply.value.status == 204
        expect(page.locator("#still")).to_be_hidden()
    assert Assignment.objects.get(pk=item.pk).expires_at > item.expires_at  # type: ignore[operator]


@pytest.mark.parametrize("way", ["back", "sign out"])
def test_leaving_gives_the_spare_back(way: str, annotator: Membership, open_page: OpenPage) -> None:
    page = open_page(annotator.user)
    start(page)
    held = Assignment.objects.filter(annotator=annotator, state="leased")
    assert held.count() == 2
    first = page.locator("#judge").get_attribute("data-showing")
    if way == "back":
        # The request outlives the page (keepalive), so the browser need not tell of its answer.
        page.get_by_role("link", name="Back to my work").click()
    else:
        page.goto("/")
        page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).not_to_contain_text("Item")
    deadline = time.monotonic() + WAIT_MS / 1000
    while held.count() > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [str(slot.leases.get().public_id) for slot in held] == [first]


def test_leaving_with_unsent_answers_is_asked_about(
    annotator: Membership, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(annotator.user)
    start(page)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == []
    page.route(SUBMITS, lambda route: route.abort())
    answer(page)
    save_state(page, "1 waiting")
    page.goto("/")
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Sign out").click()
    unsent = page.locator("#unsent")
    expect(unsent).to_contain_text("Not sent yet: 1")
    page.unroute(SUBMITS)
    unsent.get_by_role("button", name="Send, then sign out").click()
    expect(page).to_have_url(re.compile("/login"))
    stored(annotator, 1)
    complaints.clear()
