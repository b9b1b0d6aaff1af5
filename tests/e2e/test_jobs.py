"""The lead's page of jobs in a browser: both themes, a phone, no accessibility fault, and it works without script."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from annotation import jobs
from annotation.jobs import JobFailed, Progress, enqueue_job, run_claimed
from annotation.models import Job
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def crashing(job: Job, progress: Progress) -> dict[str, Any]:
    raise ValueError("unbroken" * 60)


def refused(job: Job, progress: Progress) -> dict[str, Any]:
    raise JobFailed("The file has 2 errors in 3 rows, so nothing was stored.")


def waiting(job: Job, progress: Progress) -> dict[str, Any]:
    return {}


@pytest.fixture
def world(transactional_db: None) -> Iterator[World]:
    """A project with a job in every state."""
    members = dict(jobs.job_handlers._members)
    for handler in (crashing, refused, waiting):
        jobs.register_job(handler.__name__, handler)
    world = make_world()
    dead, again, _, running, stopping = (
        queue(world, kind, key)
        for key, kind in enumerate(["crashing", "crashing", "waiting", "waiting", "waiting"])
    )
    for job, tries in ((dead, jobs.TRIES_MAX), (again, 1)):
        for number in range(tries):
            with pytest.raises(ValueError, match="unbroken"):
                run_claimed(str(job.pk), timezone.now() + timedelta(hours=number))
    run_claimed(str(queue(world, "refused", 9).pk), timezone.now())
    found = Job.objects.filter(pk__in=[running.pk, stopping.pk])
    found.update(state="running", tries=2, attempts=2, progress=0.4, heartbeat_at=timezone.now())
    Job.objects.filter(pk=stopping.pk).update(cancel_wanted_at=timezone.now())
    yield world
    jobs.job_handlers._members.clear()
    jobs.job_handlers._members.update(members)


def queue(world: World, kind: str, key: int) -> Job:
    return enqueue_job(kind=kind, key=str(key), project=world.project, actor=world.lead, now=timezone.now())


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible_and_fits(
    world: World, open_page: OpenPage, size: tuple[int, int], theme: str
) -> None:
    page = open_page(world.lead, size=size, theme=theme)
    page.goto(f"/projects/{world.project.slug}/jobs")
    expect(page.locator(".job-row")).to_have_count(6)
    page.get_by_text("Traceback", exact=True).click()
    expect(page.get_by_text("ValueError: unbroken").last).to_be_visible()
    assert (faults(page), overflow(page)) == ([], 0)


def test_a_lead_tries_again_without_script(world: World, open_page: OpenPage) -> None:
    page = open_page(world.lead, scripted=False)
    page.goto(f"/projects/{world.project.slug}/jobs?show=failed")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("It waits for a worker again.")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    assert not Job.objects.filter(is_dead_letter=True).exists()
