"""Background jobs: a row first, a message second.

`enqueue_job` writes the row in the caller's transaction and sends the message after commit. A worker
claims the row by compare-and-swap on (state, attempts), so a message delivered twice does nothing the
second time. `sweep_jobs` sends again what the broker lost and takes back what a dead worker left.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from celery import current_app
from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from annotation.models import Job, Project, User
from annotation.registry import Registry

HEARTBEAT_SECONDS = 60
"""A running job whose heartbeat is older belongs to a dead worker."""
RESEND_SECONDS = 15
ATTEMPTS_MAX = 3

log = structlog.get_logger()


class JobFailed(Exception):
    """The job cannot succeed; the sentence is for the person who asked for it."""

    def __init__(self, detail: str, errors: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)


class JobSuperseded(Exception):
    """Another worker has taken the job over, or it was cancelled; stop without a trace."""


@dataclass(frozen=True)
class Progress:
    """Reports how far a job is. Also its heartbeat: call it at least every half minute."""

    job: Job

    def __call__(self, share: float) -> None:
        """`share` in [0, 1]. Raises JobSuperseded when the job is no longer this worker's."""
        is_ours = Job.objects.filter(
            pk=self.job.pk, state=Job.State.RUNNING, attempts=self.job.attempts
        ).update(progress=min(max(share, 0.0), 1.0), heartbeat_at=timezone.now())
        if not is_ours:
            raise JobSuperseded(str(self.job.pk))


class JobHandler(Protocol):
    """Does the work; returns the result (JSON). May be run again after a crash, so it must be idempotent."""

    def __call__(self, job: Job, progress: Progress) -> dict[str, Any]: ...


job_handlers: Registry[JobHandler] = Registry("job kind")


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
    """Wake a worker. A broker that is away is no harm: the sweep sends again."""
    try:
        current_app.send_task("annotation.tasks.run_job", args=[str(job.pk)])
    except OperationalError:
        log.warning("job_not_sent", job=str(job.pk), kind=job.kind)


def run_claimed(job_id: str, now: datetime) -> None:
    """Claim the queued job and run it. A second delivery finds it claimed and returns."""
    job = claim_job(job_id, now)
    if job is None:
        return
    try:
        result = job_handlers.get(job.kind)(job, Progress(job))
    except JobSuperseded:
        return
    except JobFailed as failure:
        finish_job(job, Job.State.FAILED, error={"detail": failure.detail, "errors": failure.errors})
    except Exception as error:
        log.exception("job_crashed", job=str(job.pk), kind=job.kind)
        finish_job(
            job,
            Job.State.FAILED,
            error={"detail": f"The job stopped on an error of ours ({type(error).__name__})."},
        )
        raise
    else:
        finish_job(job, Job.State.SUCCEEDED, result=result)


def claim_job(job_id: str, now: datetime) -> Job | None:
    job = Job.objects.filter(pk=job_id, state=Job.State.QUEUED).first()
    if job is None:
        return None
    claimed = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED, attempts=job.attempts).update(
        state=Job.State.RUNNING, attempts=job.attempts + 1, heartbeat_at=now
    )
    if not claimed:
        return None
    job.refresh_from_db()
    return job


def finish_job(
    job: Job, state: str, *, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
) -> None:
    """Store the end of this run, unless the job meanwhile became another worker's."""
    done = {"progress": 1.0} if state == Job.State.SUCCEEDED else {}
    Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, attempts=job.attempts).update(
        state=state, result=result, error=error, finished_at=timezone.now(), **done
    )


def sweep_jobs(now: datetime) -> int:
    """Take back jobs of dead workers and send queued ones that waited too long; returns how many."""
    dead = Job.objects.filter(
        state=Job.State.RUNNING, heartbeat_at__lt=now - timedelta(seconds=HEARTBEAT_SECONDS)
    )
    dead.filter(attempts__gte=ATTEMPTS_MAX).update(
        state=Job.State.FAILED,
        finished_at=now,
        error={"detail": f"The worker died {ATTEMPTS_MAX} times on this job."},
    )
    dead.update(state=Job.State.QUEUED, sent_at=None)
    waiting = Job.objects.filter(state=Job.State.QUEUED).exclude(
        sent_at__gte=now - timedelta(seconds=RESEND_SECONDS)
    )
    count = 0
    for job in waiting.order_by("created_at")[:100]:
        Job.objects.filter(pk=job.pk).update(sent_at=now)
        send_job(job)
        count += 1
    return count
