"""Jobs: a row first; run once however often the message comes; found again when the message is lost.

What people ask of jobs (cancel, try again) is tested in `test_jobs_people`, the broker in `test_jobs_broker`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

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
    RUNS.append(str(job.pk))
    password = "never" + "-shown"
    raise ZeroDivisionError(f"run {len(RUNS)}, {len(password)} characters")


def talkative(job: Job, progress: Progress) -> dict[str, Any]:
    raise ValueError("\0\ud800" + "x" * 100_000 + " the end")


def cut_off(job: Job, progress: Progress) -> dict[str, Any]:
    """Loses its connection, as when PostgreSQL is restarted."""
    RUNS.append(str(job.pk))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    raise AssertionError("the connection outlived its backend")


def taken_over(job: Job, progress: Progress) -> dict[str, Any]:
    Job.objects.filter(pk=job.pk).update(attempts=job.attempts + 1)
    progress(0.9)
    raise AssertionError("a superseded run went on")


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Some kinds of job, known for the time of a test."""
    RUNS.clear()
    members = dict(jobs.job_handlers._members)
    for handler in (counting, failing, crashing, talkative, cut_off, taken_over, at_work, storing):
        jobs.register_job(handler.__name__, handler)
    yield
    jobs.job_handlers._members.clear()
    jobs.job_handlers._members.update(members)


def queue(kind: str, key: str = "one") -> Job:
    return enqueue_job(kind=kind, key=key, project=None, actor=None, now=NOW)


def crash(job: Job, now: datetime, error: type[Exception] = ZeroDivisionError) -> Job:
    """One run of `job` that crashes; answers the row after it."""
    with pytest.raises(error):
        run_claimed(str(job.pk), now)
    return Job.objects.get(pk=job.pk)


# Once, however often the message comes


def test_a_job_delivered_twice_runs_once() -> None:
    job = queue("counting")
    run_claimed(str(job.pk), NOW)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert len(RUNS) == 1
    assert (job.state, job.attempts, job.progress, job.result) == ("succeeded", 1, 1.0, {"runs": 1})


def claim_without_looking(job_id: str, now: datetime) -> Job | None:
    """The claim with its guard off: what was read is taken, whatever became of it."""
    job = Job.objects.filter(pk=job_id, state=Job.State.QUEUED).first()
    if job is not None:
        BOTH_HAVE_READ.wait()
        Job.objects.filter(pk=job_id).update(state=Job.State.RUNNING, attempts=job.attempts + 1)
        job.refresh_from_db()
    return job


BOTH_HAVE_READ = threading.Barrier(2, timeout=30)


def deliver_to_two_workers(job: Job) -> None:
    start = threading.Barrier(2, timeout=30)

    def work() -> None:
        try:
            start.wait()
            run_claimed(str(job.pk), NOW)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_message_run_it_once() -> None:
    for number in range(20):
        job = queue("counting", str(number))
        deliver_to_two_workers(job)
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("succeeded", 1)
    assert len(RUNS) == 20


@pytest.mark.django_db(transaction=True)
def test_control_two_workers_run_it_twice_without_the_compare_and_swap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "claim_job", claim_without_looking)
    deliver_to_two_workers(queue("counting"))
    assert len(RUNS) == 2


def test_one_unfinished_job_for_a_key() -> None:
    first = queue("counting")
    assert queue("counting") == first
    run_claimed(str(first.pk), NOW)
    assert queue("counting") != first
    assert queue("counting", "other") != first


def test_a_run_that_lost_its_job_stops_without_a_trace() -> None:
    job = queue("taken_over")
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.result) == ("running", 2, None)


def test_an_unknown_kind_is_refused_at_once() -> None:
    with pytest.raises(KeyError, match="no job kind called 'nothing'"):
        queue("nothing")
    assert not Job.objects.exists()


# Failures and crashes


def test_an_expected_failure_is_kept_with_its_sentence_and_not_tried_again() -> None:
    job = queue("failing")
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.is_dead_letter, job.traceback) == ("failed", False, "")
    assert job.error == {"detail": "The file is empty.", "errors": [{"line": 1, "detail": "nothing here"}]}


def test_a_crash_is_raised_and_tried_again_after_a_wait() -> None:
    job = queue("crashing")
    before = timezone.now()
    job = crash(job, NOW)
    assert (job.state, job.attempts, job.error, job.finished_at) == ("queued", 1, None, None)
    assert job.run_after is not None
    wait = timedelta(seconds=jobs.wait_seconds(job))
    assert before + wait <= job.run_after <= timezone.now() + wait
    run_claimed(str(job.pk), job.run_after - timedelta(seconds=1))  # a message that comes early
    assert len(RUNS) == 1
    crash(job, job.run_after)
    assert len(RUNS) == 2


def test_the_waits_grow_to_a_limit_and_differ_a_little() -> None:
    def waits(number: int) -> list[float]:
        return [jobs.wait_seconds(Job(pk=UUID(int=number), tries=tries)) for tries in (1, 2, 3, 4)]

    assert waits(0) == [5, 30, 180, 180]
    assert waits(500) == pytest.approx([5.5, 33, 198, 198])
    assert all(wait < 1.2 * plain for wait, plain in zip(waits(999), waits(0), strict=True))


def test_what_crashes_every_time_becomes_a_dead_letter_with_its_last_traceback() -> None:
    job = queue("crashing")
    for number in range(1, jobs.TRIES_MAX + 1):
        job = crash(job, job.run_after or NOW)
        assert job.state == ("queued" if number < jobs.TRIES_MAX else "failed")
    assert (job.is_dead_letter, job.tries, job.attempts) == (True, jobs.TRIES_MAX, jobs.TRIES_MAX)
    assert job.error == {
        "detail": f"The job stopped on an error of ours (ZeroDivisionError). It was tried {jobs.TRIES_MAX} times."
    }
    assert f"ZeroDivisionError: run {jobs.TRIES_MAX}, " in job.traceback
    assert "in crashing" in job.traceback and "never-shown" not in job.traceback
    assert sweep_jobs(NOW + timedelta(days=1)) == 0


def test_a_traceback_is_bounded_and_always_text_for_the_database(caplog: pytest.LogCaptureFixture) -> None:
    # The log line holds half of a surrogate pair, which a parallel run could not send to its controller.
    caplog.set_level("CRITICAL", "annotation.jobs")
    job = crash(queue("talkative"), NOW, ValueError)
    assert len(job.traceback) < jobs.TRACEBACK_HEAD + jobs.TRACEBACK_TAIL + 20
    assert job.traceback.startswith("Traceback (most recent call last):")
    assert "\\x00\\ud800xxx" in job.traceback and job.traceback.endswith("x the end\n")


# The database goes away in the middle of a job


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_connection_broke_is_tried_again() -> None:
    job = crash(queue("cut_off"), NOW, OperationalError)
    assert (job.state, job.attempts, job.is_dead_letter) == ("queued", 1, False)
    assert "OperationalError" in job.traceback


@pytest.mark.django_db(transaction=True)
def test_control_on_the_broken_connection_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue("cut_off")
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
    with pytest.raises(OperationalError):
        run_claimed(str(job.pk), NOW)
    connection.close()
    job.refresh_from_db()
    assert (job.state, job.traceback) == ("running", "")


@pytest.mark.django_db(transaction=True)
def test_a_job_is_not_lost_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue("cut_off")
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "PORT", "1")  # where nothing listens
        with pytest.raises(OperationalError):
            run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("running", 1)
    assert sweep_jobs(NOW + timedelta(seconds=jobs.HEARTBEAT_SECONDS + 1)) == 1
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("queued", 1)


# The sweep


def test_the_sweep_takes_back_what_a_dead_worker_left() -> None:
    job = queue("counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, tries=1, heartbeat_at=NOW)
    soon = NOW + timedelta(seconds=jobs.HEARTBEAT_SECONDS - 1)
    assert sweep_jobs(soon) == 0
    assert sweep_jobs(NOW + timedelta(seconds=jobs.HEARTBEAT_SECONDS + 1)) == 1
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.tries) == ("succeeded", 2, 2)


def test_a_job_on_which_workers_keep_dying_is_a_dead_letter() -> None:
    job = queue("counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=9, tries=jobs.TRIES_MAX, heartbeat_at=NOW)
    assert sweep_jobs(NOW + timedelta(hours=1)) == 0
    job.refresh_from_db()
    assert (job.state, job.is_dead_letter) == ("failed", True)
    assert job.error == {"detail": f"The job lost its worker. It was tried {jobs.TRIES_MAX} times."}


@contextmanager
def held_elsewhere(job: Job) -> Iterator[None]:
    """Another worker's transaction with a lock on the row, open for the time of the block."""
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Job.objects.select_for_update().get(pk=job.pk)
                ready.set()
                done.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert ready.wait(30)
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_the_sweep_leaves_alone_a_worker_that_is_storing_its_outcome() -> None:
    """Its row is locked, and the heartbeat in that transaction is seen by nobody else."""
    job = queue("counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, tries=1, heartbeat_at=NOW)
    with held_elsewhere(job):
        assert sweep_jobs(NOW + timedelta(hours=1)) == 0
    assert sweep_jobs(NOW + timedelta(hours=1)) == 1, "the control: nobody holds the row any more"


# The heartbeat, which a thread keeps going


def at_work(job: Job, progress: Progress) -> dict[str, Any]:
    """Says nothing until the test lets it go on."""
    AT_WORK.set()
    assert GO_ON.wait(30)
    return {}


def storing(job: Job, progress: Progress) -> dict[str, Any]:
    """Holds its row in a transaction of its own, as a handler does that stores its outcome."""
    with transaction.atomic():
        progress(0.9)
        AT_WORK.set()
        assert GO_ON.wait(30)
    return {}


AT_WORK, GO_ON = threading.Event(), threading.Event()


@contextmanager
def in_a_worker(kind: str) -> Iterator[Job]:
    """A job that is in the middle of its run, in another thread, for the time of the block; then it ends."""
    AT_WORK.clear()
    GO_ON.clear()
    job = queue(kind)

    def work() -> None:
        try:
            run_claimed(str(job.pk), NOW)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert AT_WORK.wait(30)
        yield job
    finally:
        GO_ON.set()
        worker.join()


def wait_for_beat(job: Job, after: datetime) -> None:
    """Return once the heartbeat is later than `after`."""
    deadline = time.monotonic() + 30
    while not Job.objects.filter(pk=job.pk, heartbeat_at__gt=after).exists():
        assert time.monotonic() < deadline, "the heart does not beat"
        time.sleep(0.01)


def heartbeats() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "job-heartbeat"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Events in the log, of every thread."""
    return [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]


@pytest.fixture
def quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.01)


@pytest.mark.django_db(transaction=True)
def test_a_handler_that_says_nothing_keeps_its_job(quick_heart: None) -> None:
    with in_a_worker("at_work") as job:
        for _ in range(2):
            wait_for_beat(job, timezone.now())
        assert sweep_jobs(timezone.now() + timedelta(seconds=jobs.HEARTBEAT_SECONDS - 5)) == 0
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 1)
    assert heartbeats() == [], "the heart stops with the run"


@pytest.mark.django_db(transaction=True)
def test_control_without_the_thread_a_silent_handler_loses_its_job() -> None:
    """Its worker lives, and a second run begins; the first, when it ends, stores nothing."""
    with in_a_worker("at_work") as job:
        assert sweep_jobs(NOW + timedelta(seconds=jobs.HEARTBEAT_SECONDS + 1)) == 1
    job.refresh_from_db()
    assert (job.state, job.attempts, job.result) == ("queued", 1, None)


@pytest.mark.django_db(transaction=True)
def test_a_handler_that_is_stuck_loses_its_job(
    quick_heart: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jobs, "SILENT_SECONDS", 0.0)
    with in_a_worker("at_work") as job:
        for thread in heartbeats():
            thread.join(30)
        assert heartbeats() == []
        assert Job.objects.get(pk=job.pk).heartbeat_at == NOW, "it never beat again"
    assert "job_is_stuck" in told(caplog)


@pytest.mark.django_db(transaction=True)
def test_the_heart_does_not_wait_for_the_row_that_its_handler_holds(quick_heart: None) -> None:
    """Nor does the end of the run wait for the heart, which would be for ever."""
    with in_a_worker("storing") as job:
        jobs.beat_once(job)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 1)


@pytest.mark.django_db(transaction=True)
def test_the_heart_of_an_earlier_run_does_not_beat_for_a_later_one() -> None:
    job = queue("counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, tries=1, heartbeat_at=NOW)
    earlier = Job.objects.get(pk=job.pk)
    Job.objects.filter(pk=job.pk).update(attempts=2)
    jobs.beat_once(earlier)
    assert Job.objects.get(pk=job.pk).heartbeat_at == NOW


@pytest.mark.django_db(transaction=True)
def test_the_heart_outlives_a_database_that_is_away(
    quick_heart: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with in_a_worker("at_work") as job:
        wait_for_beat(job, timezone.now())
        with monkeypatch.context() as away:
            # Of every connection that is made from now on; this thread has its own.
            away.setitem(connection.settings_dict, "PORT", "1")
            deadline = time.monotonic() + 30
            while "job_heartbeat_failed" not in told(caplog):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        wait_for_beat(job, timezone.now())
    job.refresh_from_db()
    assert job.state == "succeeded"


def test_in_a_transaction_of_the_caller_there_is_no_thread() -> None:
    """The job may be visible to nobody else there, and the thread would have nothing to show."""
    jobs.register_job("looking", lambda job, progress: {"hearts": len(heartbeats())})
    job = queue("looking")
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert job.result == {"hearts": 0}


# The sweep, and what the broker lost


def test_the_sweep_sends_again_what_the_broker_lost() -> None:
    job = queue("counting")
    assert sweep_jobs(NOW + timedelta(seconds=1)) == 0
    later = NOW + timedelta(seconds=jobs.RESEND_SECONDS + 1)
    assert sweep_jobs(later) == 1
    job.refresh_from_db()
    assert job.sent_at == later


def test_the_sweep_sends_only_what_is_due() -> None:
    job = crash(queue("crashing"), NOW)
    assert job.run_after is not None
    assert sweep_jobs(job.run_after - timedelta(seconds=1)) == 0
    assert sweep_jobs(job.run_after) == 1


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
