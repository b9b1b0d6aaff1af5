"""What strata of annotators prefer: the one place that reads several people's answers about themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from annotation.models import Project, StratumAnswer, StratumQuestion
from comparisons.bias import holm
from comparisons.strata.cells import MIN_CELL, counted, shown_cells
from comparisons.strata.shares import METHOD, group_share
from comparisons.studies.board import between_models
from comparisons.studies.data import Choices
from comparisons.studies.figures import CONFIDENCE
from comparisons.studies.parts import SLICES_MAX
from comparisons.studies.shown import Shown

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
TOO_FEW = (
    f"Needs two groups of {MIN_CELL} people who answered the question and have judged, and a small group is hidden "
    "together with another."
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of `StratumFigure`, before it is stored; shares in whole percentage points."""

    question_id: int
    stratum: str = ""
    measure: str = ""
    subject: str = ""
    other: str = ""
    people: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    same: float | None = None
    rest: float | None = None
    everybody: float | None = None
    p_adjusted: float | None = None
    method: str = METHOD
    confidence: float = CONFIDENCE
    reason: str = ""


@dataclass(frozen=True)
class Shares:
    """Of `people`, shape (P,), sorted: the share of each one's judgments, and of "about the same" among them."""

    measure: str
    subject: str
    other: str
    people: IntArray
    preferred: FloatArray
    same: FloatArray


def stratum_cells(project: Project, choices: Choices, shown: Shown) -> list[Cell]:
    """Every cell that may be shown; of a question without one, the reason. p-values are adjusted over all questions and
    strata, apart for each measure: pairs say in detail what models say together."""
    questions = list(project.strata.order_by("pk"))
    if not questions:
        return []
    said = {question.pk: strata_of(question) for question in questions}
    cells: list[Cell] = []
    for shares in shares_of(choices, shown):
        for question in questions:
            cells += _cells(question, said[question.pk], shares)
    told = {cell.question_id for cell in cells}
    silent = [Cell(question_id=q.pk, reason=TOO_FEW) for q in questions if q.pk not in told]
    return _adjusted(cells) + silent


def strata_of(question: StratumQuestion) -> list[IntArray]:
    """For each option, the people who chose it, who said so first in front."""
    answers = StratumAnswer.objects.filter(question=question).order_by("given_at", "pk")
    rows = np.array(list(answers.values_list("annotator_id", "option")), dtype=np.int64).reshape(-1, 2)
    return [rows[rows[:, 1] == option, 0] for option in range(len(question.options))]


def shares_of(choices: Choices, shown: Shown) -> Iterator[Shares]:
    """Each person's shares: of each model against all others, of the longer response, of the first of two models."""
    some, _, sides, names = between_models(choices, shown)
    for model in _largest(sides.ravel()):
        has_it = (sides == model).any(axis=1)
        yield _by_person("model", (names[model], ""), some.take(has_it), sides[has_it, 1] == model)
    length = shown.characters[shown.rows(choices.items)]
    differs = length[:, 0] != length[:, 1]
    yield _by_person("longer", ("", ""), choices.take(differs), (length[:, 1] > length[:, 0])[differs])
    low, high = sides.min(axis=1), sides.max(axis=1)
    pairs = low * max(len(names), 1) + high
    for pair in _largest(pairs):
        first, second = divmod(pair, len(names))
        is_it = pairs == pair
        yield _by_person("pair", (names[first], names[second]), some.take(is_it), sides[is_it, 1] == first)


def _largest(labels: IntArray) -> list[int]:
    """The SLICES_MAX most frequent, in order."""
    values, counts = np.unique(labels, return_counts=True)
    return sorted(values[np.argsort(-counts, kind="stable")][:SLICES_MAX].tolist())


def _by_person(
    measure: str, models: tuple[str, str], choices: Choices, is_second: npt.NDArray[np.bool_]
) -> Shares:
    """`is_second`, shape (R,): what is looked for is the completion imported second."""
    people, index = np.unique(choices.annotators, return_inverse=True)
    outcome = (1 + np.sign(choices.preference) * np.where(is_second, 1, -1)) / 2
    given = np.maximum(np.bincount(index, minlength=len(people)), 1)
    return Shares(
        measure,
        *models,
        people,
        np.bincount(index, outcome, len(people)) / given,
        np.bincount(index, choices.preference == 0, len(people)) / given,
    )


def _cells(question: StratumQuestion, strata: Sequence[IntArray], shares: Shares) -> Iterator[Cell]:
    judging = [people[np.isin(people, shares.people)] for people in strata]
    for option in shown_cells([len(people) for people in judging]):
        people = judging[option][: counted(len(judging[option]))]
        inside = np.isin(shares.people, people)
        found = group_share(
            shares.preferred[inside],
            shares.preferred[~inside],
            confidence=CONFIDENCE,
            min_rest=MIN_CELL,
        )
        yield Cell(
            question_id=question.pk,
            stratum=question.options[option],
            measure=shares.measure,
            subject=shares.subject,
            other=shares.other,
            people=len(people),
            value=_points(found.value),
            low=_points(found.low),
            high=_points(found.high),
            same=_points(float(shares.same[inside].mean())) if shares.measure == "pair" else None,
            rest=None if found.rest is None else _points(found.rest),
            everybody=_points(float(shares.preferred.mean())),
            p_adjusted=found.p,
        )


def _points(share: float) -> float:
    """In whole percentage points: finer ones would tell more of who is in a cell than of what it prefers."""
    return round(share, 2)


def _adjusted(cells: Sequence[Cell]) -> list[Cell]:
    """The same with p-values after Holm, in steps of a thousandth."""
    found: list[Cell] = []
    for _, group in groupby(sorted(cells, key=lambda cell: cell.measure), key=lambda cell: cell.measure):
        own = list(group)
        adjusted = iter(holm([cell.p_adjusted for cell in own if cell.p_adjusted is not None]).tolist())
        found += [
            cell if cell.p_adjusted is None else replace(cell, p_adjusted=round(next(adjusted), 3))
            for cell in own
        ]
    return found
