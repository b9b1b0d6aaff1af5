"""Celery tasks: load, call a service, done."""

from celery import shared_task
from django.utils import timezone

from annotation import audit
from annotation.jobs import run_claimed, sweep_jobs
from annotation.periodic import periodic_checks
from annotation.services.leases import sweep_leases


@shared_task(name="annotation.tasks.run_job")
def run_job(job_id: str) -> None:
    run_claimed(job_id, timezone.now())


@shared_task(name="annotation.tasks.sweep")
def sweep() -> None:
    """Frees expired leases, sends lost jobs again, and runs the checks of the higher rooms."""
    now = timezone.now()
    sweep_leases(now)
    sweep_jobs(now)
    for _, check in periodic_checks:
        check(now)


@shared_task(name="annotation.tasks.seal_audit")
def seal_audit() -> None:
    audit.seal_audit()
