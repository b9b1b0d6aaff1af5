"""Rating in a browser: every way of giving the same ratings and marks stores the same rows, to the code point."""

from collections.abc import Mapping

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.models import Completion, Judgment, Membership
from comparisons.models import SpanMark
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import World, digest, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PROTOCOL = {
    "kind": "rating",
    "overlap": 9,
    "criteria": [{"key": "depth", "name": "Depth", "points": 3, "anchors": ["none", "some", "enough"]}],
}
TEXTS = [
    "The sea is wet. The moon is made of cheese. Nobody lives there.",
    "A second reply.\n\n**Bold** words.",
]
SECOND = "The moon is made of cheese."
RATINGS = {0: {"depth": 0, "overall": 6}, 1: {"depth": 2, "overall": 3}}
"""Position of a completion → criterion → value."""
STORED = {(0, 16, 43, "wrong_fact")}


def rating_world(*texts: str, items: int = 1) -> World:
    world = make_world(PROTOCOL)
    world.now = timezone.now()
    batch = world.batch(0)
    for number in range(1, items + 1):
        world.item(batch, number, texts or TEXTS)
    return world


def start(page: Page, *, is_scripted: bool = True) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    if is_scripted:
        expect(page.locator(".rated").first).to_contain_text("rated")


def labels(page: Page) -> dict[int, str]:
    """Position of a completion → the letter it has on this screen."""
    first = page.locator(".rate", has_text="cheese").get_attribute("data-l")
    assert first is not None
    return {0: first, 1: "B" if first == "A" else "A"}


def positions(page: Page) -> list[int]:
    """Positions in the order of the screen."""
    return sorted(labels(page), key=labels(page).__getitem__)


def stored_ratings(annotator: Membership) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    judgment = Judgment.objects.current().get(annotator=annotator)
    for row in judgment.rating_answers.select_related("completion", "criterion"):
        found.setdefault(row.completion.position, {})[row.criterion.key] = row.value
    return found


def stored_marks(annotator: Membership) -> set[tuple[int, int, int, str]]:
    marks = SpanMark.objects.filter(judgment__annotator=annotator).select_related("completion")
    return {(mark.completion.position, mark.start, mark.end, mark.type) for mark in marks}


def submit(page: Page) -> None:
    page.locator("#submit").click()
    unread = page.locator("#submit", has_text="without reading")
    if unread.count():
        unread.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")


def select(page: Page, label: str, words: str) -> None:
    """Drag with the mouse over words that stand on one line of the plain text."""
    box = page.evaluate(
        """([label, words]) => {
          const walker = document.createTreeWalker(document.querySelector(`[data-l="${label}"] .source`), 4);
          while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf(words);
            if (at < 0) continue;
            const range = new Range();
            range.setStart(walker.currentNode, at);
            range.setEnd(walker.currentNode, at + words.length);
            const {left, right, top, height} = range.getBoundingClientRect();
            return [left, right, top + height / 2];
          }
        }""",
        [label, words],
    )
    left, right, middle = box
    page.mouse.move(left + 0.5, middle)
    page.mouse.down()
    page.mouse.move((left + right) / 2, middle)
    page.mouse.move(right - 0.5, middle)
    page.mouse.up()


# The ways ------------------------------------------------------------------------------------------------


def rate_by_digits(page: Page) -> None:
    for position in positions(page):
        expect(page.locator(".rate:has(details[open])")).to_have_attribute("data-l", labels(page)[position])
        for value in RATINGS[position].values():
            page.keyboard.press(str(value))


def rate_by_pointer(page: Page, press: str = "click") -> None:
    for position in positions(page):
        label = labels(page)[position]
        for key, value in RATINGS[position].items():
            getattr(page.locator(f'[name="rating-{label}-{key}"][value="{value}"]'), press)()


def by_keyboard(page: Page) -> None:
    label = labels(page)[0]
    page.keyboard.press(label.lower())
    page.locator(f'[data-l="{label}"] [data-sentences]').focus()
    page.keyboard.press("Enter")
    for key in ("j", "j", "k", " "):
        page.keyboard.press(key)
    page.keyboard.press("1")
    expect(page.locator(".marks li")).to_have_count(1)
    page.keyboard.press("a")
    rate_by_digits(page)


def by_mouse(page: Page) -> None:
    label = labels(page)[0]
    page.locator(f'[data-l="{label}"] summary h2').click() if label == "B" else None
    page.keyboard.press("m")
    select(page, label, SECOND)
    page.keyboard.press("m")
    page.locator("[data-type=wrong_fact]").click()
    page.locator('[data-l="A"] summary h2').click() if label == "B" else None
    rate_by_pointer(page)


def by_touch(page: Page) -> None:
    label = labels(page)[0]
    if label == "B":
        page.locator('[data-l="B"] summary h2').tap()
    button = page.locator(f'[data-l="{label}"] [data-mark]')
    button.tap()
    # What a finger does with the handles of a selection.
    page.evaluate(
        """([label, words]) => {
          const node = document.querySelector(`[data-l="${label}"] .source .msg`).firstChild;
          const at = node.data.indexOf(words);
          getSelection().setBaseAndExtent(node, at, node, at + words.length);
        }""",
        [label, SECOND],
    )
    button.tap()
    page.locator("[data-type=wrong_fact]").tap()
    if label == "B":
        page.locator('[data-l="A"] summary h2').tap()
    rate_by_pointer(page, "tap")


WAYS = {
    "keyboard": (by_keyboard, WIDE, False),
    "mouse": (by_mouse, WIDE, False),
    "touch": (by_touch, PHONE, True),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_stores_the_same_rows(way: str, transactional_db: None, open_page: OpenPage) -> None:
    world = rating_world()
    annotator = world.member()
    give, size, has_touch = WAYS[way]
    page = open_page(annotator.user, size=size, has_touch=has_touch)
    start(page)
    give(page)
    expect(page.locator(".marks q")).to_have_text(SECOND)
    expect(page.locator(".rated.good")).to_have_count(2)
    submit(page)
    assert stored_ratings(annotator) == RATINGS
    assert stored_marks(annotator) == STORED


def test_without_script_the_ratings_are_the_form(transactional_db: None, open_page: OpenPage) -> None:
    world = rating_world()
    annotator = world.member()
    page = open_page(annotator.user, scripted=False)
    start(page, is_scripted=False)
    expect(page.locator("[data-mark]").first).to_be_hidden()
    for position, values in RATINGS.items():
        for key, value in values.items():
            page.locator(f'[name="rating-{labels(page)[position]}-{key}"][value="{value}"]').check()
    page.locator("#submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert stored_ratings(annotator) == RATINGS and stored_marks(annotator) == set()


def test_arrow_keys_walk_a_scale_and_nothing_moves_under_them(
    transactional_db: None, open_page: OpenPage
) -> None:
    page = open_page(rating_world().member().user)
    start(page)
    page.keyboard.press("1")
    page.locator('[name="rating-A-overall"]').first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator('[name="rating-A-overall"][value="4"]')).to_be_checked()
    expect(page.locator('[data-l="A"] details')).to_have_attribute("open", "")
    page.keyboard.press("Enter")
    expect(page.locator('[data-l="B"] details')).to_have_attribute("open", "")
    expect(page.locator("#live")).to_have_text("Please answer Depth of response B")
    expect(page.locator('[name="rating-B-depth"]').first).to_be_focused()


def test_the_words_of_the_chosen_point_are_shown(transactional_db: None, open_page: OpenPage) -> None:
    page = open_page(rating_world().member().user)
    start(page)
    page.keyboard.press("2")
    expect(page.locator(".anchor:visible")).to_have_text("2: enough")


HARD = "👍🏽 cafe\u0301 is\r\nnext\rlast.\u202e hid\u200bden\n\n\u202bشكرا جزيلا\u202c 𝔘 end, 🇬🇧 flag"
WORDS = {"wrong_fact": "cafe\u0301", "unsupported": "last", "unsafe": "شكرا جزيلا", "off_task": "𝔘 end"}


def test_marks_are_exact_in_any_text(transactional_db: None, open_page: OpenPage) -> None:
    """Emoji, combining marks, all line ends, hidden characters and right-to-left text, after another turn."""
    world = rating_world(items=0)
    turns = [{"role": "user", "content": "Zwölf 🐟\r\n."}, {"role": "assistant", "content": HARD}]
    item = world.item(world.project.batches.get(), 1, [])
    Completion.objects.create(
        item=item, position=0, messages=turns, content_hash=digest(turns), source_line=1
    )
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    text = "\n\n".join(turn["content"] for turn in turns)
    assert page.locator(".source").evaluate("source => source.textContent") == text
    page.keyboard.press("t")
    for kind, words in WORDS.items():
        page.evaluate(
            """words => {
              const walker = document.createTreeWalker(document.querySelector(".source"), 4);
              while (walker.nextNode()) {
                const node = walker.currentNode, at = node.data.indexOf(words);
                if (at >= 0) getSelection().setBaseAndExtent(node, at, node, at + words.length);
              }
            }""",
            words,
        )
        page.keyboard.press("m")
        page.locator(f"[data-type={kind}]").click()
    page.locator("#item-h").evaluate("heading => getSelection().selectAllChildren(document.body)")
    page.keyboard.press("m")
    page.locator("[data-type=unsafe]").click()
    assert page.locator(".marks q").all_text_contents() == [*WORDS.values(), text]
    page.keyboard.press("1")
    page.keyboard.press("1")
    submit(page)
    found = {(kind, text[start:end]) for _, start, end, kind in stored_marks(annotator)}
    assert found == {*WORDS.items(), ("unsafe", text)}


def test_a_mark_can_be_taken_back_and_comes_back_in_a_correction(
    transactional_db: None, open_page: OpenPage
) -> None:
    world = rating_world()
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    by_keyboard(page)
    submit(page)
    page.goto(f"/projects/{world.project.slug}/work")
    page.get_by_role("button", name="Change").click()
    expect(page.locator(".marks q")).to_have_text(SECOND)
    page.keyboard.press(labels(page)[0].lower())
    page.get_by_role("button", name=f"Remove the mark: Wrong fact {SECOND}").click()
    expect(page.locator("#live")).to_have_text("Mark removed")
    expect(page.locator(".marks li")).to_have_count(0)
    page.locator("#submit").click()
    if page.locator("#submit", has_text="without reading").count():
        page.locator("#submit").click()
    expect(page.locator("#spans")).to_have_count(0)
    marks: Mapping[int, set[str]] = {
        judgment.pk: {mark.type for mark in judgment.span_marks.all()}
        for judgment in Judgment.objects.filter(annotator=annotator).order_by("pk")
    }
    assert list(marks.values()) == [{"wrong_fact"}, set()]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing(
    size: tuple[int, int], theme: str, transactional_db: None, open_page: OpenPage
) -> None:
    page = open_page(rating_world(HARD, TEXTS[0]).member().user, size=size, theme=theme)
    start(page)
    assert faults(page) == []
    page.locator("[data-sentences]:visible").click()
    page.keyboard.press("Space")
    expect(page.locator("#mark-types")).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("2")
    expect(page.locator(".marks li")).to_have_count(1)
    page.keyboard.press("Enter")
    assert faults(page) == []
    assert overflow(page) == 0
