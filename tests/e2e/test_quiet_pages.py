"""The quiet pages in a browser: home, guide, own answers, settings, break, the end of a batch."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect
from pytest_django.fixtures import Settings

from annotation.models import Assignment, GuideReading, Judgment, Lease, Membership, Project, User
from annotation.services.drafts import save_draft
from annotation.services.people import add_member, set_preferences
from annotation.services.projects import publish_consent_text, publish_guideline
from annotation.services.returning import release_assignment
from annotation.services.voiding import void_judgment
from tests.annotation.engine.people import training_batch
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW = (320, 640)
GUIDE = """Read both responses to the end.

Check facts before style. A longer answer is not a better one.

1. Say which one helps more.
2. Say how sure you are.

Leave out what you do not understand.

Ask your project lead when a sentence of this guide is not clear.

Take breaks.
"""
NEW_GUIDE = GUIDE.replace("before style", "before style and tone").replace(
    "2. Say how sure you are.\n", "2. Say how sure you are.\n3. Write why in one or two sentences.\n"
)
PAID = {"pay_per_item": Decimal("0.48"), "pay_currency": "GBP"}
LOOKS = [
    pytest.param(size, theme, id=f"{size[0]} {theme}")
    for size, theme in [
        (WIDE, "light"),
        (WIDE, "dark"),
        (PHONE, "light"),
        (PHONE, "dark"),
        (NARROW, "light"),
    ]
]


def world_of(items: int = 3, *, guide: str = GUIDE, **fields: object) -> World:
    world = make_world(guideline=guide)
    world.now = timezone.now()
    if items:
        world.batch(items, **fields)
    return world


def join(world: World, user: User) -> Membership:
    membership, _ = add_member(
        project=world.project, actor=world.lead, email=user.email, role="annotator", now=world.now
    )
    return membership


def rename(project: Project, name: str) -> None:
    Project.objects.filter(pk=project.pk).update(name=name)


def judge_some(world: World, annotator: Membership, count: int) -> None:
    for number in range(count):
        world.submit(world.lease(annotator), active_seconds=70.0 + 10 * number)


def go(page: Page, path: str) -> None:
    """To a page, until its script is there."""
    page.goto(path)
    expect(page.locator("html")).to_have_class("js")


def check(page: Page, name: str) -> None:
    assert faults(page) == [], name
    assert overflow(page) == 0, name


def wait_for_keys(page: Page) -> None:
    """The judging page listens once its first question is the active one."""
    expect(page.locator('[data-q="overall"]')).to_have_attribute("data-active", "true")


def tab_to(page: Page, selector: str, most: int = 40) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


# Home


def test_enter_on_the_home_page_goes_on(open_page: OpenPage) -> None:
    world = world_of()
    page = open_page(world.member().user)
    go(page, "/")
    expect(page.get_by_role("heading", level=2, name=world.project.name)).to_be_visible()
    assert not Lease.objects.exists()
    page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 1 of 3")
    assert Lease.objects.filter(ordinal=1).count() == 1  # a spare may be there by now


def test_the_list_keeps_itself_fresh_and_leases_nothing(open_page: OpenPage, complaints: list[str]) -> None:
    world = world_of(0)
    page = open_page(world.member().user)
    page.clock.install()
    go(page, "/")
    expect(page.get_by_text("No work right now.")).to_be_visible()
    world.batch(2)
    page.clock.fast_forward(61_000)
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert not Lease.objects.exists()

    def refuse(route: Route) -> None:
        route.abort()

    page.route("**/", refuse)
    page.clock.fast_forward(61_000)
    expect(page.get_by_text("Could not refresh.")).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    page.unroute("**/", refuse)
    page.clock.fast_forward(61_000)
    expect(page.get_by_text("Could not refresh.")).to_be_hidden()
    complaints.clear()  # of the request that was cut off


def test_a_refresh_leaves_the_focus_where_it_is(open_page: OpenPage) -> None:
    world = world_of()
    page = open_page(world.member().user)
    page.clock.install()
    go(page, "/")
    page.locator("#go-on").focus()
    with page.expect_response(lambda response: response.request.headers.get("hx-request") == "true"):
        page.clock.fast_forward(61_000)
    page.clock.run_for(100)
    expect(page.locator("#go-on")).to_be_focused()


def test_what_is_hidden_by_the_eye_stays_hidden(open_page: OpenPage) -> None:
    world = world_of(items=9, **PAID)
    annotator = world.member()
    judge_some(world, annotator, 6)
    page = open_page(annotator.user)
    go(page, "/")
    expect(page.locator(".week")).to_contain_text("£2.88")
    expect(page.locator("main")).to_contain_text("£0.48 an item")
    expect(page.locator("main")).to_contain_text("left")
    page.get_by_role("button", name="Hide time and pay").click()
    expect(page.get_by_role("button", name="Show time and pay")).to_be_visible()
    for path in ("/", f"/projects/{world.project.slug}/task"):
        go(page, path)
        text = page.locator("main").inner_text()
        assert "£" not in text and "min" not in text, path
    other_device = open_page(annotator.user, size=PHONE)
    go(other_device, "/")
    assert "£" not in other_device.locator("main").inner_text()
    page.goto("/")
    page.get_by_role("button", name="Show time and pay").click()
    expect(page.locator(".week")).to_contain_text("£2.88")


# Guide


def test_a_changed_guide_is_looked_at_before_the_next_item(open_page: OpenPage) -> None:
    """By keyboard alone."""
    world = world_of()
    annotator = world.member()
    world.judge(annotator)
    publish_guideline(project=world.project, actor=world.lead, text=NEW_GUIDE, now=world.now)
    page = open_page(annotator.user)
    page.goto(f"/projects/{world.project.slug}/task")
    expect(page).to_have_url(page.url.split("/projects")[0] + f"/projects/{world.project.slug}/guide")
    go(page, "/")
    expect(page.get_by_text("changed since you read it")).to_be_visible()
    page.keyboard.press("Enter")
    new = page.get_by_role("region", name="What is new in the guide")
    expect(new.locator("ins")).to_contain_text(["and tone", "Write why"])
    expect(new).to_contain_text("lines as before")
    assert not Assignment.objects.filter(state="leased").exists()
    tab_to(page, "#new button")
    page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of 3")
    assert GuideReading.objects.get().guideline.number == 2
    go(page, "/")
    expect(page.get_by_text("changed since you read it")).to_have_count(0)


# Settings


def test_a_moved_key_works_and_the_old_one_does_not(open_page: OpenPage) -> None:
    world = world_of()
    page = open_page(world.member().user)
    go(page, "/settings")
    page.get_by_label("Note", exact=True).select_option("w")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    go(page, "/")
    page.keyboard.press("Enter")
    wait_for_keys(page)
    expect(page.locator("#note")).to_have_attribute("aria-keyshortcuts", "W")
    page.keyboard.press("n")
    expect(page.locator("#note")).not_to_be_focused()
    page.keyboard.press("w")
    expect(page.locator("#note")).to_be_focused()
    expect(page.locator("#note")).to_have_value("")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.locator("dialog#guide")).to_be_visible()


def test_two_commands_on_one_letter_are_refused_with_the_form_as_it_was(
    open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(world_of().member().user)
    go(page, "/settings")
    page.get_by_label("Note", exact=True).select_option("i")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("“Guide” and “Note” are both on I")
    expect(page.get_by_label("Note", exact=True)).to_have_value("i")
    complaints.clear()  # the browser notes the 422


def test_with_single_keys_off_letters_and_digits_do_nothing(open_page: OpenPage) -> None:
    world = world_of()
    page = open_page(world.member().user)
    go(page, "/settings")
    page.get_by_role("switch", name="Shortcuts of one key").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    go(page, "/")
    page.keyboard.press("Enter")
    wait_for_keys(page)
    for key in ("2", "n", "i", "?"):
        page.keyboard.press(key)
    expect(page.locator("#judge input:checked")).to_have_count(0)
    expect(page.locator("#note")).not_to_be_focused()
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#judge .kbd:visible")).to_have_count(0)
    page.locator('input[name="q-overall"]').first.check()
    page.locator("#stage").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # a side below the fold is asked about once
    expect(page.locator("#item-h")).to_contain_text("Item 2 of 3")


# Break


def test_the_break_counts_up_and_ends_with_enter(open_page: OpenPage) -> None:
    world = world_of()
    annotator = world.member()
    lease = world.lease(annotator)
    until = lease.assignment.expires_at
    page = open_page(annotator.user)
    page.clock.install()
    page.clock.pause_at(timezone.now() + timedelta(minutes=1))
    go(page, f"/projects/{world.project.slug}/break")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="You are on a break")).to_be_visible()
    assert Assignment.objects.get(pk=lease.assignment_id).expires_at > until
    timer = page.get_by_role("timer")
    expect(timer).to_have_text("0:00", use_inner_text=True)
    page.clock.run_for(75_000)
    expect(timer).to_have_text("1:15", use_inner_text=True)
    expect(page.locator("#live")).to_have_text("")
    page.clock.run_for(240_000)
    expect(timer).to_have_text("5:15", use_inner_text=True)
    expect(page.locator("#live")).to_have_text("Five minutes are over. Go on when you like.")
    assert "Question" not in page.content()
    page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 1 of 3")
    assert page.url.endswith(f"/assignments/{lease.public_id}")


# Without script, and how all of them look


def test_the_pages_work_without_script(open_page: OpenPage) -> None:
    world = world_of(2, **PAID)
    annotator = world.member()
    world.judge(annotator)
    publish_guideline(project=world.project, actor=world.lead, text=NEW_GUIDE, now=world.now)
    page = open_page(annotator.user, scripted=False)
    page.goto("/")
    page.get_by_role("button", name="Hide time and pay").click()
    page.get_by_role("link", name="Read first").click()
    page.get_by_role("button", name="I have read it, go on").click()
    expect(page.locator("#item-h")).to_contain_text("Item 2 of 2")
    page.goto(f"/projects/{world.project.slug}/break")
    page.get_by_role("button", name="Start the break").click()
    expect(page.get_by_role("timer")).to_contain_text("since")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#item-h")).to_contain_text("Item 2 of 2")
    page.goto(f"/projects/{world.project.slug}/work")
    page.get_by_role("link", name="Skipped").click()
    expect(page.get_by_text("You have skipped nothing.")).to_be_visible()


def busy_person() -> tuple[World, Membership]:
    """Somebody with everything: work in hand, a draft, a returned answer, a skip, a training and a pause elsewhere."""
    world = make_world({"kind": "demonstration", "overlap": 3}, guideline=GUIDE)
    world.now = timezone.now()
    rename(world.project, "Explain simply")
    world.batch(30, completions=0, **PAID)
    annotator = world.member()
    for _ in range(8):
        lease = world.lease(annotator)
        world.submit(lease, {"text": "The moon pulls the sea."}, active_seconds=110.0)
    returned = Judgment.objects.filter(annotator=annotator).latest("pk")
    void_judgment(
        judgment=returned, reason="Please say why in simple words.", actor=world.lead, now=timezone.now()
    )
    skipped = world.lease(annotator)
    release_assignment(
        annotator=annotator, assignment=skipped.assignment, reason="expertise", now=timezone.now()
    )
    lease = world.lease(annotator)
    save_draft(lease=lease, fields={"text": ["The moon"]}, now=timezone.now())
    publish_guideline(project=world.project, actor=world.lead, text=NEW_GUIDE, now=world.now)
    world.project.refresh_from_db()

    sprint = world_of(12)
    rename(sprint.project, "Coding help")
    training_batch(sprint, 4)
    join(sprint, annotator.user)
    third = world_of(5, pay_per_item=Decimal("0.55"), pay_currency="GBP")
    rename(third.project, "A project with quite a long name that may have to be broken over two lines")
    join(third, annotator.user)
    paused = world_of(5)
    rename(paused.project, "Letters")
    member = join(paused, annotator.user)
    Membership.objects.filter(pk=member.pk).update(paused_at=timezone.now())
    return world, annotator


@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_mail_is_asked_for_where_there_is_nothing_to_do(
    size: tuple[int, int], theme: str, open_page: OpenPage, settings: Settings
) -> None:
    settings.SENDS_MAIL = True
    page = open_page(world_of(items=0).member().user, size=size, theme=theme)
    go(page, "/")
    check(page, "no work")
    page.get_by_role("button", name="Write to me").click()
    expect(page.get_by_text("when a batch opens")).to_be_visible()
    check(page, "no work, mail wanted")
    go(page, "/settings")
    expect(page.get_by_label("Write to me")).to_be_checked()
    check(page, "settings with mail")


@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_nothing_is_wrong_with_how_they_look(
    size: tuple[int, int], theme: str, open_page: OpenPage, complaints: list[str]
) -> None:
    world, annotator = busy_person()
    slug = world.project.slug
    page = open_page(annotator.user, size=size, theme=theme)
    for name, path in {
        "home": "/",
        "guide": f"/projects/{slug}/guide",
        "submitted": f"/projects/{slug}/work",
        "drafts": f"/projects/{slug}/work?show=drafts",
        "returned": f"/projects/{slug}/work?show=returned",
        "skipped": f"/projects/{slug}/work?show=skipped",
        "settings": "/settings",
        "tokens": "/settings/tokens",
        "break": f"/projects/{slug}/break",
    }.items():
        go(page, path)
        check(page, name)
    page.get_by_role("button", name="Start the break").click()
    expect(page.get_by_role("timer")).to_be_visible()
    check(page, "on a break")
    publish_consent_text(project=world.project, actor=world.lead, text="You may read insults.", now=world.now)
    go(page, f"/projects/{slug}/guide")
    check(page, "guide with consent")
    go(page, "/settings")
    page.get_by_label("Note", exact=True).select_option("i")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").wait_for()
    check(page, "settings refused")
    complaints.clear()  # the browser notes the 422
    set_preferences(user=annotator.user, hides_pay=True, motion="reduced")
    go(page, "/")
    check(page, "home, pay hidden")

    finished = world_of(1, **PAID)
    worker = join(finished, annotator.user)
    finished.submit(finished.lease(worker), active_seconds=95.0)
    go(page, f"/projects/{finished.project.slug}/done")
    check(page, "done")
    idle = open_page(world_of(0).member().user, size=size, theme=theme)
    go(idle, "/")
    check(idle, "no work")
