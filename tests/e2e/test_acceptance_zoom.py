"""At 200 % zoom and at 320 pixels: nothing scrolls sideways, nothing is cut, the focus is never covered."""

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.looks import overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIZES = {"zoomed": (720, 450), "narrow": (320, 640)}
"""A window of 1440 × 900 at 200 %, and WCAG 1.4.10."""
TEXT = """Sort the pairs by their start, then sweep once and keep the furthest end that was seen so far.

```python
def merge(meetings):
    return sorted(meetings)  # a long line that has to scroll by itself and not with the page around it
```

| case | cost |
|------|------|
| sort | $O(n \\log n)$ |

"""
CRITERIA = [
    {"key": "correctness", "name": "Correctness", "question": "Is what it says true?"},
    {"key": "clarity", "name": "Clarity", "question": "Is it easy to follow?"},
]
KINDS: dict[str, dict[str, Any]] = {
    "pairwise": {"points": 7, "criteria": CRITERIA},
    "ranking": {"criteria": CRITERIA},
    "rating": {"criteria": CRITERIA},
    "demonstration": {},
    "critique": {"criteria": [{"name": "Honest", "question": "It says nothing false."}, {"name": "Kind"}]},
}
COMPLETIONS = {"pairwise": 2, "ranking": 4, "rating": 2, "demonstration": 0, "critique": 1}
CONTROLS = {
    "pairwise": {"q-correctness", "q-clarity", "q-overall"},
    "ranking": {"rank-overall-A", "rank-overall-D", "rank-correctness-A", "rank-clarity-D"},
    "rating": {"rating-A-correctness", "rating-A-clarity", "rating-A-overall"},
    "demonstration": {"text"},
    "critique": {"principles", "critique", "revision"},
}
"""Names of fields that have to be reached, beside those of every kind."""
OF_EVERY_KIND = {"note", "confidence", "#cant-button", "#submit", "#stage [href], header [href]"}

CUT = """() => {
  const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX);
  const isHiddenOnPurpose = (e) => e.closest(".vh, .lbl-n, .key, [aria-hidden=true].raw, template") !== null;
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!(text || e.matches("input, textarea, select, button")) || isHiddenOnPurpose(e)) continue;
    if (!e.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(e);
    if (style.clipPath !== "none" || style.position === "fixed") continue;
    let holder = e.parentElement;
    while (holder && !scrolls(holder)) holder = holder.parentElement;
    const { left, right } = e.getBoundingClientRect();
    const isInside = holder && holder.id !== "stage" && holder.id !== "judge";
    if (!isInside && (left < -1 || right > innerWidth + 1)) found.push(`outside: ${e.outerHTML.slice(0, 90)}`);
    if (!scrolls(e) && e.scrollWidth > e.clientWidth + 1 && e.clientWidth && style.display !== "inline")
      if (style.overflowX !== "visible") found.push(`cut: ${e.outerHTML.slice(0, 90)}`);
  }
  return found;
}"""
"""Shown text and controls that stick out of the window, or out of a box that hides what does."""

AT_THE_END = """(body) => {
  const end = body.appendChild(document.createElement("i"));
  end.tabIndex = -1;
  end.focus();
}"""

FOCUSED = """async () => {
  // Chromium scrolls to the focus at the next frame.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const e = document.activeElement;
  if (e === document.body) return { end: true };
  // A segment's own radio is transparent and fills its label.
  const box = e.closest("label.seg") ?? e;
  const shown = box.getBoundingClientRect();
  const rect = {
    left: Math.max(0, shown.left), right: Math.min(innerWidth, shown.right),
    top: Math.max(0, shown.top), bottom: Math.min(innerHeight, shown.bottom),
  };
  const hits = (x, y) => {
    const top = document.elementFromPoint(x, y);
    // The buttons of a block of code lie on it, and show with its focus; the skip link slides away.
    if (top === null) return false;
    return box.contains(top) || (top.closest("label") ?? top).contains(e) || top.closest(".code-tools, .skip") !== null;
  };
  const at = (from, to, share) => from + (to - from) * share;
  const shares = [0.1, 0.3, 0.5, 0.7, 0.9];
  const isShown = rect.right - rect.left > 1 && rect.bottom - rect.top > 1;
  let seen = 0;
  if (isShown)
    for (const x of shares)
      for (const y of shares) seen += hits(at(rect.left, rect.right, x), at(rect.top, rect.bottom, y));
  const [x, y] = [at(rect.left, rect.right, 0.5), at(rect.top, rect.bottom, 0.5)];
  // Into a field for text the browser scrolls by the line that is written.
  const isSmall = shown.height < innerHeight / 4 && !e.matches("textarea");
  const isWhole = rect.bottom - rect.top > shown.height - 2;
  return {
    end: false,
    under: isShown ? document.elementFromPoint(x, y)?.outerHTML.slice(0, 60) : "outside",
    name: e.name || (e.id && "#" + e.id) || e.outerHTML.slice(0, 80),
    isLink: e.matches("#stage [href], header [href]"),
    seen: seen / 25,
    isCovered: !e.matches(".skip") && (!isShown || seen < 3 || (isSmall && (!isWhole || seen < 24))),
  };
}"""
"""The focused element (the skip link slides in, over everything).

Covered when none of it can be seen, or of a small one not all of it."""


def world_of(kind: str) -> World:
    world = make_world({"kind": kind, "overlap": 9} | KINDS[kind])
    world.now = timezone.now()
    batch = world.batch(0)
    world.item(batch, 1, [TEXT * 3 + str(number) for number in range(COMPLETIONS[kind])])
    return world


def start(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    expect(page.locator("html")).to_have_class("js")
    page.wait_for_load_state()  # the modules have run by then


def walk(page: Page, key: str, steps: int = 250) -> tuple[set[str], list[str]]:
    """What is reached from one end of the page, and what of it is covered when it has the focus."""
    reached: set[str] = set()
    covered = []
    for _ in range(steps):
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        if focused["end"]:
            return reached, covered
        reached.add(focused["name"])
        if focused["isLink"]:
            reached.add("#stage [href], header [href]")
        if focused["isCovered"]:
            covered.append(f"{key}: {focused['name']} ({focused['seen']:.0%} seen, {focused['under']})")
    assert steps < 250, "Tab goes round and round"
    return reached, covered


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_reached_and_the_focus_is_never_covered(
    kind: str, size: str, transactional_db: None, open_page: OpenPage
) -> None:
    page = open_page(world_of(kind).member().user, size=SIZES[size])
    start(page)
    assert overflow(page) == 0
    assert page.evaluate(CUT) == []
    page.evaluate("document.activeElement.blur()")
    wanted = CONTROLS[kind] | OF_EVERY_KIND
    covered: list[str] = []
    for key in ("Tab", "Shift+Tab"):
        reached, under = walk(page, key)
        wanted -= reached
        covered += under
    # Questions and note are folded, each behind a button; they are the last of the page.
    for unfold in page.locator("[data-unfold]:visible").all():
        unfold.click()
        page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges()")
        page.locator("body").evaluate(AT_THE_END)
        reached, under = walk(page, "Shift+Tab", 14)
        wanted -= reached
        covered += under
        assert overflow(page) == 0
        assert page.evaluate(CUT) == []
    assert wanted == set()
    assert covered == [], "\n".join(covered)


def test_the_walk_sees_a_bar_that_covers(transactional_db: None, open_page: OpenPage) -> None:
    """The control: with a bar laid over the page, the same walk names what lies under it."""
    page = open_page(world_of("pairwise").member().user, size=SIZES["zoomed"])
    start(page)
    page.evaluate(
        """() => {
          const bar = document.body.appendChild(document.createElement("div"));
          Object.assign(bar.style, { position: "fixed", inset: "auto 0 0 0", height: "60%", background: "red" });
          bar.style.zIndex = 99;
          const wide = document.querySelector("#stage h1 + *").appendChild(document.createElement("b"));
          wide.textContent = "wide";
          Object.assign(wide.style, { display: "block", width: "900px", position: "absolute" });
        }"""
    )
    page.evaluate("document.activeElement.blur()")
    _, covered = walk(page, "Tab")
    assert covered
    assert page.evaluate(CUT)
