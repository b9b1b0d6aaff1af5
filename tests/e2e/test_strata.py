"""Strata in a browser: a lead asks, looks and seats a jury; in both themes and widths, and without script."""

import pytest
from playwright.sync_api import expect

from tests.comparisons.strata import OPTIONS, compute, judged
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_pages_are_accessible_and_fit(open_page: OpenPage, size: tuple[int, int], theme: str) -> None:
    world, question, _ = judged((10, 10), (1 / 4, 3 / 4), items=4, spread=1)
    compute(world)
    page = open_page(world.lead, size=size, theme=theme)
    base = f"/projects/{world.project.slug}"
    for path in (f"{base}/strata", f"{base}/strata?question={question.pk}&as=own", f"{base}/questions"):
        page.goto(path)
        assert faults(page) == [] and overflow(page) == 0, path
    empty = make_world()
    page = open_page(empty.lead, size=size, theme=theme)
    page.goto(f"/projects/{empty.project.slug}/strata")
    assert faults(page) == []


def test_a_lead_asks_and_seats_a_jury_without_script(open_page: OpenPage) -> None:
    world, _, _ = judged((10, 10), (1 / 4, 3 / 4), items=4, spread=1)
    compute(world)
    page = open_page(world.lead, scripted=False)
    page.goto(f"/projects/{world.project.slug}/strata")
    page.get_by_role("link", name="Questions").click()
    page.get_by_label("Name").fill("Region")
    page.get_by_label("Question").last.fill("Where did you grow up?")
    page.get_by_label("Answers").fill("Here\nElsewhere")
    page.get_by_role("button", name="Ask it").click()
    expect(page.get_by_text("“Region” is asked from now on")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Strata").click()
    page.get_by_role("spinbutton", name=OPTIONS[0]).fill("9")
    page.get_by_role("spinbutton", name=OPTIONS[1]).fill("0")
    page.get_by_role("button", name="Seat this jury").click()
    expect(page.get_by_role("spinbutton", name=OPTIONS[0])).to_have_value("9")
    row = page.get_by_role("row", name="model-0 model-1")
    expect(row).to_contain_text("model-0")
    expect(row.get_by_role("cell").nth(4)).to_have_text("model-0")
