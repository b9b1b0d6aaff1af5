"""The nightly look at everything that must always hold; a violation is a failed job and a line in the log."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db.models import Q
from django.utils import timezone

from annotation.audit import verify_chain
from annotation.invariants import Violation, violations
from annotation.jobs import JobFailed, Progress, enqueue_job
from annotation.models import Job

JOB_KIND = "check_invariants"
SWEEP_PATIENCE = timedelta(minutes=1)
"""A lease that expired longer ago should have been swept (I7)."""
CHAIN_MEANING = "the audit chain follows from its first row to its last"
SHOWN = 20

log = structlog.get_logger(__name__)


def enqueue_check(now: datetime) -> Job:
    """Queue the check of every invariant; one that has not ended yet is answered instead."""
    return enqueue_job(kind=JOB_KIND, key="nightly", project=None, actor=None, now=now)


def check_invariants(job: Job, progress: Progress) -> dict[str, Any]:
    """The job: succeeds when all invariants hold. Raises JobFailed naming those that are broken."""
    swept_before = (timezone.now() - SWEEP_PATIENCE).isoformat()
    found = violations(swept_before=swept_before, on_query=lambda: progress(0.25))
    broken_at = verify_chain(on_rows=lambda: progress(0.75))
    if broken_at is not None:
        found.append(Violation("I11", CHAIN_MEANING, f"the chain breaks at position {broken_at}"))
    if found:
        report(found)
    return {"violations": 0, "details": []}


def report(found: list[Violation]) -> None:
    """Say it in the log, and end the job with it."""
    rows = Counter(violation.code for violation in found)
    errors = [{"code": violation.code, "detail": violation.detail} for violation in found]
    log.error("invariant_broken", broken=dict(rows), details=errors[:SHOWN])
    meanings = {violation.code: violation.meaning for violation in found}
    broken = "; ".join(f"{code}, {meaning} ({rows[code]})" for code, meaning in meanings.items())
    raise JobFailed(f"What must always hold does not: {broken}.", errors)


def last_verdict() -> tuple[int, datetime] | None:
    """(violations, when it ended) of the last check that came to a verdict, or None before the first.

    A check that crashed found nothing out: it fails without errors, and the verdict before it stays.
    """
    reached = Q(state=Job.State.SUCCEEDED) | Q(state=Job.State.FAILED, error__errors__0__isnull=False)
    last = (
        Job.objects.filter(reached, kind=JOB_KIND, finished_at__isnull=False)
        .order_by("-created_at")
        .only("state", "error", "finished_at")
        .first()
    )
    if last is None or last.finished_at is None:
        return None
    errors = (last.error or {}).get("errors", [])
    return (len(errors) if last.state == Job.State.FAILED else 0), last.finished_at
