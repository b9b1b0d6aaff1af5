"""Celery tasks: load, call a service, done."""

from celery import shared_task
from django.utils import timezone

from annotation import audit
from annotation.jobs import run_claimed, sweep_jobs
from annotation.metrics import count_sweep
from annotation.nightly import enqueue_check
from annotation.periodic import periodic_checks
from annotation.services.returning import sweep_leases


@shared_task(name="annotation.tasks.run_job")
def run_job(job_id: str) -> None:
    run_claimed(job_id, timezone.now())


@shared_task(name="annotation.tasks.sweep")
def sweep() -> None:
    """Frees expired leases, sends lost jobs again, and runs the checks of the higher rooms.

    One that fails keeps none of the others from running; the task fails at the end, naming it.
    """
    now = timezone.now()
    freed = sweep_leases(now)
    sent_again = sweep_jobs(now)
    failures = []
    for key, check in periodic_checks:
        try:
            check(now)
        except Exception as error:  # noqa: BLE001  (raised again below)
            error.add_note(f"in the periodic check {key!r}")
            failures.append(error)
    count_sweep(freed=freed, sent_again=sent_again, has_failed=bool(failures))
    if failures:
        raise ExceptionGroup("periodic checks failed", failures)


@shared_task(name="annotation.tasks.seal_audit")
def seal_audit() -> None:
    """Until nothing is left: a busy instance writes more rows between two ticks than are sealed at once."""
    while audit.seal_audit() == audit.SEAL_ROWS:
        pass


@shared_task(name="annotation.tasks.check_invariants")
def check_invariants() -> None:
    enqueue_check(timezone.now())
