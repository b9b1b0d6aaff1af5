"""Without colour: what is chosen, active, A or B is told by more than hue, and neither side is heavier.

Pictures are taken as somebody sees them who sees no colours, or no difference of red and green. Contrast and lightness
are those of WCAG 2.2 (relative luminance, 1.4.3) and CIE 1976 L*a*b* (D65).
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from numpy.typing import NDArray
from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.e2e.conftest import WIDE, OpenPage
from tests.factories import make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

GREY, DEUTERANOPIA = "achromatopsia", "deuteranopia"
SEEN = 3.0
"""Contrast that tells a state (WCAG 1.4.11)."""
SHARE = 0.04
"""Of the pixels of a control, those that must change by this much: a mark, an outline or a filling, not a speck."""
APART = 20.0
"""Distance in L*a*b* at which two colours are told apart at a glance; 2.3 is just noticeable."""
EVEN = 1.1
"""Contrast up to which neither of two fillings is the heavier one."""

PIXELS = """async (png) => {
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  return [picture.height, picture.width, ...context.getImageData(0, 0, picture.width, picture.height).data];
}"""

Pixels = NDArray[np.float64]


def see(page: Page, vision: str) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": vision})
    return session


def pixels(page: Page, png: bytes) -> Pixels:
    """(height, width, 3) in 0…1."""
    height, width, *data = page.evaluate(PIXELS, base64.b64encode(png).decode())
    return np.array(data, dtype=float).reshape(height, width, 4)[:, :, :3] / 255


def linear(colours: Pixels) -> Pixels:
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def luminance(colours: Pixels) -> Pixels:
    """Relative luminance of (…, 3) colours."""
    found: Pixels = linear(colours) @ np.array([0.2126, 0.7152, 0.0722])
    return found


def contrast(one: Pixels, other: Pixels) -> Pixels:
    high, low = np.maximum(luminance(one), luminance(other)), np.minimum(luminance(one), luminance(other))
    return np.asarray((high + 0.05) / (low + 0.05))


def changed_share(before: Pixels, after: Pixels) -> float:
    """Share of the pixels whose contrast to what was there before tells a state; 1 when the size has changed."""
    if before.shape != after.shape:
        return 1.0
    return float((contrast(before, after) >= SEEN).mean())


def filling(picture: Pixels) -> Pixels:
    """The colour that most pixels have."""
    found, counts = np.unique(picture.reshape(-1, 3).round(3), axis=0, return_counts=True)
    return np.asarray(found[counts.argmax()])


def lab(colour: Pixels) -> Pixels:
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = matrix @ linear(colour) / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def look(page: Page, place: Locator) -> Pixels:
    return pixels(page, place.screenshot(animations="disabled"))


def judging(open_page: OpenPage, protocol: Mapping[str, Any], theme: str, completions: int = 2) -> Page:
    world = make_world({"overlap": 3} | dict(protocol))
    world.now = timezone.now()
    world.batch(1, completions=completions)
    page = open_page(world.member().user, size=WIDE, theme=theme)
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    page.wait_for_load_state()
    page.evaluate("document.fonts.ready.then(() => document.activeElement.blur())")
    page.mouse.move(1, 1)
    return page


def choose(page: Page, field: str) -> None:
    """As by hand, and with neither focus nor pointer on it, which show too."""
    page.locator(field).evaluate(
        "e => { e.checked = true; e.dispatchEvent(new Event('change', { bubbles: true })); }"
    )


CRITERIA = [{"key": "clarity", "name": "Clarity"}]
PAIRWISE = {"kind": "pairwise", "points": 7, "criteria": CRITERIA}
CHOICES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "pairwise": (
        PAIRWISE,
        [
            '[name="q-clarity"][value="-2"]',
            '[name="q-clarity"][value="0"]',
            '[name="q-clarity"][value="2"]',
            '[name="q-overall"][value="-3"]',
            '[name="q-overall"][value="3"]',
            '[name="q-overall"][value="0"]',
            '[name="tie-overall"][value="both_poor"]',
            '[name="confidence"][value="2"]',
        ],
    ),
    "ranking": ({"kind": "ranking"}, ['[name="rank-overall-A"][value="2"]']),
    "rating": (
        {"kind": "rating", "criteria": CRITERIA},
        ['[name="rating-A-clarity"][value="3"]'],
    ),
    "critique": (
        {"kind": "critique", "criteria": [{"name": "Honest"}]},
        ['[name="principles"][value="honest"]', '[name="principles"][value=""]'],
    ),
}
COMPLETIONS = {"pairwise": 2, "ranking": 3, "rating": 2, "critique": 1}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", CHOICES)
def test_what_is_chosen_is_told_without_colour(
    kind: str, theme: str, transactional_db: None, open_page: OpenPage
) -> None:
    protocol, fields = CHOICES[kind]
    page = judging(open_page, protocol, theme, COMPLETIONS[kind])
    see(page, GREY)
    shares = {}
    for field in fields:
        radio = page.locator(field)
        place = radio if kind == "critique" else page.locator("label", has=radio)
        before = look(page, place)
        choose(page, field)
        shares[field] = changed_share(before, look(page, place))
    print(f"\n{kind}, {theme}, in grey: least {min(shares.values()):.0%} of a control changes")
    assert {field: share for field, share in shares.items() if share < SHARE} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_view_that_is_on_is_told_without_colour(
    theme: str, transactional_db: None, open_page: OpenPage
) -> None:
    page = judging(open_page, PAIRWISE, theme)
    see(page, GREY)
    button = page.locator('[data-view="text"]')
    before = look(page, button)
    button.evaluate("e => e.click()")
    expect(button).to_have_attribute("aria-pressed", "true")
    assert changed_share(before, look(page, button)) >= SHARE


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_open_active_and_answered_questions_are_told_apart_without_colour(
    theme: str, transactional_db: None, open_page: OpenPage
) -> None:
    page = judging(open_page, PAIRWISE, theme)
    see(page, GREY)
    question = page.locator('[data-q="clarity"]')
    box = question.locator(".crit-label").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    around = {"x": box["x"] - 3, "y": middle - 6.5, "width": 13, "height": 13}

    def dot() -> Pixels:
        return pixels(page, page.screenshot(clip=around, animations="disabled"))  # type: ignore[arg-type]

    expect(question).to_have_attribute("data-active", "true")
    active = dot()
    page.keyboard.press("ArrowDown")
    expect(question).to_have_attribute("data-active", "false")
    opened = dot()
    choose(page, '[name="q-clarity"][value="0"]')
    answered = dot()
    shares = {
        "open and active": changed_share(opened, active),
        "open and answered": changed_share(opened, answered),
        "active and answered": changed_share(active, answered),
    }
    assert {name: share for name, share in shares.items() if share < SHARE} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_and_b_are_told_apart_and_neither_is_heavier(
    theme: str, transactional_db: None, open_page: OpenPage
) -> None:
    page = judging(open_page, PAIRWISE, theme)
    pictures: dict[tuple[str, str, str], Pixels] = {}
    for vision in (GREY, DEUTERANOPIA):
        session = see(page, vision)
        for side, value in (("a", -2), ("b", 2)):
            field = f'[name="q-clarity"][value="{value}"]'
            choose(page, field)
            pictures[vision, side, "badge"] = look(page, page.locator(f"#resp-{side} .badge"))
            pictures[vision, side, "chosen"] = look(page, page.locator("label", has=page.locator(field)))
        session.detach()
    for part in ("badge", "chosen"):
        a, b = pictures[GREY, "a", part], pictures[GREY, "b", part]
        assert contrast(filling(a), filling(b)) <= EVEN, part
        hues = [lab(filling(pictures[DEUTERANOPIA, side, part])) for side in "ab"]
        assert np.linalg.norm(hues[0] - hues[1]) >= APART, part
    # Without any colour the letter says it.
    assert changed_share(pictures[GREY, "a", "badge"], pictures[GREY, "b", "badge"]) >= SHARE
    for side in "ab":
        expect(page.locator(f"#resp-{side} .badge")).to_have_text(side.upper())
        expect(page.locator(f"#resp-{side} h2").first).to_have_text(f"Response {side.upper()}")
    frames = [(page.locator(f"#resp-{side}").bounding_box() or {}) for side in "ab"]
    assert frames[0]["width"] == pytest.approx(frames[1]["width"], abs=1)
    assert frames[0]["height"] == pytest.approx(frames[1]["height"], abs=1)


def test_a_state_told_by_hue_alone_is_found(transactional_db: None, open_page: OpenPage) -> None:
    """The control: two colours of one lightness, far apart for who sees colours."""
    page = judging(open_page, PAIRWISE, "light")
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(`.mini .seg { background: rgb(201 201 201); color: black; }
            .mini .seg:has(:checked) { background: rgb(255 182 193); color: black; }`);
          document.adoptedStyleSheets.push(sheet);
        }"""
    )
    field = '[name="q-clarity"][value="-2"]'
    place = page.locator("label", has=page.locator(field))
    session = see(page, "none")
    before = look(page, place)
    choose(page, field)
    after = look(page, place)
    assert np.linalg.norm(lab(filling(before)) - lab(filling(after))) >= APART
    session.detach()
    see(page, GREY)
    in_grey = look(page, place)
    page.locator(field).evaluate("e => { e.checked = false }")
    assert changed_share(look(page, place), in_grey) < SHARE
