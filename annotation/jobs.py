"""Background jobs: a row first, a message second.

`enqueue_job` writes the row in the caller's transaction and sends the message after commit. A worker
claims the row by compare-and-swap on (state, attempts), so a message delivered twice does nothing the
second time. `sweep_jobs` sends again what the broker lost and takes back what a dead worker left. A run
that crashes is tried again after a wait, at most TRIES_MAX times; then the job is a dead letter.

Cancelling and trying again, which people ask for, are in `annotation.services.jobs`.
"""

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import psycopg
import structlog
from celery import current_app
from django.conf import settings
from django.db import Error, IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from kombu import pools
from kombu.exceptions import OperationalError

from annotation.audit import record_audit
from annotation.metrics import count_job
from annotation.models import Job, Project, User
from annotation.registry import Registry

BEAT_SECONDS = 10.0
"""How often a running job shows that its worker lives, whatever its handler does meanwhile."""
HEARTBEAT_SECONDS = 35
"""A running job whose heartbeat is older belongs to a dead worker.

Three beats may get lost (a database that restarts, a busy machine) before a worker is taken for dead. With the
sweep's 10 s, and some more until a new worker has started, a job goes on within 60 s of its worker's death.
"""
SILENT_SECONDS = 600.0
"""A handler that has not reported for so long is stuck: its heart stops, and the sweep takes the job back."""
RESEND_SECONDS = 15
TRIES_MAX = 4
WAIT_SECONDS, WAIT_FACTOR, WAIT_SECONDS_MAX = 5, 6, 180
"""Waits between tries: 5 s, 30 s, then 3 min each."""
JITTER_SHARE = 0.2
SENDING_SECONDS = 0.5
"""How long to wait for a connection to the broker, and for a free one of those there are."""
SENDING_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""A second try at once: the first finds a connection dead that the broker closed since it was last used."""
TRACEBACK_HEAD, TRACEBACK_TAIL = 2_000, 8_000
"""Characters kept from the beginning and the end of a traceback; the end says where it happened."""

log = structlog.get_logger()


class JobFailed(Exception):
    """The job cannot succeed; the sentence is for the person who asked for it."""

    def __init__(self, detail: str, errors: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)


class JobPostponed(Exception):
    """The world outside did not do its part: run again after `wait`, `tries_max` times in all. No crash of ours."""

    def __init__(self, detail: str, *, wait: timedelta, tries_max: int) -> None:
        super().__init__(detail)
        self.detail, self.wait, self.tries_max = detail, wait, tries_max


class JobSuperseded(Exception):
    """Another worker has taken the job over, or it was cancelled; stop without a trace."""


class JobCancelled(JobSuperseded):
    """Somebody wants this run to stop."""


@dataclass(frozen=True)
class Progress:
    """Reports how far a job is. Call it at least every few minutes: whoever is silent for SILENT_SECONDS is stuck."""

    job: Job
    on_report: Callable[[], None] = lambda: None

    def __call__(self, share: float) -> None:
        """`share` in [0, 1]. Raises JobSuperseded when the job is no longer this worker's, JobCancelled on a wish.

        The state stays running until the handler has ended: it may call this inside a transaction, which
        the exception rolls back.
        """
        self.on_report()
        ours = runs_of(self.job)
        goes_on = ours.filter(cancel_wanted_at__isnull=True).update(
            progress=min(max(share, 0.0), 1.0), heartbeat_at=timezone.now()
        )
        if not goes_on:
            raise (JobCancelled if ours.exists() else JobSuperseded)(str(self.job.pk))


def runs_of(job: Job) -> QuerySet[Job]:
    """The job's row while it is still in this run; nothing once it was taken over or has ended."""
    return Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, attempts=job.attempts)


class JobHandler(Protocol):
    """Does the work; returns the result (JSON). May be run again after a crash, so it must be idempotent."""

    def __call__(self, job: Job, progress: Progress) -> dict[str, Any]: ...


job_handlers: Registry[JobHandler] = Registry("job kind")


job_ends: Registry[Callable[[Job, datetime], None]] = Registry("listener to ends of jobs")
"""Called with a job that has ended, in the transaction that stores the end; they write rows and do nothing else."""


def tell_end(job: Job, now: datetime) -> None:
    for _, listener in job_ends:
        listener(job, now)


def register_job(kind: str, handler: JobHandler) -> None:
    job_handlers.register(kind, handler)


def enqueue_job(
    *,
    kind: str,
    key: str,
    project: Project | None,
    actor: User | None,
    now: datetime,
    arguments: dict[str, Any] | None = None,
) -> Job:
    """Queue a job of a registered `kind`, or return the unfinished one with the same key."""
    job_handlers.get(kind)
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                key=key,
                project=project,
                created_by=actor,
                arguments=arguments or {},
                created_at=now,
                sent_at=now,
            )
    except IntegrityError:
        return Job.objects.get(kind=kind, key=key, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    transaction.on_commit(lambda: send_job(job))
    return job


def send_job(job: Job) -> None:
    """Wake a worker. A broker that is away or has lost its queue is no harm: the sweep sends again.

    Its own connections, which give up in a fraction of a second: a request waits for this.
    """
    broker = current_app.connection_for_write(
        transport_options=settings.JOB_SENDING_OPTIONS, connect_timeout=SENDING_SECONDS
    )
    try:
        with pools.producers[broker].acquire(block=True, timeout=SENDING_SECONDS) as producer:
            current_app.send_task(
                "annotation.tasks.run_job",
                args=[str(job.pk)],
                producer=producer,
                retry_policy=SENDING_POLICY,
            )
    except OperationalError:
        log.warning("job_not_sent", job=str(job.pk), kind=job.kind)
    except psycopg.Error as error:
        # A queue in PostgreSQL that is there and refuses (its schema or a right is missing) does not mend itself.
        log.error("job_not_sent", job=str(job.pk), kind=job.kind, reason=" ".join(str(error).split()))


def run_claimed(job_id: str, now: datetime) -> None:
    """Claim the queued job and run it. A second delivery finds it claimed and returns."""
    job = claim_job(job_id, now)
    if job is None:
        return
    try:
        with beating(job) as on_report:
            result = job_handlers.get(job.kind)(job, Progress(job, on_report))
    except JobCancelled:
        finish_cancelled(job, timezone.now())
    except JobSuperseded:
        return
    except JobPostponed as later:
        postpone_job(job, later, timezone.now())
    except JobFailed as failure:
        finish_job(job, Job.State.FAILED, error={"detail": failure.detail, "errors": failure.errors})
    except Exception as error:
        log.exception("job_crashed", job=str(job.pk), kind=job.kind)
        # The crash may have been the loss of this very connection. Where the database is still away, the
        # next lines raise, the job stays running without a heartbeat, and the sweep takes it back.
        if not connection.in_atomic_block:  # a caller's transaction is not ours to drop
            connection.close_if_unusable_or_obsolete()
        record_crash(job, error, timezone.now())
        raise
    else:
        finish_job(job, Job.State.SUCCEEDED, result=result)


@contextmanager
def beating(job: Job) -> Iterator[Callable[[], None]]:
    """Keep the job's heartbeat going from a thread, over a connection of its own; yields what notes a report.

    Death of the process stops it, a long query, commit or calculation does not. A caller's transaction is the
    exception: there the job may be visible to nobody else.
    """
    if connection.in_atomic_block:
        yield lambda: None
        return
    reported, stop = [time.monotonic()], threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            if time.monotonic() - reported[0] > SILENT_SECONDS:
                log.error("job_is_stuck", job=str(job.pk), kind=job.kind, silent_seconds=SILENT_SECONDS)
                return
            try:
                beat_once(job)
            except Error:  # the database is away or restarts: the next beat tells
                log.warning("job_heartbeat_failed", job=str(job.pk), kind=job.kind)
            finally:
                connection.close()

    thread = threading.Thread(target=beat, daemon=True, name="job-heartbeat")
    thread.start()
    try:
        yield lambda: reported.__setitem__(0, time.monotonic())
    finally:
        stop.set()
        thread.join()


def beat_once(job: Job) -> None:
    """Move the heartbeat, unless somebody holds the row: the handler that stores its outcome, which the sweep
    leaves alone as well. Waiting for that one would hold up its own end."""
    with transaction.atomic():
        held = runs_of(job).select_for_update(no_key=True, skip_locked=True).first()
        if held is not None:
            held.heartbeat_at = timezone.now()
            held.save(update_fields=["heartbeat_at"])


def claim_job(job_id: str, now: datetime) -> Job | None:
    """Take a queued job that is due at `now`; None when another worker was faster or it is not due yet."""
    job = Job.objects.filter(is_due(now), pk=job_id).first()
    if job is None:
        return None
    claimed = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED, attempts=job.attempts).update(
        state=Job.State.RUNNING, attempts=job.attempts + 1, tries=job.tries + 1, heartbeat_at=now
    )
    if not claimed:
        return None
    job.refresh_from_db()
    return job


def is_due(now: datetime) -> Q:
    return Q(state=Job.State.QUEUED) & (Q(run_after__isnull=True) | Q(run_after__lte=now))


def finish_job(
    job: Job, state: str, *, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
) -> None:
    """Store the end of this run, unless the job meanwhile became another worker's."""
    done = {"progress": 1.0} if state == Job.State.SUCCEEDED else {}
    now = timezone.now()
    with transaction.atomic():
        ended = runs_of(job).update(state=state, result=result, error=error, finished_at=now, **done)
        if ended:
            note_end(job, state)
            job.state, job.result, job.error, job.finished_at = state, result, error, now
            tell_end(job, now)


def finish_cancelled(job: Job, now: datetime) -> None:
    with transaction.atomic():
        held = runs_of(job).select_for_update(no_key=True).first()
        if held is not None:
            mark_cancelled(held, None, now)
            note_end(job, Job.State.CANCELLED)


def note_end(job: Job, state: str) -> None:
    """Tell log and metrics how a run ended, once that is stored."""

    def tell() -> None:
        count_job(job.kind, state)
        log.info("job_run_ended", job=str(job.pk), kind=job.kind, state=state, attempt=job.attempts)

    transaction.on_commit(tell)


def mark_cancelled(job: Job, actor: User | None, now: datetime) -> None:
    """The end by a wish. Caller holds the row's lock; `actor` is None where a run carries out what was asked."""
    job.state, job.finished_at, job.is_dead_letter = Job.State.CANCELLED, now, False
    job.save(update_fields=["state", "finished_at", "is_dead_letter"])
    record_audit(
        project=job.project, actor=actor, action="job.cancelled", obj=job, now=now, data={"kind": job.kind}
    )
    tell_end(job, now)


def postpone_job(job: Job, later: JobPostponed, now: datetime) -> None:
    """Give the job back for a later try, unless it meanwhile became another worker's."""
    with transaction.atomic():
        held = runs_of(job).select_for_update(no_key=True).first()
        if held is not None:
            held.error = {"detail": later.detail, "errors": []}
            give_back(held, now, what="was put off", run_after=now + later.wait, tries_max=later.tries_max)
            note_end(job, "postponed")


def record_crash(job: Job, error: BaseException, now: datetime) -> None:
    """Keep the traceback and give the job back, unless it meanwhile became another worker's."""
    with transaction.atomic():
        held = runs_of(job).select_for_update(no_key=True).first()
        if held is not None:
            held.traceback = traceback_text(error)
            wait = timedelta(seconds=wait_seconds(held))
            what = f"stopped on an error of ours ({type(error).__name__})"
            give_back(held, now, what=what, run_after=now + wait)
            note_end(job, "crashed")


def give_back(
    job: Job, now: datetime, *, what: str, run_after: datetime | None, tries_max: int = TRIES_MAX
) -> None:
    """A run ended without an outcome: queued again, or a dead letter, or cancelled where that was wanted.

    Caller holds the row's lock. An outcome that the handler stored already stays, for its next run to find.
    """
    if job.cancel_wanted_at is not None:
        job.save(update_fields=["traceback"])
        mark_cancelled(job, None, now)
        return
    if job.tries < tries_max:
        job.state, job.run_after, job.sent_at = Job.State.QUEUED, run_after, None
    else:
        job.state, job.finished_at, job.is_dead_letter = Job.State.FAILED, now, True
        job.error = job.error or {"detail": f"The job {what}. It was tried {job.tries} times."}
        log.error("job_is_dead_letter", job=str(job.pk), kind=job.kind)
    job.save(
        update_fields=["state", "run_after", "sent_at", "finished_at", "is_dead_letter", "error", "traceback"]
    )
    if job.is_dead_letter:
        tell_end(job, now)


def wait_seconds(job: Job) -> float:
    """How long a job rests after its try number `job.tries` (from 1) crashed.

    Up to JITTER_SHARE longer, by the job's id, so that what crashed together does not come back together.
    """
    wait = min(WAIT_SECONDS * float(WAIT_FACTOR) ** (job.tries - 1), WAIT_SECONDS_MAX)
    return wait * (1 + JITTER_SHARE * (job.pk.int % 1000) / 1000)


def traceback_text(error: BaseException) -> str:
    """The traceback as text that PostgreSQL takes, its middle left out when it is long."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
    # A message may quote what it tripped over: NUL and lone surrogates are no text for the database.
    text = "".join(lines).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    if len(text) <= TRACEBACK_HEAD + TRACEBACK_TAIL:
        return text
    return f"{text[:TRACEBACK_HEAD]}\n[…]\n{text[-TRACEBACK_TAIL:]}"


def sweep_jobs(now: datetime) -> int:
    """Take back jobs of dead workers and send queued ones that are due and waited too long; returns how many."""
    dead = Job.objects.filter(
        state=Job.State.RUNNING, heartbeat_at__lt=now - timedelta(seconds=HEARTBEAT_SECONDS)
    )
    for pk in list(dead.values_list("pk", flat=True)[:100]):
        with transaction.atomic():
            # Race: its worker lives after all and reports, or holds the row while it stores its outcome.
            held = dead.filter(pk=pk).select_for_update(no_key=True, skip_locked=True).first()
            if held is not None:
                give_back(held, now, what="lost its worker", run_after=None)
    waiting = Job.objects.filter(is_due(now)).exclude(sent_at__gte=now - timedelta(seconds=RESEND_SECONDS))
    count = 0
    for job in waiting.order_by("created_at")[:100]:
        Job.objects.filter(pk=job.pk).update(sent_at=now)
        send_job(job)
        count += 1
    return count
