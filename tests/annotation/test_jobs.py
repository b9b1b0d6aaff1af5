"""Jobs: a row first; run once however often the message comes; found again when the message is lost."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from annotation import jobs
from annotation.jobs import JobFailed, Progress, enqueue_job, run_claimed, sweep_jobs
from annotation.models import Job
from annotation.periodic import periodic_checks
from annotation.tasks import sweep
from tests.factories import NOW

pytestmark = pytest.mark.django_db

RUNS: list[str] = []


def counting(job: Job, progress: Progress) -> dict[str, Any]:
    RUNS.append(str(job.pk))
    progress(0.5)
    return {"runs": len(RUNS)}


def failing(job: Job, progress: Progress) -> dict[str, Any]:
    raise JobFailed("The file is empty.", [{"line": 1, "detail": "nothing here"}])


def crashing(job: Job, progress: Progress) -> dict[str, Any]:
    raise ZeroDivisionError


def taken_over(job: Job, progress: Progress) -> dict[str, Any]:
    Job.objects.filter(pk=job.pk).update(attempts=job.attempts + 1)
    progress(0.9)
    raise AssertionError("a superseded run went on")


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four kinds of job, known for the time of a test."""
    RUNS.clear()
    members = dict(jobs.job_handlers._members)
    for handler in (counting, failing, crashing, taken_over):
        jobs.register_job(handler.__name__, handler)
    yield
    jobs.job_handlers._members.clear()
    jobs.job_handlers._members.update(members)


def queue(kind: str, key: str = "one") -> Job:
    return enqueue_job(kind=kind, key=key, project=None, actor=None, now=NOW)


def test_a_job_delivered_twice_runs_once() -> None:
    job = queue("counting")
    run_claimed(str(job.pk), NOW)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert len(RUNS) == 1
    assert (job.state, job.attempts, job.progress, job.result) == ("succeeded", 1, 1.0, {"runs": 1})


def test_one_unfinished_job_for_a_key() -> None:
    first = queue("counting")
    assert queue("counting") == first
    run_claimed(str(first.pk), NOW)
    assert queue("counting") != first
    assert queue("counting", "other") != first


def test_an_expected_failure_is_kept_with_its_sentence() -> None:
    job = queue("failing")
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert job.state == "failed"
    assert job.error == {"detail": "The file is empty.", "errors": [{"line": 1, "detail": "nothing here"}]}


def test_a_crash_is_kept_and_raised() -> None:
    job = queue("crashing")
    with pytest.raises(ZeroDivisionError):
        run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert job.state == "failed"


def test_a_run_that_lost_its_job_stops_without_a_trace() -> None:
    job = queue("taken_over")
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.result) == ("running", 2, None)


def test_the_sweep_takes_back_what_a_dead_worker_left() -> None:
    job = queue("counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, heartbeat_at=NOW)
    soon = NOW + timedelta(seconds=jobs.HEARTBEAT_SECONDS - 1)
    assert sweep_jobs(soon) == 0
    assert sweep_jobs(NOW + timedelta(seconds=jobs.HEARTBEAT_SECONDS + 1)) == 1
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 2)


def test_a_job_on_which_workers_keep_dying_ends_with_a_reason() -> None:
    job = queue("counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=jobs.ATTEMPTS_MAX, heartbeat_at=NOW)
    sweep_jobs(NOW + timedelta(hours=1))
    job.refresh_from_db()
    assert job.state == "failed"
    assert "died" in job.error["detail"]  # type: ignore[index]


def test_the_sweep_sends_again_what_the_broker_lost() -> None:
    job = queue("counting")
    assert sweep_jobs(NOW + timedelta(seconds=1)) == 0
    later = NOW + timedelta(seconds=jobs.RESEND_SECONDS + 1)
    assert sweep_jobs(later) == 1
    job.refresh_from_db()
    assert job.sent_at == later


def test_an_unknown_kind_is_refused_at_once() -> None:
    with pytest.raises(KeyError, match="no job kind called 'nothing'"):
        queue("nothing")
    assert not Job.objects.exists()


def test_a_periodic_check_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def broken(now: datetime) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(
        periodic_checks, "_members", {"broken": broken, "good": lambda now: ran.append("good")}
    )
    with pytest.raises(ExceptionGroup) as failed:
        sweep()
    assert ran == ["good"]
    assert failed.value.exceptions[0].__notes__ == ["in the periodic check 'broken'"]
