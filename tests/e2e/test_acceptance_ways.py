"""Ten pairs by Tab, Space and arrow keys alone, and ten by touch alone: the rows are those of the other ways.

The keyboard alone and the page without script are in test_pairwise.py, with the same ten opinions.
"""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.models import Judgment
from tests.e2e.conftest import PHONE, OpenPage
from tests.e2e.test_pairwise import (
    ITEMS,
    OPINIONS,
    PROTOCOL,
    TIE_DIGITS,
    opinion_on,
    screen_sign,
    stored,
    wait_for_keys,
    wait_until_read,
)
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST_TABS = 60
TIES = list(TIE_DIGITS)


@pytest.fixture
def world(transactional_db: None) -> World:
    world = make_world(PROTOCOL)
    world.now = timezone.now()
    world.batch(ITEMS)
    return world


def tab_to(page: Page, selector: str) -> None:
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def choose_by_arrows(page: Page, name: str, place: int) -> None:
    """The option in `place`, from 0, of a group in which nothing is chosen."""
    tab_to(page, f'[name="{name}"]')
    page.keyboard.press("Space")
    for _ in range(place):
        page.keyboard.press("ArrowRight")


def judge_by_tab(page: Page) -> None:
    opinion, sign = opinion_on(page), screen_sign(page)
    choose_by_arrows(page, "q-correctness", 2 + sign * opinion.correctness)
    choose_by_arrows(page, "q-clarity", 2 + sign * opinion.clarity)
    choose_by_arrows(page, "q-overall", 3 + sign * opinion.overall)
    if opinion.tie:
        choose_by_arrows(page, "tie-overall", TIES.index(opinion.tie))
    tab_to(page, "#note")
    page.keyboard.insert_text(opinion.note)
    if opinion.confidence:
        choose_by_arrows(page, "confidence", opinion.confidence - 1)
    tab_to(page, "#submit")
    wait_until_read(page)
    page.keyboard.press("Space")


def judge_by_touch(page: Page) -> None:
    opinion, sign = opinion_on(page), screen_sign(page)
    for side in "ba":
        page.locator(f'[data-tab="{side}"]').tap()
        expect(page.locator(f'[data-tab="{side}"]')).to_have_attribute("aria-current", "true")
    page.locator('[data-unfold="open"]').tap()
    page.locator(f'[name="q-correctness"][value="{sign * opinion.correctness}"]').tap()
    page.locator(f'[name="q-clarity"][value="{sign * opinion.clarity}"]').tap()
    page.locator(f'[name="q-overall"][value="{sign * opinion.overall}"]').tap()
    if opinion.tie:
        page.locator(f'[name="tie-overall"][value="{opinion.tie}"]').tap()
    if opinion.note or opinion.confidence:
        page.locator('[data-unfold="more"]').tap()
    if opinion.note:
        page.locator("#note").tap()
        page.keyboard.insert_text(opinion.note)  # what a keyboard on the screen sends
    if opinion.confidence:
        page.locator(f'[name="confidence"][value="{opinion.confidence}"]').tap()
    expect(page.locator("[data-read][hidden]")).to_have_count(0)
    page.locator("#submit").tap()


WAYS = {"tab": judge_by_tab, "touch": judge_by_touch}


@pytest.mark.parametrize("way", WAYS)
def test_ten_are_stored_as_by_the_other_ways(way: str, world: World, open_page: OpenPage) -> None:
    annotator = world.member()
    if way == "tab":
        annotator.user.has_single_keys = False
        annotator.user.save(update_fields=["has_single_keys"])
        page = open_page(annotator.user)
        page.goto("/")
        tab_to(page, "#go-on")
        page.keyboard.press("Space")
    else:
        page = open_page(annotator.user, size=PHONE, has_touch=True, is_mobile=True)
        page.goto("/")
        page.get_by_role("button", name="Start").tap()
    for number in range(1, ITEMS + 1):
        expect(page.locator("#item-h")).to_contain_text(f"Item {number} of {ITEMS}")
        wait_for_keys(page)
        WAYS[way](page)
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert stored(annotator) == dict(enumerate(OPINIONS, start=1))
    judgments = Judgment.objects.filter(annotator=annotator)
    assert {tuple(sorted(judgment.read_to_end)) for judgment in judgments} == {("A", "B")}
