"""From Enter to the next item on the screen, in a real browser: median and worst of 50.

    python bench/next_item.py http://localhost:8000 logins.json [--items 50]

Against a running instance with its demo data. `logins.json` is what `manage.py up` wrote into its folder. The page
itself sets the two marks (`concord:enter`, `concord:next`); the next item was leased before: no request lies between.
"""

import argparse
import json
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, expect, sync_playwright

READ_MS = 600
"""Between two answers: the spare has come by then, as it has with a person who reads."""
SECONDS = """() => {
  const times = (name) => performance.getEntriesByName(name).map((mark) => mark.startTime);
  const next = times("concord:next");
  return times("concord:enter").map((at, i) => next[i] - at);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the way to the next item.")
    parser.add_argument("url")
    parser.add_argument("logins", type=Path)
    parser.add_argument("--items", type=int, default=50)
    parser.add_argument("--browser", help="path of a Chromium; Playwright's own when left out")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=given.browser).new_page(
            base_url=given.url, viewport={"width": 1440, "height": 900}
        )
        start(page, json.loads(given.logins.read_text())["annotator"])
        for _ in range(given.items):
            judge(page)
        found = sorted(page.evaluate(SECONDS))
    print(f"{len(found)} items: median {median(found):.1f} ms, worst {found[-1]:.1f} ms")


def start(page: Page, login: dict[str, str]) -> None:
    page.goto("/login")
    page.get_by_label("Email", exact=True).fill(login["email"])
    page.get_by_label("Password", exact=True).fill(login["password"])
    page.get_by_role("button", name="Sign in").click()
    page.goto("/projects/demo/task")
    lease = page.get_by_role("button", name="Get an item")
    if lease.count():
        lease.click()
    expect(page.locator('[data-active="true"]')).to_have_count(1)


def judge(page: Page) -> None:
    heading = page.locator("#item-h").inner_text()
    for _ in range(page.locator("[data-q]").count()):
        page.keyboard.press("2")
    page.wait_for_timeout(READ_MS)
    page.keyboard.press("Enter")
    if page.get_by_role("button", name="Submit without reading").count():
        page.keyboard.press("Enter")
    expect(page.locator("#item-h")).not_to_have_text(heading)


if __name__ == "__main__":
    main()
