"""The statistics page in a browser: with figures and before there are any, in both themes and widths."""

import pytest
from django.utils import timezone

from annotation.jobs import run_claimed
from comparisons.services.statistics import start_statistics
from tests.comparisons.test_statistics import judged
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible_and_fits(
    open_page: OpenPage, size: tuple[int, int], theme: str, transactional_db: None
) -> None:
    world, _ = judged(first_place=0.9)
    now = timezone.now()
    run_claimed(str(start_statistics(project=world.project, actor=world.lead, now=now).pk), now)
    page = open_page(world.lead, size=size, theme=theme)
    page.goto(f"/projects/{world.project.slug}/statistics")
    assert page.locator("svg.chart").count() > 5
    assert faults(page) == []
    assert overflow(page) == 0
    empty = make_world()
    page = open_page(empty.lead, size=size, theme=theme)
    page.goto(f"/projects/{empty.project.slug}/statistics")
    assert faults(page) == []
