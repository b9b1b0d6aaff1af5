"""Ranking in a browser: every way of giving the same order stores the same rows."""

import re
from collections.abc import Callable, Sequence

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from annotation.models import Judgment, Membership
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TABLET = (1024, 768)
NARROW = (320, 640)
ORDER = [[3], [0, 4], [1], [2]]
"""Completions by position, best first; two of the five are about the same."""
RANKS = {3: 1, 0: 2, 4: 2, 1: 4, 2: 5}


def ranking_world(completions: int = 5, items: int = 1, **protocol: object) -> World:
    world = make_world({"kind": "ranking", "overlap": 9} | protocol)
    world.now = timezone.now()
    world.batch(items, completions=completions)
    return world


def start(page: Page, *, is_scripted: bool = True) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    if is_scripted:
        expect(page.locator("#placed")).to_contain_text("placed")


def positions(page: Page) -> dict[int, str]:
    """Position of a completion → the letter it has on this screen."""
    found = {}
    for card in page.locator(".rcard").all():
        text = card.locator(".resp-text").text_content() or ""
        match = re.search(r"\d+\.(\d+)", text)
        assert match is not None, text
        label = card.get_attribute("id")
        assert label is not None
        found[int(match[1])] = label[-1].upper()
    return found


def letters(page: Page, order: Sequence[Sequence[int]] = ORDER) -> list[list[str]]:
    """The wanted order in the letters of this screen; tied ones in the order of the alphabet."""
    labels = positions(page)
    return [sorted(labels[position] for position in tier) for tier in order]


def numbers(tiers: Sequence[Sequence[str]]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for tier in tiers:
        ranks.update(dict.fromkeys(tier, len(ranks) + 1))
    return ranks


def stored(annotator: Membership, criterion: str = "overall") -> dict[int, int]:
    """Position of a completion → rank in the database."""
    judgment = Judgment.objects.current().get(annotator=annotator)
    rows = judgment.ranking_answers.filter(criterion__key=criterion)
    return {row.completion.position: row.rank for row in rows.select_related("completion")}


def radio(page: Page, label: str, number: int) -> Locator:
    return page.locator(f'input[name="rank-overall-{label}"][value="{number}"]')


def chip(page: Page, label: str) -> Locator:
    return page.locator(f'.chip[data-l="{label}"]')


def submit(page: Page) -> None:
    """Also where a card is below the fold and so not read yet."""
    expect(page.locator("#submit")).to_contain_text("Submit")
    page.locator("#submit").click()
    unread = page.locator("#submit", has_text="without reading")
    if unread.count():
        unread.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")


# The seven ways ------------------------------------------------------------------------------------------


def by_typing(page: Page) -> None:
    for tier in letters(page):
        for place, label in enumerate(tier):
            if place:
                page.keyboard.press("=")
            page.keyboard.press(label.lower())


def by_digits(page: Page) -> None:
    """J goes from card to card, a digit places the one it is on."""
    ranks = numbers(letters(page))
    for label in sorted(ranks):
        page.keyboard.press("j")
        expect(page.locator(f"#resp-{label.lower()}")).to_be_focused()
        page.keyboard.press(str(ranks[label]))


def by_buttons(page: Page) -> None:
    ranks = numbers(letters(page))
    for label in sorted(ranks):
        radio(page, label, ranks[label]).click()


def by_taps(page: Page) -> None:
    ranks = numbers(letters(page))
    for label in sorted(ranks, reverse=True):
        radio(page, label, ranks[label]).tap()


def by_arrows(page: Page) -> None:
    """Everything placed in the order of the alphabet, then moved up step by step, at last tied."""
    tiers = letters(page)
    flat = [label for tier in tiers for label in tier]
    for label in sorted(flat):
        chip(page, label).locator(".chip-go").focus()
        page.keyboard.press("Alt+ArrowUp")
    for index, label in enumerate(flat):
        chip(page, label).locator(".chip-go").focus()
        for _ in range(len(flat)):
            if page.locator("#tiers .chip").nth(index).get_attribute("data-l") == label:
                break
            page.keyboard.press("Alt+ArrowUp")
            expect(chip(page, label).locator(".chip-go")).to_be_focused()
    chip(page, tiers[1][1]).locator(".chip-go").focus()
    page.keyboard.press("=")


def centre(place: Locator, share: float = 0.5) -> tuple[float, float]:
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] * share


Drag = Callable[[tuple[float, float], tuple[float, float]], None]


def drag_all(page: Page, drag: Drag) -> None:
    """The last one first, the others between and before; the second of the tie onto the first."""
    (best,), (one, other), (fourth,), (last,) = letters(page)
    drag(centre(chip(page, last).locator(".grip")), centre(page.locator(".tier.free")))
    expect(page.locator("#expr")).to_have_text(f"{last}>")
    drag(centre(chip(page, best).locator(".grip")), centre(page.locator("#tiers > li").nth(0), 0.05))
    expect(page.locator("#expr")).to_have_text(f"{best}>{last}>")
    drag(centre(chip(page, fourth).locator(".grip")), centre(page.locator("#tiers > li").nth(0), 0.97))
    expect(page.locator("#expr")).to_have_text(f"{best}>{fourth}>{last}>")
    drag(centre(chip(page, one).locator(".grip")), centre(page.locator("#tiers > li").nth(1), 0.04))
    drag(centre(chip(page, other).locator(".grip")), centre(page.locator("#tiers > li").nth(1)))


def by_dragging(page: Page) -> None:
    def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=4)
        page.mouse.up()

    drag_all(page, drag)


def by_touch(page: Page) -> None:
    touches = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touch_points = [{"x": x, "y": y} for x, y in points]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touch_points})

    def drag(start: tuple[float, float], end: tuple[float, float]) -> None:
        send("touchStart", start)
        send("touchMove", ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        send("touchMove", end)
        send("touchEnd")

    drag_all(page, drag)


def by_tab(page: Page) -> None:
    """Tab, space and arrow keys only, with single keys switched off."""
    for label, number in numbers(letters(page)).items():
        group = f"rank-overall-{label}"
        for _ in range(90):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.name") == group:
                break
        page.keyboard.press("Space")
        for _ in range(number - 1):
            page.keyboard.press("ArrowRight")


WAYS = {
    "typing": (by_typing, WIDE, False),
    "digits": (by_digits, WIDE, False),
    "buttons": (by_buttons, WIDE, False),
    "arrows": (by_arrows, WIDE, False),
    "dragging": (by_dragging, WIDE, False),
    "touch": (by_touch, TABLET, True),
    "taps on a phone": (by_taps, PHONE, True),
    "tab": (by_tab, WIDE, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_stores_the_same_rows(way: str, transactional_db: None, open_page: OpenPage) -> None:
    world = ranking_world()
    annotator = world.member()
    if way == "tab":
        annotator.user.has_single_keys = False
        annotator.user.save(update_fields=["has_single_keys"])
    give, size, has_touch = WAYS[way]
    page = open_page(annotator.user, size=size, has_touch=has_touch)
    start(page)
    give(page)
    tiers = letters(page)
    expect(page.locator("#placed")).to_have_text("5 of 5 placed")
    for label, number in numbers(tiers).items():
        expect(radio(page, label, number)).to_be_checked()
    shown = page.locator("#expr").text_content() or ""
    assert [sorted(tier.split("=")) for tier in shown.split(">")] == tiers
    submit(page)
    assert stored(annotator) == RANKS


def test_without_script_the_numbers_are_the_form(transactional_db: None, open_page: OpenPage) -> None:
    world = ranking_world()
    annotator = world.member()
    page = open_page(annotator.user, scripted=False)
    start(page, is_scripted=False)
    expect(page.locator("#tiers")).to_be_hidden()
    for label, number in numbers(letters(page)).items():
        radio(page, label, number).check()
    page.locator("#submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert stored(annotator) == RANKS


def test_the_best_few_are_enough_where_the_protocol_says_so(
    transactional_db: None, open_page: OpenPage
) -> None:
    annotator = ranking_world(4, top=2).member()
    page = open_page(annotator.user)
    start(page)
    best, second = letters(page, [[3], [1]])
    expect(page.locator("#submit")).to_contain_text("Place 2 more to submit")
    page.keyboard.press(best[0].lower())
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("Place 1 more to submit")
    page.keyboard.press(second[0].lower())
    expect(page.locator("#submit span")).to_have_text("Submit")
    submit(page)
    assert stored(annotator) == {3: 1, 1: 2, 0: 3, 2: 3}


def test_where_nothing_may_be_tied_a_number_that_is_taken_makes_way(
    transactional_db: None, open_page: OpenPage
) -> None:
    annotator = ranking_world(3, ties=False).member()
    page = open_page(annotator.user)
    start(page)
    for label in "ABC":
        radio(page, label, 1).click()
    expect(page.locator("#expr")).to_have_text("C>B>A")
    page.keyboard.press("=")
    expect(page.locator("#live")).to_have_text("No ties here")
    radio(page, "C", 3).click()
    expect(page.locator("#expr")).to_have_text("B>A>C")
    labels = positions(page)
    submit(page)
    assert stored(annotator) == {at: "BAC".index(label) + 1 for at, label in labels.items()}


def test_each_step_is_said_and_can_be_taken_back(transactional_db: None, open_page: OpenPage) -> None:
    page = open_page(ranking_world(4).member().user)
    start(page)
    live = page.locator("#live")
    for key in "ca=d":
        page.keyboard.press(key)
    expect(live).to_have_text("C first, A and D tied second, B not placed")
    expect(page.locator("#submit")).to_contain_text("Place B to submit")
    page.keyboard.press("Enter")
    expect(live).to_have_text("Place B to submit")
    page.keyboard.press("Backspace")
    expect(live).to_have_text("C first, A second, B and D not placed")
    radio(page, "C", 1).click()
    expect(live).to_have_text("A first, B, C and D not placed")


def test_numbers_with_gaps_read_as_printed_once_everything_is_placed(
    transactional_db: None, open_page: OpenPage
) -> None:
    page = open_page(ranking_world(4).member().user)
    start(page)
    for label, number in {"A": 1, "B": 2, "C": 2, "D": 3}.items():
        radio(page, label, number).click()
    page.locator("#note").focus()
    expect(radio(page, "D", 4)).to_be_checked()


def test_two_stand_side_by_side_and_the_others_fold(transactional_db: None, open_page: OpenPage) -> None:
    page = open_page(ranking_world(4).member().user)
    start(page)
    page.keyboard.press("Shift+B")
    page.keyboard.press("Shift+D")
    expect(page.locator("#live")).to_have_text("B and D side by side")
    expect(page.locator(".resp-text:visible")).to_have_count(2)
    page.locator("[data-pin=A]").click()
    expect(page.locator("#resp-a .resp-text, #resp-d .resp-text").filter(visible=True)).to_have_count(2)
    page.locator("#compare").click()
    expect(page.locator(".resp-text:visible")).to_have_count(4)
    expect(page.locator("#placed")).to_have_text("0 of 4 placed")


def test_five_long_ones_are_folded_and_read_on_demand(transactional_db: None, open_page: OpenPage) -> None:
    world = ranking_world(items=0)
    world.item(
        world.project.batches.get(), 1, [f"Answer 0.{at}." + "\n\nLine." * 40 * (at == 2) for at in range(5)]
    )
    page = open_page(world.member().user)
    start(page)
    label = positions(page)[2]
    card = page.locator(f".rcard[data-l={label}]")
    expect(page.locator(".more:visible")).to_have_count(1)
    expect(card.locator("[data-read]")).to_be_hidden()
    card.get_by_label("Read all").focus()
    page.keyboard.press("Space")
    card.locator(".end").scroll_into_view_if_needed()
    expect(card.locator("[data-read]")).to_be_visible()
    card.get_by_text("Show less").click()
    expect(card.get_by_text("Read all")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE, NARROW], ids=["wide", "phone", "narrow"])
def test_axe_finds_nothing(
    size: tuple[int, int], theme: str, transactional_db: None, open_page: OpenPage
) -> None:
    page = open_page(ranking_world(8).member().user, size=size, theme=theme)
    start(page)
    assert faults(page) == []
    for key in "ca=d":
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert faults(page) == []
    page.keyboard.press("Shift+A")
    page.keyboard.press("Shift+B")
    assert faults(page) == []
    assert overflow(page) == 0
