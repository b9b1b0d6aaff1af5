"""Every page of the annotator: axe finds nothing, in both themes and at two widths; nothing scrolls sideways."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from annotation.services.projects import publish_consent_text
from annotation.services.strata import ask_stratum
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MARKDOWN = """Sort, then sweep once.

### Steps

1. **Sort** by `start`.
2. Sweep; see [the notes](https://example.org/notes).

```python
def merge(meetings):
    return sorted(meetings)  # a long line that has to scroll by itself and not with the page around it
```

| case | cost |
|------|------|
| sort | $O(n \\log n)$ |
"""
ARABIC = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": "اشرح المد والجزر باختصار."},
]
KINDS = [
    {"kind": "pairwise", "points": 7, "criteria": [{"key": "correctness", "name": "Correctness"}]},
    {"kind": "pairwise", "points": 8},
    {"kind": "ranking", "criteria": [{"key": "tone", "name": "Tone"}]},
    {"kind": "rating", "criteria": [{"key": "helpfulness", "name": "Helpfulness"}]},
]
NARROW = (320, 640)
"""320 px wide, or 1280 at 400 % zoom (WCAG 1.4.10)."""
LOOKS = [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark"), (NARROW, "light")]


def check(page: Page, name: str) -> None:
    assert faults(page) == [], name
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], f"{name} scrolls sideways: {width}"


def world_of(protocol: dict[str, object], items: int = 2) -> World:
    world = make_world(protocol)
    world.now = timezone.now()
    batch = world.batch(0)
    completions = 2 if protocol["kind"] == "pairwise" else 4
    for number in range(1, items + 1):
        world.item(
            batch,
            number,
            [f"{MARKDOWN}\n\n{position}" for position in range(completions)],
            prompt=ARABIC,
            language="ar",
        )
    return world


@pytest.mark.parametrize(
    ("size", "theme"), LOOKS, ids=["wide light", "wide dark", "phone light", "phone dark", "narrow"]
)
@pytest.mark.parametrize(
    "protocol", KINDS, ids=lambda protocol: f"{protocol['kind']}{protocol.get('points', '')}"
)
def test_judging_pages(
    protocol: dict[str, object], size: tuple[int, int], theme: str, open_page: OpenPage
) -> None:
    world = world_of(protocol)
    page = open_page(world.member().user, size=size, theme=theme)
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector('[data-active="true"]', state="attached")
    check(page, "judging")
    for radio in page.locator("#judge [data-q], [data-q]:has([form=judge])").all():
        option = radio.locator("input").first
        if option.is_visible():
            option.check()
    check(page, "answered")
    page.click("#cant-button")
    check(page, "can't judge")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_quiet_pages(size: tuple[int, int], theme: str, open_page: OpenPage, complaints: list[str]) -> None:
    world = world_of({"kind": "pairwise", "points": 7, "criteria": []}, items=1)
    annotator = world.member()
    slug = world.project.slug
    page = open_page(annotator.user, size=size, theme=theme)

    page.goto(f"/projects/{slug}/task")
    check(page, "invitation")
    page.get_by_role("button", name="Get an item").click()
    page.wait_for_selector('[data-active="true"]', state="attached")
    page.locator('input[name="q-overall"]').first.check()
    page.keyboard.press("?")
    check(page, "keys")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    check(page, "guide sheet")
    page.keyboard.press("Escape")
    page.wait_for_timeout(320)
    page.keyboard.press("Enter")
    page.locator('#submit:has-text("without reading"), body:not(.task)').first.wait_for(state="attached")
    if not page.url.endswith("/done"):
        page.keyboard.press("Enter")
    page.wait_for_url("**/done")
    check(page, "nothing left")
    page.goto(f"/projects/{slug}/quality")
    check(page, "quality")
    page.goto(f"/projects/{slug}/work")
    check(page, "work")
    page.get_by_role("button", name="Change").click()
    page.wait_for_selector('[data-active="true"]', state="attached")
    check(page, "correction")

    publish_consent_text(
        project=world.project, actor=world.lead, text="You will read **model** text.", now=world.now
    )
    page.goto("/")
    check(page, "home")
    page.goto(f"/projects/{slug}/guide")
    check(page, "guide with consent")
    page.goto(f"/projects/{slug}/about-you")
    check(page, "nothing asked about oneself")
    ask_stratum(
        project=world.project, actor=world.lead, name="Age", text="How old are you?",
        options=["Under 30", "30 or over"], now=world.now,
    )  # fmt: skip
    page.goto("/settings")
    page.locator("main").get_by_role("link", name=world.project.name).click()
    page.get_by_label("30 or over").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Delete all my answers").wait_for()
    check(page, "about oneself")
    page.goto("/nowhere")
    check(page, "not found")
    complaints.clear()  # the browser notes the 404

    stranger = open_page(size=size, theme=theme)
    stranger.goto("/login")
    check(stranger, "login")
    stranger.fill("#id_username", "nobody@example.org")
    stranger.fill("#id_password", "wrong")
    stranger.get_by_role("button", name="Sign in").click()
    stranger.get_by_role("alert").wait_for()
    check(stranger, "login refused")
    complaints.clear()  # and the 422
