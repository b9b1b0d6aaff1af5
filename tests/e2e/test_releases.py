"""An engineer cuts a release in the browser and watches it become frozen."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from annotation.jobs import run_claimed
from annotation.models import Job
from exporters.services.webhooks import announce
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.exporters.releases import cut, judged_world
from tests.factories import World

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world(transactional_db: None) -> World:
    return judged_world([[-2, 2, 1, 1, -1]])


@pytest.mark.parametrize("scripted", [True, False])
def test_a_release_is_cut_and_followed(world: World, open_page: OpenPage, scripted: bool) -> None:
    page = open_page(world.member("engineer").user, scripted=scripted)
    page.goto(f"/projects/{world.project.slug}")
    page.get_by_role("link", name="New release").click()
    page.get_by_label("Version").fill("spring")
    page.get_by_label("Every judgment, a row each").check()
    page.get_by_role("button", name="Freeze a release").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    run_claimed(str(Job.objects.get(kind="cut_release").pk), timezone.now())
    if not scripted:
        page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_role("heading", name="Use it")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="train-00000-of-00001.parquet").click()
    assert download.value.suggested_filename == "train-00000-of-00001.parquet"


def test_a_copy_button_says_so_in_place(world: World, open_page: OpenPage) -> None:
    cut(world)
    page = open_page(world.member("engineer").user, permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/projects/{world.project.slug}/releases/1")
    page.get_by_role("button", name="Copy").nth(2).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "sha256sum -c SHA256SUMS"


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit(
    world: World, open_page: OpenPage, size: tuple[int, int], theme: str
) -> None:
    cut(world)
    cut(world, {"labels": "every"})
    page = open_page(world.member("engineer").user, size=size, theme=theme)
    for rest in ("", "/1", "/2/compare/1"):
        page.goto(f"/projects/{world.project.slug}/releases{rest}")
        assert faults(page) == []
        assert overflow(page) == 0


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_webhooks_are_accessible_and_fit(
    world: World, open_page: OpenPage, size: tuple[int, int], theme: str
) -> None:
    page = open_page(world.lead, size=size, theme=theme)
    page.goto(f"/projects/{world.project.slug}/webhooks")
    expect(page.get_by_text("Nobody is told of anything yet.")).to_be_visible()
    page.get_by_label("Address").fill(f"https://hooks.example.org/{'releases-of-this-project/' * 8}")
    page.get_by_role("button", name="Add the webhook").click()
    expect(page.get_by_text("whsec_")).to_be_visible()
    assert faults(page) == [] and overflow(page) == 0
    announce(world.project, "release.frozen", {"release": "1"}, timezone.now())
    page.goto(f"/projects/{world.project.slug}/webhooks")
    expect(page.get_by_text("not tried yet")).to_be_visible()
    expect(page.get_by_text("whsec_")).to_have_count(0)
    assert faults(page) == [] and overflow(page) == 0
