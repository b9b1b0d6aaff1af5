"""What people ask of background jobs: to stop one, to try one again. What workers write is in `annotation.jobs`."""

from datetime import datetime

from django.db import IntegrityError, transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.jobs import mark_cancelled, send_job
from annotation.models import Job, User


def cancel_job(*, job: Job, actor: User | None, now: datetime) -> Job:
    """Cancel a job that waits, or a dead letter, at once; ask a running one to stop at its next report.

    Asking again changes nothing. `actor` is None for the operator. Raises Refused (409) when it has ended.
    """
    with transaction.atomic():
        # Race: a worker claims or finishes it meanwhile. The row's lock makes them take turns.
        job = _locked(job)
        if job.state == Job.State.CANCELLED:
            return job
        if job.state == Job.State.RUNNING:
            if job.cancel_wanted_at is None:
                job.cancel_wanted_at = now
                job.save(update_fields=["cancel_wanted_at"])
                _audit("job.cancel_wanted", job, actor, now)
        elif job.state == Job.State.QUEUED or job.is_dead_letter:
            mark_cancelled(job, actor, now)
        else:
            raise Refused(
                f"This job has {job.get_state_display().lower()}; there is nothing to cancel.",
                code="job_finished",
                status=409,
            )
    return job


def retry_job(*, job: Job, actor: User | None, now: datetime) -> Job:
    """Queue a dead letter again, with as many tries as a new job. `actor` is None for the operator.

    Raises Refused (409) for every other job, and when the same work was queued anew meanwhile.
    """
    with transaction.atomic():
        job = _locked(job)
        if not job.is_dead_letter:
            raise Refused(
                "Only a job that failed on errors of ours can be tried again; this one is "
                f"{job.get_state_display().lower()}.",
                code="job_not_dead",
                status=409,
            )
        job.state, job.is_dead_letter, job.tries = Job.State.QUEUED, False, 0
        job.run_after = job.error = job.finished_at = None
        job.progress, job.sent_at = 0, now
        try:
            with transaction.atomic():
                job.save(
                    update_fields=[
                        "state",
                        "is_dead_letter",
                        "tries",
                        "run_after",
                        "error",
                        "finished_at",
                        "progress",
                        "sent_at",
                    ]
                )
        except IntegrityError as error:
            if "job_one_at_a_time" not in str(error):
                raise
            raise Refused(
                "The same work is queued or running already.", code="job_queued_anew", status=409
            ) from error
        _audit("job.retried", job, actor, now)
        transaction.on_commit(lambda: send_job(job))
    return job


def _locked(job: Job) -> Job:
    return Job.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=job.pk)


def _audit(action: str, job: Job, actor: User | None, now: datetime) -> None:
    record_audit(project=job.project, actor=actor, action=action, obj=job, now=now, data={"kind": job.kind})
