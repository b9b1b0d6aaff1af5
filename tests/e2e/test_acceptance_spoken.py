"""What a screen reader is told while somebody judges: item, question, choice, saved; and no more."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.test_never_lost import SPARES
from tests.factories import make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CRITERIA = [{"key": "clarity", "name": "Clarity"}]
KINDS: dict[str, dict[str, Any]] = {
    "pairwise": {"points": 7, "criteria": CRITERIA},
    "ranking": {},
    "rating": {"criteria": CRITERIA},
    "demonstration": {},
    "critique": {"criteria": [{"name": "Honest"}]},
}
COMPLETIONS = {"pairwise": 2, "ranking": 3, "rating": 2, "demonstration": 0, "critique": 1}
KEYS = {"pairwise": "25", "ranking": "bac", "rating": "3434", "demonstration": "", "critique": "1"}
FIELDS = {"demonstration": ["#text"], "critique": ["#critique", "#revision"]}
CHOICES = {
    "pairwise": ["Clarity: A is better", "Overall: B is slightly better"],
    "ranking": [
        "B first, A and C not placed",
        "B first, A second, C not placed",
        "B first, A second, C third",
    ],
    "rating": [
        "Clarity of response A: 3",
        "Overall of response A: 4",
        "Overall of response A: 4. Next: Clarity of response B",
        "Clarity of response B: 3",
        "Overall of response B: 4",
    ],
    "demonstration": [],
    "critique": ["Honest picked"],
}
HEADINGS = {
    "pairwise": "Compare two responses.",
    "ranking": "Rank 3 responses.",
    "rating": "Rate 2 responses.",
    "demonstration": "Write the assistant’s next message.",
    "critique": "Critique the response and revise it.",
}
ITEMS = 4

LISTEN = """() => {
  window.heard = [];
  const LIVE = "[role=status], [role=alert], [role=log], [role=timer], [aria-live]";
  const read = (node) => (node.checkVisibility() ? node.textContent.trim().replace(/\\s+/g, " ") : "");
  const texts = new Map([...document.querySelectorAll(LIVE)].map((node) => [node, read(node)]));
  const look = () => {
    for (const node of document.querySelectorAll(LIVE)) {
      const text = read(node);
      // What comes to the page together with its words is not told by every screen reader: it must not be relied on.
      if (!texts.has(node) ? text : texts.get(node) !== text && text)
        window.heard.push([texts.has(node) ? node.id : `new ${node.id}`, text]);
      texts.set(node, text);
    }
  };
  const all = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver(look).observe(document, all);
}"""
"""Each change of what a live region says, as [id of the region, text]."""


def heard(page: Page) -> dict[str, list[str]]:
    """Region → what it said, one after the other. "Saving" may be said where a machine is slow (section 4)."""
    found: dict[str, list[str]] = {}
    for region, text in page.evaluate("window.heard"):
        said = found.setdefault(region, [])
        if text != "Saving" and said[-1:] != [text]:
            said.append(text)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_item_question_choice_and_saved_are_said_and_nothing_else(
    kind: str, transactional_db: None, open_page: OpenPage
) -> None:
    world = make_world({"kind": kind, "overlap": 3} | KINDS[kind])
    world.now = timezone.now()
    world.batch(ITEMS, completions=COMPLETIONS[kind])
    page = open_page(world.member().user)
    page.goto("/")
    with page.expect_response(SPARES):
        page.get_by_role("button", name="Start").click()
    page.wait_for_load_state()  # the modules have run by then
    page.evaluate(LISTEN)

    expected: list[str] = []
    for number in range(1, ITEMS):
        for key in KEYS[kind]:
            said = page.evaluate("window.heard.length")
            page.keyboard.press(key)
            page.wait_for_function("said => window.heard.length > said", arg=said)
        for field in FIELDS.get(kind, []):
            page.fill(field, "Some words.")
        expected += CHOICES[kind]
        expect(page.locator("[data-read][hidden]")).to_have_count(0)
        with page.expect_response(lambda reply: "/judgments" in reply.url):
            page.locator("#submit").click()
        expect(page.locator("#item-h")).to_be_focused()
        expect(page.locator("#item-h")).to_contain_text(f"Item {number + 1} of {ITEMS}.")
        expect(page.locator(".bar-mid")).to_contain_text(f"{number} of {ITEMS}")
        expected.append(f"Item {number + 1} of {ITEMS}. {HEADINGS[kind]}")
    assert heard(page) == {"live": expected, "save-state": ["All saved"]}


def test_an_open_question_and_a_lost_connection_are_said_once(
    transactional_db: None, open_page: OpenPage, complaints: list[str]
) -> None:
    """The control: the same ears hear what is said at other times."""
    world = make_world({"kind": "pairwise", "overlap": 3} | KINDS["pairwise"])
    world.now = timezone.now()
    world.batch(ITEMS)
    page = open_page(world.member().user)
    page.goto("/")
    with page.expect_response(SPARES):
        page.get_by_role("button", name="Start").click()
    expect(page.locator('[data-active="true"]').first).to_be_attached()
    page.evaluate(LISTEN)
    page.locator("#submit").click()
    expect(page.locator("#live")).to_have_text("Please answer Clarity")
    page.keyboard.press("2")
    page.keyboard.press("2")
    expect(page.locator("[data-read][hidden]")).to_have_count(0)
    page.context.set_offline(True)
    page.locator("#submit").click()
    expect(page.locator("#save-state")).to_have_text("1 waiting")
    page.context.set_offline(False)
    expect(page.locator("#save-state")).to_have_text("All saved")
    assert heard(page) == {
        "live": [
            "Please answer Clarity",
            "Clarity: A is better",
            "Overall: A is better",
            f"Item 2 of {ITEMS}. {HEADINGS['pairwise']}",
        ],
        "save-state": ["1 waiting", "All saved"],
    }
    complaints.clear()  # the browser notes the lost connection
