"""Not applicable and the overall choice in a browser: by keys, by touch and without script the same rows."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.models import Judgment, Membership
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.e2e.test_rating import labels, positions, start, submit
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PROTOCOL = {
    "kind": "rating",
    "overlap": 9,
    "choice": True,
    "criteria": [
        {
            "key": "depth",
            "name": "Depth",
            "points": 3,
            "anchors": ["none", "some", "enough"],
            "optional": True,
        },
        {"key": "overall", "optional": True},
    ],
}
RATINGS: dict[int, dict[str, int | None]] = {
    0: {"depth": None, "overall": 6},
    1: {"depth": 2, "overall": None},
}
"""Position of a completion → criterion → value, None: not applicable."""
KEYS = {"depth": "-", "overall": "0"}
CHOSEN = 1


def options_world() -> World:
    world = make_world(PROTOCOL)
    world.now = timezone.now()
    world.item(world.batch(0), 1, ["The moon is made of cheese.", "A second reply.\n\n**Bold** words."])
    return world


def stored(annotator: Membership) -> tuple[dict[int, dict[str, int | None]], set[int]]:
    """What the tables hold: values, and the positions that were chosen."""
    judgment = Judgment.objects.current().get(annotator=annotator)
    values: dict[int, dict[str, int | None]] = {}
    for row in judgment.rating_answers.select_related("completion", "criterion").order_by(
        "criterion__position"
    ):
        assert row.is_applicable is (row.value is not None)
        values.setdefault(row.completion.position, {})[row.criterion.key] = row.value
    chosen = type(judgment).objects.filter(pk=judgment.pk, rating_choice__isnull=False)
    return values, set(chosen.values_list("rating_choice__completion__position", flat=True))


def named(label: str, key: str, value: int | None) -> str:
    return f'[name="rating-{label}-{key}"][value="{"na" if value is None else value}"]'


def by_keyboard(page: Page) -> None:
    for position in positions(page):
        for key, value in RATINGS[position].items():
            page.keyboard.press(KEYS[key] if value is None else str(value))
    expect(page.locator(".rate-choice")).to_have_attribute("data-active", "true")
    expect(page.locator("#live")).to_contain_text("Next: Overall choice")
    page.keyboard.press({"A": "1", "B": "2"}[labels(page)[CHOSEN]])
    expect(page.locator("#live")).to_have_text(f"Overall choice: Response {labels(page)[CHOSEN]}")


def by_touch(page: Page) -> None:
    for position in positions(page):
        for key, value in RATINGS[position].items():
            page.locator(named(labels(page)[position], key, value)).tap()
    page.locator(f'[name="choice"][value="{labels(page)[CHOSEN]}"]').tap()


def by_arrows(page: Page) -> None:
    """Tab to a question and arrows within it; nothing is pressed that has a meaning on this page alone."""
    for position in positions(page):
        label = labels(page)[position]
        for key, value in RATINGS[position].items():
            page.locator(f'[name="rating-{label}-{key}"]').first.focus()
            page.keyboard.press("Space")
            for _ in range(20):
                if page.locator(named(label, key, value)).is_checked():
                    break
                page.keyboard.press("ArrowRight")
        if position == positions(page)[0]:
            page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator('[name="choice"][value="A"]')).to_be_focused()
    page.keyboard.press("Space")
    if labels(page)[CHOSEN] == "B":
        page.keyboard.press("ArrowRight")


WAYS = {
    "keyboard": (by_keyboard, WIDE, False),
    "touch": (by_touch, PHONE, True),
    "arrows": (by_arrows, WIDE, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_stores_the_same_rows(way: str, transactional_db: None, open_page: OpenPage) -> None:
    annotator = options_world().member()
    give, size, has_touch = WAYS[way]
    page = open_page(annotator.user, size=size, has_touch=has_touch)
    start(page)
    give(page)
    expect(page.locator(".rated.good")).to_have_count(2)
    submit(page)
    assert stored(annotator) == (RATINGS, {CHOSEN})


def test_without_script_it_is_the_form_and_comes_back_in_a_correction(
    transactional_db: None, open_page: OpenPage
) -> None:
    world = options_world()
    annotator = world.member()
    page = open_page(annotator.user, scripted=False)
    start(page, is_scripted=False)
    # A key that does nothing here is not shown.
    expect(page.locator(".points .kbd").first).to_be_hidden()
    for position, values in RATINGS.items():
        for key, value in values.items():
            page.locator(named(labels(page)[position], key, value)).check()
    page.locator(f'[name="choice"][value="{labels(page)[CHOSEN]}"]').check()
    page.locator("#submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert stored(annotator) == (RATINGS, {CHOSEN})
    page.goto(f"/projects/{world.project.slug}/work")
    page.get_by_role("button", name="Change").click()
    label = labels(page)[CHOSEN]
    expect(page.locator(f'[name="choice"][value="{label}"]')).to_be_checked()
    expect(page.locator(named(label, "overall", None))).to_be_checked()
    page.get_by_role("radio", name="No choice").check()
    page.locator(named(label, "overall", 1)).check()
    page.locator("#submit").click()
    expect(page.locator('[name="choice"]')).to_have_count(0)
    assert stored(annotator) == ({**RATINGS, CHOSEN: {"depth": 2, "overall": 1}}, set())


def test_the_choice_may_be_left_open_and_does_not_ask_twice(
    transactional_db: None, open_page: OpenPage
) -> None:
    annotator = options_world().member()
    page = open_page(annotator.user)
    start(page)
    for _ in positions(page):
        page.keyboard.press("-")
        page.keyboard.press("0")
    expect(page.locator(".rate-choice")).to_have_attribute("data-active", "true")
    page.keyboard.press("2")
    page.keyboard.press("0")
    expect(page.get_by_role("radio", name="No choice")).to_be_checked()
    # A rating is changed afterwards: the question at hand stays the one at hand.
    page.locator(named("B", "depth", 1)).click()
    expect(page.locator('[data-q="rating-B-depth"]')).to_have_attribute("data-active", "true")
    submit(page)
    values, chosen = stored(annotator)
    assert chosen == set()
    assert sorted(value for row in values.values() for value in row.values() if value is not None) == [1]


def test_the_key_is_the_one_that_is_printed(transactional_db: None, open_page: OpenPage) -> None:
    page = open_page(options_world().member().user)
    start(page)
    keys = page.locator('[data-l="A"] .none .kbd')
    assert keys.all_text_contents() == ["-", "0"]
    page.keyboard.press("0")
    expect(page.locator(named("A", "depth", 0))).to_be_checked()
    page.keyboard.press("-")
    expect(page.locator('[name="rating-A-overall"]:checked')).to_have_count(0)
    page.keyboard.press("0")
    expect(page.locator(named("A", "overall", None))).to_be_checked()
    expect(page.locator("#live")).to_contain_text("Overall of response A: Not applicable")


def test_where_the_key_of_six_without_shift_is_a_minus_it_is_one(
    transactional_db: None, open_page: OpenPage
) -> None:
    """A French keyboard: the page reads digits by their place, and this place is no value of the first scale."""
    page = open_page(options_world().member().user)
    start(page)
    press = """() => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", {key: "-", code: "Digit6", bubbles: true, cancelable: true}))"""
    page.evaluate(press)
    expect(page.locator(named("A", "depth", None))).to_be_checked()
    page.evaluate(press)
    expect(page.locator(named("A", "overall", 6))).to_be_checked()


def test_a_draft_brings_both_back(transactional_db: None, open_page: OpenPage) -> None:
    page = open_page(options_world().member().user)
    start(page)
    page.keyboard.press("-")
    page.locator('[name="choice"][value="B"]').click()
    page.reload()
    expect(page.locator(named("A", "depth", None))).to_be_checked()
    expect(page.locator('[name="choice"][value="B"]')).to_be_checked()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing(
    size: tuple[int, int], theme: str, transactional_db: None, open_page: OpenPage
) -> None:
    page = open_page(options_world().member().user, size=size, theme=theme)
    start(page)
    assert faults(page) == []
    for _ in positions(page):
        page.keyboard.press("-")
        page.keyboard.press("0")
    page.keyboard.press("2")
    expect(page.locator('[name="choice"][value="B"]')).to_be_checked()
    assert faults(page) == []
    assert overflow(page) == 0
