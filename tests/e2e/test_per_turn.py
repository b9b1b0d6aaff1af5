"""Judging two conversations turn by turn in a browser: keys, folding, drafts, no script."""

import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.models import Judgment, Membership
from annotation.services.projects import publish_protocol
from tests.conversations import PER_TURN, add_conversations
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.e2e.test_pairwise import screen_sign, wait_for_keys
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "word " * 150


@pytest.fixture
def world(transactional_db: None) -> World:
    world = make_world(PER_TURN | {"criteria": [{"key": "clarity", "name": "Clarity"}]})
    world.now = timezone.now()
    add_conversations(world, world.batch(0), 1, (4, 5), LONG)
    return world


def start(page: Page, *, is_scripted: bool = True) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text("Compare two conversations turn by turn.")
    if is_scripted:
        wait_for_keys(page)


def sign(page: Page) -> int:
    """+1 when the conversation imported first is on the left."""
    return 1 if "c0 1" in page.locator("#resp-a .branch-turn").first.inner_text() else -1


def asked(page: Page) -> list[str]:
    """What the dock asks now, by what is to be seen."""
    names = page.locator("#judge [data-q]:visible:not([data-optional])")
    return [one.get_attribute("data-name") or "" for one in names.all()]


def open_turns(page: Page, side: str) -> list[int]:
    return [
        int(n)
        for n in page.locator(f"#resp-{side} .branch-turn[open]").evaluate_all(
            "all => all.map(one => one.dataset.number)"
        )
    ]


def rows(annotator: Membership) -> list[tuple[str, int | None, int]]:
    found: Any = Judgment.objects.get(annotator=annotator).pairwise_answers.order_by(
        "criterion__position", "turn"
    )
    return list(found.values_list("criterion__key", "turn", "preference"))


EXPECTED = [
    ("clarity", None, -1),
    ("overall", 1, -2),
    ("overall", 2, 0),
    ("overall", 3, 3),
    ("overall", 4, 1),
    ("overall", None, -1),
]


def test_four_turns_by_keyboard_and_without_script_are_stored_alike(
    world: World, open_page: OpenPage
) -> None:
    typist, clicker = world.member(), world.member()
    page = open_page(typist.user)
    start(page)
    side = sign(page)
    first, second = ("a", "b") if side == 1 else ("b", "a")
    live, keys = page.locator("#live"), page.keyboard

    assert asked(page) == ["Turn 1 of 4"]
    expect(page.locator("#turns .crit-name:visible")).to_have_text("Turn 1 of 4")
    assert open_turns(page, first) == [1, 2, 3, 4] and open_turns(page, second) == [1, 2, 3, 4, 5]

    keys.press(str(4 + side * -2))
    expect(live).to_have_text(f"Turn 1 of 4: {first.upper()} is better. Next: Turn 2 of 4")
    assert asked(page) == ["Turn 2 of 4"]
    # The chosen branch goes on; of the other one what lies behind the turn in question is folded away.
    assert open_turns(page, first) == [2, 3, 4] and open_turns(page, second) == [2]
    expect(page.locator(".goes-on:visible")).to_have_count(1)
    expect(page.locator(f"#resp-{first} [data-number='2'] .goes-on")).to_be_visible()
    page.locator(f"#resp-{second} [data-number='3'] summary").click()
    expect(page.locator(f"#resp-{second} [data-number='3'] .md").last).to_be_visible()
    page.locator("#item-h").focus()  # Enter on the fold would fold it again

    keys.press("j")
    expect(live).to_have_text("Turn 3 of 4")
    keys.press("k")
    expect(live).to_have_text("Turn 2 of 4")
    top = page.locator("#resp-a [data-number='2']").bounding_box()
    assert top and 0 < top["y"] < 300

    keys.press("4")
    expect(live).to_contain_text("Next: Turn 3 of 4")
    assert open_turns(page, first) == [3, 4] and open_turns(page, second) == [3, 4, 5]
    expect(page.locator(".goes-on:visible")).to_have_count(0)
    # Nothing is sent before the last turn is answered.
    page.wait_for_timeout(320)
    keys.press("Enter")
    expect(live).to_have_text("Please answer Turn 3 of 4")
    expect(page.locator("#turns input:focus")).to_have_count(1)
    assert not Judgment.objects.exists()

    keys.press(str(4 + side * 3))
    assert open_turns(page, second) == [4, 5] and open_turns(page, first) == [4]
    keys.press(str(4 + side * 1))
    expect(live).to_have_text(
        f"Turn 4 of 4: {second.upper()} is slightly better. Next: The whole conversation"
    )
    assert asked(page) == ["Clarity", "Overall"]
    assert open_turns(page, first) == [1, 2, 3, 4] and open_turns(page, second) == [1, 2, 3, 4, 5]
    page.locator("#item-h").focus()  # arrows within a scale are the scale's own
    keys.press("ArrowUp")
    expect(live).to_have_text("Turn 4 of 4")
    keys.press("ArrowDown")
    expect(live).to_have_text("The whole conversation")
    keys.press(str(3 + side * -1))
    keys.press(str(4 + side * -1))
    for _ in range(2):  # once more if a side was not read to its end
        page.wait_for_timeout(320)
        if page.locator("#submit").is_visible():
            keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert rows(typist) == EXPECTED

    page = open_page(clicker.user, scripted=False)
    start(page, is_scripted=False)
    side = sign(page)
    for key, turn, preference in EXPECTED:
        field = f"q-{key}-t{turn}" if turn else f"q-{key}"
        page.check(f'input[name="{field}"][value="{side * preference}"]')
    page.click("#submit")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert rows(clicker) == EXPECTED


def test_without_script_an_open_turn_is_asked_for_and_the_rest_kept(
    world: World, open_page: OpenPage, complaints: list[str]
) -> None:
    page = open_page(world.member().user, scripted=False)
    start(page, is_scripted=False)
    for field in ("q-overall-t1", "q-overall-t2", "q-overall-t4", "q-clarity", "q-overall"):
        page.check(f'input[name="{field}"][value="1"]')
    page.click("#submit")
    expect(page.get_by_role("alert")).to_contain_text("Please answer turn 3.")
    complaints.clear()  # the browser notes the 422
    expect(page.locator('input[name="q-overall-t4"][value="1"]')).to_be_checked()
    page.check('input[name="q-overall-t3"][value="0"]')
    page.click("#submit")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")


def test_a_draft_comes_back_at_its_turn_and_undo_opens_the_answer(world: World, open_page: OpenPage) -> None:
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    page.keyboard.press("1")
    page.keyboard.press("7")
    page.reload()
    wait_for_keys(page)
    assert asked(page) == ["Turn 3 of 4"]
    expect(page.locator('input[name="q-overall-t1"][value="-3"]')).to_be_checked()
    expect(page.locator('input[name="q-overall-t2"][value="3"]')).to_be_checked()
    expect(page.locator("#resp-b [data-number='3'] .goes-on")).to_be_visible()
    # A judgment of the whole is marked above a card, one of a turn is not.
    expect(page.locator(".verdict:visible")).to_have_count(0)
    for key in ("4", "4", "3", "2"):
        page.keyboard.press(key)
    assert asked(page) == ["Clarity", "Overall"]
    expect(page.locator(".verdict:visible")).to_have_count(1)
    with page.expect_response("**/judgments"):
        for _ in range(2):
            page.wait_for_timeout(320)
            page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    judgment: Any = Judgment.objects.get(annotator=annotator)
    page.goto(f"/projects/{world.project.slug}/work")
    page.get_by_role("button", name="Change").click()
    wait_for_keys(page)
    assert asked(page) == ["Clarity", "Overall"]
    page.keyboard.press("k")
    assert asked(page) == ["Turn 4 of 4"]
    page.keyboard.press("k")
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    page.wait_for_timeout(320)
    with page.expect_response("**/corrections"):
        for _ in range(2):
            page.keyboard.press("Enter")
            page.wait_for_timeout(320)
    correction: Any = Judgment.objects.get(supersedes=judgment)
    kept = dict(judgment.pairwise_answers.exclude(turn=None).values_list("turn", "preference"))
    now = dict(correction.pairwise_answers.exclude(turn=None).values_list("turn", "preference"))
    assert abs(now[3]) == 2 and kept[3] == 0
    assert {turn: now[turn] for turn in (1, 2, 4)} == {turn: kept[turn] for turn in (1, 2, 4)}


def test_pointer_and_arrows_go_through_the_turns(world: World, open_page: OpenPage) -> None:
    page = open_page(world.member().user)
    start(page)
    page.locator("#turns .seg:visible").nth(1).click()
    assert asked(page) == ["Turn 2 of 4"]
    expect(page.locator('input[name="q-overall-t2"]:focus')).to_have_count(1)  # not lost with what was folded
    # Arrow keys answer on their way through the scale, and stay on the turn.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert asked(page) == ["Turn 2 of 4"]
    page.get_by_role("button", name="Next turn").click()
    assert asked(page) == ["Turn 3 of 4"]
    page.get_by_role("button", name="Turn before").click()
    page.get_by_role("button", name="Turn before").click()
    assert asked(page) == ["Turn 1 of 4"]
    expect(page.get_by_role("button", name="Turn before")).to_have_attribute("aria-disabled", "true")


def test_a_page_without_turns_takes_a_conversation_as_its_next_item(
    world: World, open_page: OpenPage
) -> None:
    """Both protocols have the same kind, so the page stays and only its item changes."""
    batch = world.project.batches.get()
    publish_protocol(project=world.project, actor=world.lead, settings={"kind": "pairwise"}, now=world.now)
    world.batch(1, priority=9)
    annotator = world.member()
    page = open_page(annotator.user)
    page.goto("/")
    page.locator("form", has_text="Start").first.get_by_role("button").click()
    wait_for_keys(page)
    expect(page.locator("#item-h")).to_contain_text("Compare two responses.")
    assert screen_sign(page) in (1, -1)
    expect(page.locator("[data-read]:not([hidden])")).to_have_count(2)
    page.keyboard.press("2")
    page.wait_for_timeout(320)
    page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Compare two conversations turn by turn.")
    expect(page.locator("#turns [data-q]:visible")).to_have_count(1)
    page.keyboard.press("2")
    expect(page.locator("#live")).to_have_text(re.compile(r"^Turn 1 of 4: A is better\. Next: Turn 2 of 4$"))
    assert batch.state == "open"


def test_the_dock_names_the_turn_on_a_phone(world: World, open_page: OpenPage) -> None:
    page = open_page(world.member().user, size=PHONE)
    start(page)
    expect(page.locator("#turns .crit-name:visible")).to_have_text("Turn 1 of 4")
    page.locator("#turns .seg:visible").first.click()
    expect(page.locator("#turns .crit-name:visible")).to_have_text("Turn 2 of 4")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.locator('[data-turn-step="-1"]').click()
    expect(page.locator("#turns output:visible")).to_have_text("A is much better")


@pytest.mark.parametrize(
    ("size", "theme"),
    [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark"), ((320, 640), "light")],
)
def test_a_turn_and_the_whole_look_right(
    size: tuple[int, int], theme: str, world: World, open_page: OpenPage
) -> None:
    page = open_page(world.member().user, size=size, theme=theme)
    start(page)
    page.keyboard.press("2")
    assert faults(page) == [] and overflow(page) == 0
    for _ in range(3):
        page.keyboard.press("6")
    expect(page.locator("#whole")).to_be_visible()
    assert faults(page) == [] and overflow(page) == 0
