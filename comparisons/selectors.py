"""Reads: judgments of every kind in one vocabulary, and the agreement computed from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations, groupby, islice
from operator import itemgetter
from typing import NamedTuple

from django.db.models import Func, Q, QuerySet

from annotation.ids import among
from annotation.models import Completion, Judgment, Project
from annotation.models.judgment import IMPORTED
from comparisons.kinds.criteria import CHOICE
from comparisons.models import (
    AgreementReport,
    CritiqueAnswer,
    DemonstrationAnswer,
    PairwiseAnswer,
    RankingAnswer,
    RatingAnswer,
    Statistic,
    StratumFigure,
)
from comparisons.models.answers import RatingChoice

ROWS_AT_ONCE = 10_000
COMPARING = frozenset({"pairwise", "ranking", "rating"})
"""Kinds of judgment that compare completions,"""
WRITING = frozenset({"demonstration", "critique"})
"""and those in which people write one."""


class PairwiseOutcome(NamedTuple):
    """What one judgment says of two completions of an item on one criterion, whatever its kind.

    `first` and `second` are completion ids in the order of import. `preference` < 0: the first is better, > 0:
    the second is, 0: about the same. Its size is in steps of the judgment's own scale: points of a pairwise
    protocol, places of a ranking, points of a rating. `criterion` is "choice" for the one completion that was
    chosen after rating several: ±1, chosen against each other one.
    """

    judgment: int
    item: int
    annotator: int
    criterion: str
    first: int
    second: int
    preference: int


@dataclass(frozen=True, slots=True)
class WrittenText:
    """What one judgment says in words of its own: a demonstration, or a revision of `completion`.

    `is_preferred`: a revision that changed something. Its author prefers it over the completion, whatever the
    others say; nobody was asked to compare the two.
    """

    judgment: int
    item: int
    completion: int | None
    is_preferred: bool


@dataclass(frozen=True)
class CriterionRatings:
    """All ratings on one criterion and one scale: parallel lists with one entry for each rating.

    `kind` pairwise: the unit is the item, the value the signed preference. `ranking` and `rating`: the unit is
    one completion, the value its rank or its points. `items` holds the item of each rating. Where a criterion does
    not apply there is no rating.
    """

    criterion: str
    kind: str
    low: int | None
    high: int | None
    units: list[int]
    annotators: list[int]
    items: list[int]
    values: list[int]


def work_judgments(project: Project) -> QuerySet[Judgment]:
    """Judgments that say something about agreement and aggregation: current ones of work slots, and imported ones.

    Gold and training measure the person, repeats their consistency; late, superseded and voided ones are out.
    """
    work = Q(assignment__purpose="work") | IMPORTED
    return Judgment.objects.current().filter(work, batch__project=project)


def of_judgments(judgments: QuerySet[Judgment] | Collection[int]) -> Q | Func:
    """A condition for `filter` of answers: they are those of `judgments`, a query or some thousand ids.

    A query for few of many judgments is better asked for its ids first: PostgreSQL does not see how few they are, and
    reads every answer there is.
    """
    return Q(judgment__in=judgments) if isinstance(judgments, QuerySet) else among("judgment", judgments)


def pairwise_outcomes(
    judgments: QuerySet[Judgment] | Collection[int],
    *,
    criterion: str | None = None,
    kinds: Collection[str] = COMPARING,
) -> Iterator[PairwiseOutcome]:
    """Every pair of completions that `judgments` of `kinds` compare, in order of judgment and criterion for each kind.

    A ranking or rating of N completions gives N(N−1)/2 outcomes, less those with a completion to which the criterion
    does not apply; a choice among N gives N−1, and nothing about the others. One query for each kind of answer, and
    one for the completions of every ROWS_AT_ONCE comparisons.
    A critique gives none: its revision is no completion and no second person saw it, so there is nothing to agree or
    aggregate on (docs/how-to/add-a-judgment-kind.md). `written_texts` has it.
    """
    if "pairwise" in kinds:
        yield from _from_pairwise(judgments, criterion)
    if "ranking" in kinds:
        yield from _from_places(judgments, criterion, RankingAnswer.objects.all(), "rank", best_is_low=True)
    if "rating" in kinds:
        applicable = RatingAnswer.objects.filter(is_applicable=True)
        yield from _from_places(judgments, criterion, applicable, "value", best_is_low=False)
        if criterion in (None, CHOICE):
            yield from _from_choices(judgments)


def _from_pairwise(
    judgments: QuerySet[Judgment] | Collection[int], criterion: str | None
) -> Iterator[PairwiseOutcome]:
    rows = PairwiseAnswer.objects.filter(of_judgments(judgments), turn__isnull=True)
    if criterion is not None:
        rows = rows.filter(criterion__key=criterion)
    found = rows.order_by("judgment_id", "criterion__position").values_list(
        "judgment_id", "judgment__item_id", "judgment__annotator_id", "criterion__key", "preference"
    )
    reader = found.iterator(chunk_size=ROWS_AT_ONCE)
    while chunk := list(islice(reader, ROWS_AT_ONCE)):
        # Their completions apart: joined, they would double the rows and be looked up again for each judgment.
        shown: dict[int, list[int]] = defaultdict(list)
        completions = Completion.objects.filter(among("item", {item for _, item, *_ in chunk}))
        for item, completion in completions.order_by("position").values_list("item_id", "pk"):
            shown[item].append(completion)
        for judgment, item, annotator, name, preference in chunk:
            first, second = shown[item]
            yield PairwiseOutcome(judgment, item, annotator, name, first, second, preference)


def _from_places(
    judgments: QuerySet[Judgment] | Collection[int],
    criterion: str | None,
    answers: QuerySet[RankingAnswer] | QuerySet[RatingAnswer],
    column: str,
    *,
    best_is_low: bool,
) -> Iterator[PairwiseOutcome]:
    rows = answers.filter(of_judgments(judgments))
    if criterion is not None:
        rows = rows.filter(criterion__key=criterion)
    found = rows.order_by("judgment_id", "criterion__position", "completion__position")
    values = found.values_list(
        "judgment_id",
        "judgment__item_id",
        "judgment__annotator_id",
        "criterion__key",
        "completion_id",
        column,
    )
    sign = 1 if best_is_low else -1
    for key, placed in groupby(values.iterator(chunk_size=10_000), key=itemgetter(0, 1, 2, 3)):
        judgment, item, annotator, name = key
        for (*_, first, a), (*_, second, b) in combinations(placed, 2):
            yield PairwiseOutcome(judgment, item, annotator, name, first, second, sign * (a - b))


def _from_choices(judgments: QuerySet[Judgment] | Collection[int]) -> Iterator[PairwiseOutcome]:
    rows = RatingChoice.objects.filter(of_judgments(judgments))
    found = rows.order_by("judgment_id", "judgment__item__completions__position")
    values = found.values_list(
        "judgment_id",
        "judgment__item_id",
        "judgment__annotator_id",
        "completion_id",
        "judgment__item__completions",
    )
    for key, shown in groupby(values.iterator(chunk_size=10_000), key=itemgetter(0, 1, 2, 3)):
        judgment, item, annotator, chosen = key
        for first, second in combinations([row[4] for row in shown], 2):
            if chosen in (first, second):
                preference = -1 if chosen == first else 1
                yield PairwiseOutcome(judgment, item, annotator, CHOICE, first, second, preference)


def written_texts(judgments: QuerySet[Judgment] | Collection[int]) -> Iterator[WrittenText]:
    """Every demonstration and revision of `judgments` that was not erased, in order of judgment for each kind."""
    demonstrations = DemonstrationAnswer.objects.filter(of_judgments(judgments), erased_at__isnull=True)
    for pk, item in demonstrations.order_by("judgment_id").values_list("judgment_id", "judgment__item_id"):
        yield WrittenText(pk, item, None, is_preferred=False)
    critiques = CritiqueAnswer.objects.filter(of_judgments(judgments), erased_at__isnull=True)
    rows = critiques.order_by("judgment_id").values_list(
        "judgment_id", "judgment__item_id", "completion_id", "is_changed"
    )
    for pk, item, completion, is_changed in rows:
        yield WrittenText(pk, item, completion, is_preferred=is_changed)


def texts_of(judgments: Collection[int]) -> dict[int, str]:
    """Judgment → its demonstration or revision; without those that were erased."""
    found: dict[int, str] = {}
    for model, column in ((DemonstrationAnswer, "text"), (CritiqueAnswer, "revision")):
        rows = model._default_manager.filter(judgment__in=judgments, erased_at__isnull=True)
        found.update(rows.values_list("judgment_id", column))
    return found


def criterion_ratings(judgments: QuerySet[Judgment]) -> list[CriterionRatings]:
    """The ratings of `judgments`, apart for each criterion and scale, in order of the criteria.

    A criterion that never applied is there without ratings, so that whoever computes from it says that it has none.
    """
    sources = (
        (PairwiseAnswer.objects.filter(turn__isnull=True), "judgment__item_id", "preference"),
        (RankingAnswer.objects.all(), "completion_id", "rank"),
        (RatingAnswer.objects.all(), "completion_id", "value"),
    )
    found: dict[tuple[str, str, int | None, int | None], CriterionRatings] = {}
    for answers, unit, value in sources:
        rows = answers.filter(judgment__in=judgments).order_by("criterion__position", "judgment_id", "id")
        columns = ("criterion__key", "criterion__protocol__kind", "criterion__low", "criterion__high")
        ratings = rows.values_list(*columns, unit, "judgment__annotator_id", "judgment__item_id", value)
        for *scale, unit_id, annotator, item, rated in ratings.iterator(chunk_size=10_000):
            key = (scale[0], scale[1], scale[2], scale[3])
            if key not in found:
                found[key] = CriterionRatings(*key, [], [], [], [])
            entry = found[key]
            if rated is None:
                continue
            entry.units.append(unit_id)
            entry.annotators.append(annotator)
            entry.items.append(item)
            entry.values.append(rated)
    return list(found.values())


def latest_agreement(project: Project) -> list[AgreementReport]:
    """The reports of the project's newest computation, in order of the criteria; empty before the first."""
    newest = project.agreement_reports.order_by("-computed_at", "-id").first()
    if newest is None:
        return []
    return list(project.agreement_reports.filter(job_id=newest.job_id).order_by("id"))


def latest_statistics(project: Project) -> list[Statistic]:
    """The figures of the project's newest computation, in the order they were found in; empty before the first."""
    newest = project.statistics.order_by("-computed_at", "-id").first()
    if newest is None:
        return []
    return list(
        project.statistics.filter(job_id=newest.job_id).select_related("annotator__user").order_by("id")
    )


def latest_strata(project: Project) -> list[StratumFigure]:
    """What strata prefer by the newest computation of the project's figures, in the order it was found in."""
    newest = project.statistics.order_by("-computed_at", "-id").first()
    if newest is None:
        return []
    return list(StratumFigure.objects.filter(job_id=newest.job_id).select_related("question").order_by("id"))
