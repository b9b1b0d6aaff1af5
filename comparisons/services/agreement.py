"""Writes: agreement is computed by a job and kept as reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone

from annotation.audit import record_audit
from annotation.jobs import JobFailed, Progress
from annotation.models import Job, Judgment, Project, User
from comparisons.models import AgreementReport
from comparisons.selectors import CriterionRatings, criterion_ratings, work_judgments
from comparisons.services.studies import start_study

if TYPE_CHECKING:
    from comparisons.agreement import AgreementResult, Level

JOB_KIND = "compute_agreement"
LEVELS: tuple[Level, ...] = ("nominal", "ordinal")
SETTLE_SECONDS = 30
"""A project is not computed anew more often than this."""


def start_agreement(*, project: Project, actor: User | None, now: datetime, seed: int = 0) -> Job:
    return start_study(JOB_KIND, project=project, actor=actor, now=now, seed=seed)


def compute_agreement(
    *, project: Project, job: Job, now: datetime, seed: int, progress: Progress | None = None
) -> list[AgreementReport]:
    """Krippendorff's α, nominal and ordinal, for each criterion of the project's current work judgments.

    Returns the reports of this job; a second run of the job returns those of the first.
    """
    # scipy takes a second to load: only the worker that computes pays for it, no web process.
    from comparisons.agreement import krippendorff_alpha, tabulate_ratings

    earlier = list(AgreementReport.objects.filter(job=job).order_by("id"))
    if earlier:
        return earlier
    # Read before the ratings: a judgment that commits in between is newer than the mark, so the next check
    # finds it.
    last = Judgment.objects.filter(batch__project=project).aggregate(last=Max("id"))["last"]
    rated = criterion_ratings(work_judgments(project)) or _nothing_rated(project)
    reports = []
    for index, ratings in enumerate(rated):
        table = tabulate_ratings(ratings.units, ratings.annotators, ratings.values, items=ratings.items)
        for level in LEVELS:
            result = krippendorff_alpha(table, level=level, seed=seed)
            reports.append(_report(project, job, now, ratings, result, last))
        if progress is not None:
            progress((index + 1) / (len(rated) + 1))
    with transaction.atomic():
        stored = AgreementReport.objects.bulk_create(reports)
        record_audit(
            project=project,
            actor=job.created_by,
            action="agreement.computed",
            obj=job,
            now=now,
            data={"reports": len(stored), "seed": seed, "last_judgment": last},
        )
    return stored


def _nothing_rated(project: Project) -> list[CriterionRatings]:
    """Before the first judgment each criterion of the newest protocol has a report that says so."""
    protocol = project.protocols.latest("number")
    return [
        CriterionRatings(c.key, protocol.kind, c.low, c.high, [], [], [], [])
        for c in protocol.criteria.order_by("position")
    ]


def _report(
    project: Project,
    job: Job,
    now: datetime,
    ratings: CriterionRatings,
    result: AgreementResult,
    last_judgment: int | None,
) -> AgreementReport:
    return AgreementReport(
        project=project,
        job=job,
        computed_at=now,
        criterion=ratings.criterion,
        kind=ratings.kind,
        scale_low=ratings.low,
        scale_high=ratings.high,
        coefficient=result.coefficient,
        level=result.level,
        value=result.value,
        low=result.low,
        high=result.high,
        raw_agreement=result.raw_agreement,
        items=result.items,
        judgments=result.judgments,
        annotators=result.annotators or 0,
        reason=result.reason or "",
        confidence=result.confidence,
        n_resamples=result.n_resamples,
        seed=result.seed,
        last_judgment_id=last_judgment,
    )


def run_agreement_job(job: Job, progress: Progress) -> dict[str, Any]:
    """The handler of job kind `compute_agreement`."""
    if job.project is None:
        raise JobFailed("Agreement is computed for a project; this job names none.")
    reports = compute_agreement(
        project=job.project, job=job, now=timezone.now(), seed=int(job.arguments["seed"]), progress=progress
    )
    return {"reports": len(reports)}


def enqueue_stale_agreement(now: datetime) -> None:
    """Queue a computation for every project with judgments newer than its reports.

    It is OK to be a little late here: a voided slot counts again only with the next judgment (its
    replacement), and a judgment that commits after one with a higher id waits for the one after it.
    """
    newest = AgreementReport.objects.filter(project=OuterRef("pk")).order_by("-computed_at", "-id")
    judged = Judgment.objects.filter(batch__project=OuterRef("pk"))
    projects = Project.objects.annotate(
        agreement_at=newest.values("computed_at")[:1], seen=newest.values("last_judgment")[:1]
    )
    unseen = Q(seen__isnull=True) & Exists(judged) | Exists(judged.filter(pk__gt=OuterRef("seen")))
    settled = Q(agreement_at__isnull=True) | Q(agreement_at__lt=now - timedelta(seconds=SETTLE_SECONDS))
    waiting = Job.objects.filter(kind=JOB_KIND, project=OuterRef("pk"), state__in=["queued", "running"])
    for project in projects.filter(unseen & settled).exclude(Exists(waiting)):
        start_agreement(project=project, actor=None, now=now)
