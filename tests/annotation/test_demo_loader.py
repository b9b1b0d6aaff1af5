"""The demo is loaded once, completely, and leaves real work for a person."""

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.demo.content import PROJECTS
from annotation.demo.loader import ROLES, ensure_demo
from annotation.invariants import violations
from annotation.jobs import run_claimed
from annotation.models import Assignment, GoldAnswer, Item, Job, Judgment, Membership


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """Runs queued jobs beside the test, as a Celery worker does in an instance."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(0.02):
            for job in Job.objects.filter(state=Job.State.QUEUED):
                run_claimed(str(job.pk), timezone.now())
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


def test_the_demo_is_loaded_once_and_leaves_work_for_a_person(
    live_server: LiveServer, worker: None, tmp_path: Path
) -> None:
    logins = ensure_demo(live_server.url, tmp_path, timezone.now())
    assert logins is not None and set(logins) == set(ROLES)
    file = tmp_path / "logins.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == logins
    assert ensure_demo(live_server.url, tmp_path, timezone.now()) is None, "a second start has nothing to do"

    assert violations() == []
    assert Item.objects.count() >= 60
    assert not Item.objects.filter(reference__isnull=False).exists()
    assert not GoldAnswer.objects.exists()
    for project in PROJECTS:
        judges = Membership.objects.filter(project__slug=project.slug, judgments__isnull=False).distinct()
        assert judges.count() == project.simulated
        assert all(judge.is_simulated for judge in judges)
        assert Assignment.objects.filter(batch__project__slug=project.slug, state="open").exists()
    first = Item.objects.filter(batch__source_name="demo.jsonl")
    assert Judgment.objects.current().filter(item__in=first).count() == 3 * first.count()

    with httpx.Client(base_url=f"{live_server.url}/api/v1") as client:
        annotator = {"Authorization": f"Bearer {logins['annotator']['token']}"}
        for project in PROJECTS:
            assert client.post(f"/projects/{project.slug}/lease", headers=annotator).status_code == 200
        waiting = Assignment.objects.filter(batch__source_name="demo-open.jsonl").values("item").distinct()
        assert waiting.count() >= 25
        engineer = {"Authorization": f"Bearer {logins['engineer']['token']}"}
        assert client.get("/projects/demo/releases/latest", headers=engineer).status_code == 200
        assert client.get("/projects/demo/agreement", headers=engineer).status_code == 200

    # A start that ended before the logins were written is taken up: nothing comes twice, new logins work.
    counts = [Item.objects.count(), Judgment.objects.count(), Membership.objects.count()]
    file.unlink()
    again = ensure_demo(live_server.url, tmp_path, timezone.now())
    assert again is not None
    assert [Item.objects.count(), Judgment.objects.count(), Membership.objects.count()] == counts
    lead = {"Authorization": f"Bearer {again['lead']['token']}"}
    assert httpx.get(f"{live_server.url}/api/v1/projects/demo", headers=lead).status_code == 200
