"""Writes: every figure of a project, computed by a job each night or when somebody asks, and kept as rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone

from annotation.audit import record_audit
from annotation.jobs import JobFailed, Progress
from annotation.models import Job, Judgment, Project, User
from annotation.services.copying import copy_rows
from comparisons.models import Aggregate, Statistic
from comparisons.selectors import work_judgments
from comparisons.services.studies import start_study
from comparisons.studies.data import OVERALL, Choices, choices_of, latest_judgment

if TYPE_CHECKING:
    from comparisons.studies.contested import Verdict
    from comparisons.studies.figures import Figure

JOB_KIND = "compute_statistics"
NIGHTLY_HOUR = 2
"""UTC."""

Step = Callable[[], "list[Figure]"]


def start_statistics(*, project: Project, actor: User | None, now: datetime, seed: int = 0) -> Job:
    return start_study(JOB_KIND, project=project, actor=actor, now=now, seed=seed)


def compute_statistics(
    *, project: Project, job: Job, now: datetime, seed: int, progress: Progress | None = None
) -> list[Statistic]:
    """All figures of the project's current judgments. A second run of the job returns those of the first.

    Each step is reported, so a job that is cancelled stops after the step that runs.
    """
    earlier = list(Statistic.objects.filter(job=job).order_by("id"))
    if earlier:
        return earlier
    # Read before the judgments: one that commits in between is newer than the mark, so the next check finds it.
    last = latest_judgment(project)
    verdicts: list[Verdict] = []
    steps = steps_of(project, seed, verdicts)
    found: list[Statistic] = []
    for index, step in enumerate(steps):
        found += [row(figure, project, job, now, last) for figure in step()]
        if progress is not None:
            progress((index + 1) / (len(steps) + 1))
    with transaction.atomic():
        stored = Statistic.objects.bulk_create(found, batch_size=1_000)
        store_aggregates(verdicts, project, job, now)
        record_audit(
            project=project,
            actor=job.created_by,
            action="statistics.computed",
            obj=job,
            now=now,
            data={"figures": len(stored), "items": len(verdicts), "seed": seed, "last_judgment": last},
        )
    return stored


def steps_of(project: Project, seed: int, verdicts: list[Verdict]) -> list[Step]:
    """What is computed, in order. The answers are read once and shared; `verdicts` gets those of the items."""
    # scipy takes a second to load: only the worker that computes pays for it, no web process.
    from comparisons.agreement import Bootstrap
    from comparisons.studies import agreeing, board, leanings, people

    bootstrap = Bootstrap(seed)
    work = work_judgments(project)
    overall = choices_of(work)
    everybody = sorted(set(overall.annotators.tolist()) | checked_people(project))
    golds = people.gold_answers(project)
    repeats = people.repeated_answers(project)
    steps: list[Step] = [
        lambda: agreeing.whole_agreement(overall, OVERALL, bootstrap),
        lambda: agreeing.sliced_agreement(overall, OVERALL, bootstrap),
        lambda: agreeing.people_beside_others(overall, OVERALL, bootstrap),
        lambda: contested_items(overall, verdicts),
        lambda: people.shares("gold_accuracy", golds, everybody, "gold answers"),
        lambda: people.shares("repeat_agreement", repeats, everybody, "repeats"),
        lambda: people.drifts(golds, everybody),
        lambda: people.paces(overall),
        lambda: people.straight_lines(overall),
        lambda: leanings.leanings(overall, seed=seed),
        lambda: leanings.places_by_person(overall),
        lambda: board.strengths(overall),
    ]
    others = [key for key in pairwise_criteria(project) if key != OVERALL]
    return steps + [agreement_step(choices_of(work, key), key, bootstrap) for key in others]


def agreement_step(choices: Choices, criterion: str, bootstrap: Any) -> Step:
    from comparisons.studies import agreeing

    return lambda: agreeing.whole_agreement(choices, criterion, bootstrap)


def contested_items(choices: Choices, verdicts: list[Verdict]) -> list[Figure]:
    from comparisons.studies import contested

    verdicts += contested.verdicts_of(choices)
    return [contested.contested_share(verdicts, OVERALL)]


def checked_people(project: Project) -> set[int]:
    """Who has answered a gold item or a repeat, if nothing else."""
    checks = Judgment.objects.current().filter(
        batch__project=project, assignment__purpose__in=["gold", "repeat"]
    )
    return set(checks.values_list("annotator_id", flat=True).distinct())


def pairwise_criteria(project: Project) -> list[str]:
    """Keys over all versions of the protocol, in order of their first position."""
    keys = project.protocols.filter(kind="pairwise").order_by("number", "criteria__position")
    return list(dict.fromkeys(key for key in keys.values_list("criteria__key", flat=True) if key))


def row(figure: Figure, project: Project, job: Job, now: datetime, last: int | None) -> Statistic:
    return Statistic(project=project, job=job, computed_at=now, last_judgment_id=last, **vars(figure))


def store_aggregates(verdicts: list[Verdict], project: Project, job: Job, now: datetime) -> None:
    """Of a large project these are hundreds of thousands of rows, so they take the place of the earlier ones."""
    Aggregate.objects.filter(project=project).delete()
    if verdicts:
        fields = ("project", "job", "computed_at", *verdicts[0]._fields)
        copy_rows(Aggregate, fields, ((project.pk, job.pk, now, *one) for one in verdicts))


def run_statistics_job(job: Job, progress: Progress) -> dict[str, Any]:
    """The handler of job kind `compute_statistics`."""
    if job.project is None:
        raise JobFailed("Figures are computed for a project; this job names none.")
    stored = compute_statistics(
        project=job.project, job=job, now=timezone.now(), seed=int(job.arguments["seed"]), progress=progress
    )
    return {"figures": len(stored)}


def enqueue_nightly_statistics(now: datetime) -> None:
    """Once for each night, queue the computation for projects with judgments from before it that no figure has seen.

    Where nothing ran at that hour it is made up for later; the judgments of a day wait for the next night.
    """
    begin = now.replace(hour=NIGHTLY_HOUR, minute=0, second=0, microsecond=0)
    if now < begin:
        begin -= timedelta(days=1)
    seen = (
        Statistic.objects.filter(project=OuterRef("pk")).values("project").annotate(last=Max("last_judgment"))
    )
    today = Job.objects.filter(kind=JOB_KIND, project=OuterRef("pk"), created_at__gte=begin)
    before = Judgment.objects.filter(batch__project=OuterRef("pk"), created_at__lt=begin)
    unseen = Q(seen__isnull=True) & Exists(before) | Exists(before.filter(pk__gt=OuterRef("seen")))
    projects = Project.objects.annotate(seen=seen.values("last")[:1])
    for project in projects.filter(unseen).exclude(Exists(today)):
        start_statistics(project=project, actor=None, now=now)
