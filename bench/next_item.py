"""From Enter to the next item on the screen, in a real browser: median and worst of 50.

    python bench/next_item.py http://localhost:8000 logins.json [--items 50]

Against a running instance. `logins.json` is what `manage.py up` wrote into its folder. The items are those of the
demo's first project, in a project of their own, since a person judges an item once. The page itself sets the two
marks (`concord:enter`, `concord:next`); the next item was leased before: no request lies between.
"""

import argparse
import json
import re
import secrets
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Page, expect, sync_playwright

DEMO = Path(__file__).resolve().parents[1] / "annotation" / "demo" / "data"
CRITERIA = ["Instructions followed", "Correctness", "Clarity", "Safety"]
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
    logins = json.loads(given.logins.read_text())
    project = new_project(given.url, logins)
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=given.browser).new_page(
            base_url=given.url, viewport={"width": 1440, "height": 900}
        )
        start(page, logins["annotator"], project)
        for _ in range(given.items):
            judge(page)
        found = sorted(page.evaluate(SECONDS))
    print(f"{len(found)} items: median {median(found):.1f} ms, worst {found[-1]:.1f} ms")


def new_project(url: str, logins: dict[str, Any]) -> str:
    """A project with the demo's pairs, which nobody has judged yet; answers its slug."""
    slug = f"bench-{secrets.token_hex(4)}"
    headers = {"Authorization": f"Bearer {logins['lead']['token']}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as lead:
        protocol = {"kind": "pairwise", "points": 7, "criteria": CRITERIA}
        made = {"slug": slug, "name": slug, "protocol": protocol}
        lead.post("/projects", json=made).raise_for_status()
        member = {"email": logins["annotator"]["email"], "role": "annotator"}
        lead.post(f"/projects/{slug}/members", json=member).raise_for_status()
        rows = b"".join((DEMO / name).read_bytes() for name in ("demo.jsonl", "demo-open.jsonl"))
        sent = lead.post(
            f"/projects/{slug}/batches", files={"file": ("demo.jsonl", rows)}, data={"format": "jsonl"}
        )
        sent.raise_for_status()
        while (job := lead.get(f"/jobs/{sent.json()['job']}").json())["state"] in ("queued", "running"):
            time.sleep(0.2)
        assert job["state"] == "succeeded", job
    return slug


def start(page: Page, login: dict[str, str], project: str) -> None:
    page.goto("/login")
    page.get_by_label("Email", exact=True).fill(login["email"])
    page.get_by_label("Password", exact=True).fill(login["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(re.compile("/login"))
    page.goto(f"/projects/{project}/task")
    page.get_by_role("button", name="Get an item").click()
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
