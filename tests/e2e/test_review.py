"""The pages of review in a browser: both themes and widths, and the whole way without script."""

import pytest
from playwright.sync_api import expect

from annotation.services.reports import report_item
from comparisons.models import Adjudication
from tests.comparisons.contested import compute, judged
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import NOW, World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DEPTH = {
    "key": "depth",
    "name": "Depth",
    "optional": True,
    "points": 3,
    "anchors": ["Shallow", "Fair", "Deep"],
}
KINDS = {
    "ranking": {"kind": "ranking", "criteria": ["Tone"]},
    "rating": {"kind": "rating", "criteria": [DEPTH], "choice": True},
}


def reported(kind: str) -> World:
    world = make_world(KINDS[kind])
    batch = world.batch(items=1, completions=4)
    report_item(annotator=world.member(), item=batch.items.get(), reason="broken", now=NOW)
    return world


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    open_page: OpenPage, complaints: list[str], size: tuple[int, int], theme: str, transactional_db: None
) -> None:
    world, _ = judged()
    compute(world)
    base = f"/projects/{world.project.slug}/review"
    page = open_page(world.lead, size=size, theme=theme)
    found = {}

    def look(name: str) -> None:
        found[name] = faults(page) + [f"overflow {overflow(page)}"] * (overflow(page) > 0)

    page.goto(base)
    look("queue")
    page.get_by_role("link", name="Question 1.3?").click()
    look("blind")
    page.get_by_role("button", name="Answer and show the judgments").click()
    look("refused")
    complaints.clear()  # the browser notes the 422
    page.get_by_label("B better").check()
    page.get_by_role("button", name="Answer and show the judgments").click()
    look("judgments")
    page.get_by_label("Misread").check()
    page.get_by_label("Note").fill("A overlooks the date.")
    page.get_by_role("button", name="Save the decision").click()
    page.get_by_label("Real difference of taste").check()
    page.get_by_role("button", name="Replace the decision").click()
    look("decided")
    page.goto(f"/projects/{world.project.slug}/batches/1/items/3")
    look("item")
    page.goto(f"{base}?show=decided")
    look("decided ones")
    for kind in KINDS:
        other = reported(kind)
        page = open_page(other.lead, size=size, theme=theme)
        page.goto(f"/projects/{other.project.slug}/review/1/1")
        look(kind)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_a_reviewer_settles_an_item_without_script(open_page: OpenPage, transactional_db: None) -> None:
    world, _ = judged()
    compute(world)
    page = open_page(world.member("reviewer").user, scripted=False)
    page.goto(f"/projects/{world.project.slug}")
    page.get_by_role("link", name="Review", exact=True).first.click()
    page.get_by_role("link", name="Question 1.3?").click()
    page.get_by_role("button", name="Show the judgments without answering").click()
    expect(page.get_by_text("P4", exact=True)).to_be_visible()
    page.get_by_label("Guide unclear").check()
    page.get_by_label("A better").check()
    page.get_by_role("button", name="Save the decision").click()
    expect(page.get_by_text("Your decision on item 3 is saved.")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review item 4")
    assert Adjudication.objects.get().answer == {"preferred": "A", "strength": 1}
