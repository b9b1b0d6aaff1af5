"""Writes: every figure of a project, computed by a job each night or when somebody asks, and kept as rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotation.audit import record_audit
from annotation.jobs import JobFailed, Progress
from annotation.models import AuditEvent, Job, Judgment, Membership, Project, StratumQuestion, User
from annotation.services.copying import copy_rows
from comparisons.models import Aggregate, Statistic, StratumFigure
from comparisons.selectors import work_judgments
from comparisons.services.studies import start_study
from comparisons.studies.data import OVERALL, choices_of, latest_judgment

if TYPE_CHECKING:
    from comparisons.agreement import Bootstrap
    from comparisons.studies.contested import Verdict
    from comparisons.studies.data import Choices
    from comparisons.studies.figures import Figure, Step
    from comparisons.studies.shown import Shown
    from comparisons.studies.strata import Cell

JOB_KIND = "compute_statistics"
NIGHTLY_HOUR = 2
"""UTC."""
JUDGMENTS_BETWEEN = 100
"""So many judgments that no figure has seen start a run in the day."""
RESTS = 9
"""After a run so many times its length pass before the next in the day: a tenth of one worker at most,"""
REST_LEAST = timedelta(minutes=5)
"""and this at least."""


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
    cells: list[Cell] = []
    steps = steps_of(project, seed, verdicts, cells)
    found: list[Statistic] = []
    for index, step in enumerate(steps):
        found += [row(figure, project, job, now, last) for figure in step()]
        if progress is not None:
            progress((index + 1) / (len(steps) + 1))
    with transaction.atomic():
        stored = Statistic.objects.bulk_create(found, batch_size=1_000)
        store_aggregates(verdicts, project, job, now)
        store_strata(cells, project, job, now)
        record_audit(
            project=project,
            actor=job.created_by,
            action="statistics.computed",
            obj=job,
            now=now,
            data={"figures": len(stored), "items": len(verdicts), "seed": seed, "last_judgment": last},
        )
    return stored


def steps_of(project: Project, seed: int, verdicts: list[Verdict], cells: list[Cell]) -> list[Step]:
    """What is computed, in order. The answers are read once and shared; `verdicts` gets those of the items and `cells`
    those of the strata."""
    # scipy takes a second to load: only the worker that computes pays for it, no web process.
    from comparisons.agreement import Bootstrap
    from comparisons.studies import agreeing, board, leanings, people, ranked, rated
    from comparisons.studies.parts import groups_in
    from comparisons.studies.shown import shown_in

    bootstrap = Bootstrap(seed)
    work = work_judgments(project)
    kind = kind_of(project, work)
    if kind == "ranking":
        return ranked.ranked_steps(project, work, criteria_of(project, kind), bootstrap)
    if kind == "rating":
        return rated.rated_steps(project, work, criteria_of(project, kind), bootstrap)
    overall = choices_of(work)
    shown = shown_in(project)
    groups = groups_in(project)
    everybody = sorted(set(overall.annotators.tolist()) | checked_people(project))
    golds = people.gold_answers(project)
    repeats = people.repeated_choices(project)
    steps: list[Step] = [
        lambda: agreeing.whole_agreement(overall, OVERALL, bootstrap),
        lambda: agreeing.sliced_agreement(overall, shown, groups, OVERALL, bootstrap),
        lambda: agreeing.people_beside_others(overall, OVERALL, bootstrap),
        lambda: contested_items(overall, verdicts),
        lambda: people.shares("gold_accuracy", golds, everybody, "gold answers"),
        lambda: people.shares("repeat_agreement", repeats, everybody, "repeats"),
        lambda: people.drifts(golds, everybody),
        lambda: people.habits_of_choices(overall, shown),
        lambda: leanings.leanings(overall, seed=seed),
        lambda: leanings.places_by_person(overall),
        lambda: board.strengths(overall, shown),
        lambda: board.reliable_strengths(overall, shown),
        lambda: preferences_of_strata(project, overall, shown, cells),
    ]
    others = [key for key in criteria_of(project, "pairwise") if key != OVERALL]
    return steps + [partial(agreement_on, work, key, bootstrap) for key in others]


def agreement_on(work: QuerySet[Judgment], criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    from comparisons.studies import agreeing

    return agreeing.whole_agreement(choices_of(work, criterion), criterion, bootstrap)


def kind_of(project: Project, work: QuerySet[Judgment]) -> str:
    """The kind of most of the judgments, where it changed with the protocol: kinds are never mixed."""
    kinds = project.protocols.order_by("-number").values_list("kind", flat=True)
    if len(set(kinds)) > 1:
        counted = work.order_by().values_list("protocol__kind").annotate(n=Count("pk"))
        most = counted.order_by("-n", "protocol__kind").first()
        return most[0] if most is not None else kinds[0]
    return kinds[0]


def contested_items(choices: Choices, verdicts: list[Verdict]) -> list[Figure]:
    from comparisons.studies import contested

    verdicts += contested.verdicts_of(choices)
    return [contested.contested_share(verdicts, OVERALL)]


def preferences_of_strata(
    project: Project, choices: Choices, shown: Shown, cells: list[Cell]
) -> list[Figure]:
    from comparisons.studies.strata import stratum_cells

    cells += stratum_cells(project, choices, shown)
    return []


def checked_people(project: Project) -> set[int]:
    """Who has answered a gold item or a repeat, if nothing else."""
    checks = Judgment.objects.current().filter(
        batch__project=project, assignment__purpose__in=["gold", "repeat"]
    )
    return set(checks.values_list("annotator_id", flat=True).distinct())


def criteria_of(project: Project, kind: str) -> list[str]:
    """Keys over all versions of the protocol of `kind`, in order of their first position."""
    keys = project.protocols.filter(kind=kind).order_by("number", "criteria__position")
    return list(dict.fromkeys(key for key in keys.values_list("criteria__key", flat=True) if key))


def row(figure: Figure, project: Project, job: Job, now: datetime, last: int | None) -> Statistic:
    return Statistic(project=project, job=job, computed_at=now, last_judgment_id=last, **vars(figure))


def store_aggregates(verdicts: list[Verdict], project: Project, job: Job, now: datetime) -> None:
    """Of a large project these are hundreds of thousands of rows, so they take the place of the earlier ones."""
    Aggregate.objects.filter(project=project).delete()
    if verdicts:
        fields = ("project", "job", "computed_at", *verdicts[0]._fields)
        copy_rows(Aggregate, fields, ((project.pk, job.pk, now, *one) for one in verdicts))


def store_strata(cells: list[Cell], project: Project, job: Job, now: datetime) -> None:
    """Cells of questions that are still asked."""
    # Race: a lead deletes a question meanwhile. Either this holds it and they wait, or it is gone and so are its cells.
    asked = set(project.strata.select_for_update(no_key=True).values_list("pk", flat=True))
    StratumFigure.objects.bulk_create(
        StratumFigure(project=project, job=job, computed_at=now, **vars(cell))
        for cell in cells
        if cell.question_id in asked
    )


def run_statistics_job(job: Job, progress: Progress) -> dict[str, Any]:
    """The handler of job kind `compute_statistics`."""
    if job.project is None:
        raise JobFailed("Figures are computed for a project; this job names none.")
    stored = compute_statistics(
        project=job.project, job=job, now=timezone.now(), seed=int(job.arguments["seed"]), progress=progress
    )
    return {"figures": len(stored)}


def enqueue_nightly_statistics(now: datetime) -> None:
    """Once for each night, queue the computation for projects with judgments from before it that no figure has seen,
    and for those whose people answered a question about themselves, or withdrew an answer, since the last one.

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
    newest = Statistic.objects.filter(project=OuterRef("pk")).values("project")
    said = AuditEvent.objects.filter(
        project=OuterRef("pk"),
        object_type=Membership._meta.model_name,
        action__startswith="stratum.",
        created_at__gt=OuterRef("computed_at"),
        created_at__lt=begin,
    )
    unseen |= Exists(StratumQuestion.objects.filter(project=OuterRef("pk"))) & Exists(said)
    projects = Project.objects.annotate(
        seen=seen.values("last")[:1],
        computed_at=newest.annotate(newest=Max("computed_at")).values("newest")[:1],
    )
    for project in projects.filter(unseen).exclude(Exists(today)):
        start_statistics(project=project, actor=None, now=now)


def enqueue_statistics_of_hundreds(now: datetime) -> None:
    """Queue the computation for projects with JUDGMENTS_BETWEEN judgments or more that no figure has seen.

    Not while a run is on its way, and not before the rest after the last one, also where that one failed
    (docs/decisions/0018-when-figures-are-renewed.md).
    """
    seen = (
        Statistic.objects.filter(project=OuterRef("pk")).values("project").annotate(last=Max("last_judgment"))
    )
    newer = Judgment.objects.filter(batch__project=OuterRef("pk"), pk__gt=OuterRef("seen"))
    last = Job.objects.filter(kind=JOB_KIND, project=OuterRef("pk")).order_by("-created_at")
    projects = Project.objects.annotate(
        seen=Coalesce(seen.values("last")[:1], 0),
        hundredth=Subquery(newer.order_by("pk").values("pk")[JUDGMENTS_BETWEEN - 1 : JUDGMENTS_BETWEEN]),
        began_at=last.values("created_at")[:1],
        ended_at=last.values("finished_at")[:1],
    )
    is_rested = Q(began_at__isnull=True) | Q(
        Q(ended_at__lte=now - RESTS * (F("ended_at") - F("began_at"))),
        Q(ended_at__lte=now - REST_LEAST),
    )
    for project in projects.filter(is_rested, hundredth__isnull=False):
        start_statistics(project=project, actor=None, now=now)
