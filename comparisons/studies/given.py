"""Reads: a project's current rankings and ratings as arrays, one row for each completion that was ranked or rated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import Count, F, Func, QuerySet

from annotation.models import Judgment
from comparisons.agreement import IndexedRatings, index_ratings
from comparisons.models import RankingAnswer, RatingAnswer
from comparisons.studies.columns import NOTHING, position_in, read_columns
from comparisons.studies.parts import Tabler, tabler

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Given:
    """R values given to completions on one criterion and one scale, in order of judgment; shape (R,) each.

    `values` are ranks from 1, best first, or points. `models` points into `names`, sorted; NOTHING where none is named.
    `places` are those on the screen, from 1. `seconds` is NaN where no time was sent. `is_placed` is False only where a
    protocol asks for the best few and this completion is not among them. `scale` has shape (V,): every value that could
    have been given. `can_tie`: two completions may have one rank.
    """

    judgments: IntArray
    items: IntArray
    annotators: IntArray
    completions: IntArray
    values: IntArray
    models: IntArray
    batches: IntArray
    languages: npt.NDArray[Any]
    guidelines: IntArray
    places: IntArray
    seconds: npt.NDArray[np.float64]
    is_placed: npt.NDArray[np.bool_]
    scale: IntArray
    names: tuple[str, ...]
    can_tie: bool

    def __len__(self) -> int:
        return len(self.judgments)

    def ratings(self) -> IndexedRatings:
        """The unit is one completion; an item is drawn with all of them."""
        return index_ratings(
            self.completions, self.annotators, self.values, items=self.items, domain=self.scale
        )

    def tabler(self) -> Tabler:
        return tabler(self.completions, self.items, self.values, self.scale)

    def by_judgment(self) -> ByJudgment:
        order = np.lexsort((self.places, self.judgments))
        starts = np.flatnonzero(np.diff(self.judgments[order], prepend=NOTHING) != 0)
        numbers: dict[tuple[int, ...], int] = {}
        parts = np.split(self.values[order], starts[1:]) if len(starts) else []
        answers = [numbers.setdefault(tuple(part.tolist()), len(numbers)) for part in parts]
        first = order[starts]
        return ByJudgment(
            items=self.items[first],
            annotators=self.annotators[first],
            seconds=self.seconds[first],
            answers=np.array(answers, dtype=np.int64),
        )


@dataclass(frozen=True)
class ByJudgment:
    """J judgments, each as it lay before its annotator, in order of judgment; shape (J,) each.

    `answers`: a number for what was given from the first place of the screen to the last; what is alike has one number.
    """

    items: IntArray
    annotators: IntArray
    seconds: npt.NDArray[np.float64]
    answers: IntArray


def ranks_given(judgments: QuerySet[Judgment], criterion: str, names: tuple[str, ...]) -> Given:
    """Where a protocol asks for the best `top`, those below share the last rank, as they are stored."""
    answers = RankingAnswer.objects.filter(judgment__in=judgments, criterion__key=criterion)
    read = _read(answers, "rank", names)
    top = read.pop("top")
    # The rule of the kind itself: whoever stands below the places that were asked for has none.
    is_placed = (top == NOTHING) | (read["values"] <= top)
    scale = np.arange(1, read["values"].max(initial=2) + 1)
    can_tie = bool((top != NOTHING).any()) or answers.filter(criterion__ties_allowed=True).exists()
    return Given(is_placed=is_placed, scale=scale, names=names, can_tie=can_tie, **read)


def points_given(judgments: QuerySet[Judgment], criterion: str, names: tuple[str, ...]) -> Given:
    """Without "not applicable". Where the scale changed with the protocol, those on the scale that most have."""
    answers = RatingAnswer.objects.filter(
        judgment__in=judgments, criterion__key=criterion, is_applicable=True
    )
    bounds = answers.values_list("criterion__low", "criterion__high").annotate(n=Count("pk"))
    scales = Counter({(low, high): n for low, high, n in bounds if low is not None and high is not None})
    low, high = scales.most_common(1)[0][0] if scales else (0, 1)
    read = _read(answers.filter(criterion__low=low, criterion__high=high), "value", names)
    del read["top"]
    is_placed = np.ones(len(read["values"]), dtype=bool)
    scale = np.arange(low, high + 1)
    return Given(is_placed=is_placed, scale=scale, names=names, can_tie=True, **read)


def _read(
    answers: QuerySet[RankingAnswer] | QuerySet[RatingAnswer],
    value: str,
    names: tuple[str, ...],
) -> dict[str, npt.NDArray[Any]]:
    return read_columns(
        answers.order_by("judgment_id", "completion_id"),
        {
            "judgments": "judgment_id",
            "items": "judgment__item_id",
            "annotators": "judgment__annotator_id",
            "completions": "completion_id",
            "values": value,
            "models": position_in(names, "completion__model"),
            "batches": "judgment__batch__number",
            "guidelines": "judgment__guideline__number",
            "top": "criterion__protocol__top",
            "places": Func(
                F("judgment__display_order"), F("completion__position"), function="array_position"
            ),
        },
        {"seconds": "judgment__active_seconds"},
        short={"languages": "judgment__item__language"},
    )
