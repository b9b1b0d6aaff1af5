"""The console in a browser: a job that reports by itself, both themes, a phone, and no accessibility fault."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from playwright.sync_api import expect

from annotation.jobs import run_claimed
from annotation.models import Batch, Job
from annotation.services.batches import start_import
from tests.annotation.hostile import payloads
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BAD = b'{"id": "a", "prompt": "", "completions": [{"content": "x"}]}\n{broken\n'
GOOD = json.dumps({"id": "a", "prompt": "Q", "completions": [{"content": "x"}, {"content": "y"}]}).encode()


@pytest.fixture
def world(transactional_db: None) -> World:
    world = make_world(description="Two answers each.")
    world.now = timezone.now()
    batch = world.batch(items=3)
    prompt = [{"role": "user", "content": "Why is it $O(n \\log n)$? " + "unbroken" * 40}]
    answers = [
        "```python\n" + "x = 1; " * 40 + "\n```",
        "| a | b |\n|-|-|\n| 1 | 2 |\n\n[docs](https://example.org) a\u202eb",
    ]
    world.item(batch, 4, answers, prompt=prompt, language="en")
    for annotator in (world.member(), world.member(is_simulated=True)):
        for _ in range(4):
            world.judge(annotator)
    return world


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    world: World, open_page: OpenPage, size: tuple[int, int], theme: str
) -> None:
    base = f"/projects/{world.project.slug}"
    _, job = start_import(
        project=world.project,
        actor=world.lead,
        now=timezone.now(),
        upload=SimpleUploadedFile("bad.jsonl", BAD),
        format="jsonl",
    )
    run_claimed(str(job.pk), timezone.now())
    paths = ["/projects", base, f"{base}/batches/new", f"{base}/batches/1", f"{base}/batches/1/items/4"]
    paths += [f"{base}/members", "/settings", f"/jobs/{job.pk}"]
    paths += ["/projects/new", "/projects/new?kind=rating", f"{base}/protocol", f"{base}/texts"]
    page = open_page(world.lead, size=size, theme=theme)
    found = {}
    for path in paths:
        page.goto(path)
        found[path] = faults(page) + [f"overflow {overflow(page)}"] * (overflow(page) > 0)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_a_lead_imports_and_watches_without_reloading(world: World, open_page: OpenPage) -> None:
    page = open_page(world.lead)
    page.goto(f"/projects/{world.project.slug}")
    page.get_by_role("link", name="New batch").last.click()
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "wave.jsonl", "mimeType": "application/jsonl", "buffer": GOOD}
    )
    page.get_by_label("Name").fill("Wave 2")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", name="Waiting for a worker")).to_be_visible()
    run_claimed(str(Job.objects.get(kind="import_batch").pk), timezone.now())
    expect(page.get_by_role("heading", name="1 item imported")).to_be_visible()
    page.get_by_role("link", name="Open the batch").click()
    expect(page.get_by_role("heading", name="Wave 2")).to_be_visible()
    page.get_by_text("Close batch").click()
    page.get_by_role("button", name="Close Wave 2").click()
    expect(page.get_by_text("Wave 2 is closed.")).to_be_visible()
    assert Batch.objects.get(number=2).state == Batch.State.CLOSED


def test_a_lead_imports_without_script(world: World, open_page: OpenPage) -> None:
    page = open_page(world.lead, scripted=False)
    page.goto(f"/projects/{world.project.slug}/batches/new")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "wave.jsonl", "mimeType": "application/jsonl", "buffer": GOOD}
    )
    page.get_by_role("button", name="Import").click()
    run_claimed(str(Job.objects.get(kind="import_batch").pk), timezone.now())
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_role("heading", name="1 item imported")).to_be_visible()


def test_the_navigation_opens_on_a_phone_and_by_keyboard(world: World, open_page: OpenPage) -> None:
    page = open_page(world.lead, size=PHONE)
    page.goto(f"/projects/{world.project.slug}")
    page.get_by_role("button", name="Navigation").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Members").first.click()
    expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible()


def test_hostile_text_runs_nothing_and_loads_nothing(world: World, open_page: OpenPage) -> None:
    """Every payload as a response of one item; `open_page` also fails on any CSP report or console error."""
    texts = [payload.replace("\0", "") for payload in payloads()]
    world.item(world.batch(items=0), 1, texts)
    page = open_page(world.lead)
    requests: list[str] = []
    dialogs: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"/projects/{world.project.slug}/batches/2/items/1")
    page.wait_for_load_state("networkidle")
    origin = page.evaluate("location.origin")
    assert page.locator(".md").count() == len(texts) + 1
    assert dialogs == []
    assert [url for url in requests if not url.startswith(f"{origin}/")] == []
    loads = (
        "a, img, script, style, iframe, object, embed, svg, form, input, button, link, [src], [href], [style]"
    )
    assert page.locator(f".md :is({loads})").count() == 0
