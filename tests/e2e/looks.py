"""What every page is looked at for: by axe, for its width, and by people (`make shots`)."""

import itertools
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SHOTS = os.environ.get("CONCORD_SHOTS")
"""A folder for a picture of every page that is looked at."""
WIDTHS = {1440: (1440, 768), 390: (390,), 320: ()}
"""A page that is looked at in one width is pictured in these."""
_numbers = itertools.count(1)


def faults(page: Page) -> list[str]:
    """What axe finds, each with the first element it found it on."""
    if SHOTS:
        shoot(page, Path(SHOTS))
    results = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in results.response["violations"]]


def overflow(page: Page) -> int:
    """By how many pixels the page scrolls sideways; 0 when it fits."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def shoot(page: Page, folder: Path) -> None:
    """PNGs named by test, page, width and theme."""
    size = page.viewport_size
    assert size is not None
    folder.mkdir(parents=True, exist_ok=True)
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    test = re.sub(r"\W+", "-", os.environ["PYTEST_CURRENT_TEST"].split("::")[0].rpartition("/test_")[2])
    name = re.sub(r"\W+", "-", urlsplit(page.url).path).strip("-") or "home"
    for width in WIDTHS[size["width"]]:
        page.set_viewport_size({"width": width, "height": size["height"]})
        theme = "dark" if is_dark else "light"
        page.screenshot(path=folder / f"{test}-{next(_numbers):03d}-{name[:40]}-{width}-{theme}.png")
    page.set_viewport_size(size)
