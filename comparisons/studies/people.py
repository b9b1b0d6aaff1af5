"""Each person by what only they did: gold answers, repeats, pace, straight lines, drift."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import F, QuerySet

from annotation.models import Judgment, Project
from comparisons.models import PairwiseAnswer
from comparisons.quality import Share, is_too_fast, longest_run, watch_accuracy, wilson_share
from comparisons.studies.data import OVERALL, Choices, by_person
from comparisons.studies.figures import Figure
from comparisons.studies.given import ByJudgment
from comparisons.studies.shown import Shown, characters_of_items


def gold_answers(project: Project) -> dict[int, list[bool]]:
    """Annotator → whether each of their gold answers was right within its tolerance, oldest first.

    An answer is right when it is on every criterion that has an expected answer.
    """
    judged = Judgment.objects.current().filter(batch__project=project, assignment__purpose="gold")
    rows = (
        PairwiseAnswer.objects.filter(
            judgment__in=judged,
            turn__isnull=True,
            judgment__item__gold_answers__criterion=F("criterion"),
        )
        .order_by("judgment__created_at", "judgment_id")
        .values_list(
            "judgment__annotator_id",
            "judgment_id",
            "preference",
            "judgment__item__gold_answers__preference",
            "judgment__item__gold_answers__tolerance",
        )
    )
    right: dict[tuple[int, int], bool] = {}
    for annotator, judgment, preference, expected, tolerance in rows.iterator():
        key = (annotator, judgment)
        right[key] = right.get(key, True) and abs(preference - expected) <= tolerance
    found: dict[int, list[bool]] = defaultdict(list)
    for (annotator, _), is_right in right.items():
        found[annotator].append(is_right)
    return dict(found)


Values = Mapping[int, int | None]
"""What an answer is about (a completion or a criterion) → what was answered."""
Answer = tuple[int, int, int]
"""(annotator, slot, criterion)"""


def repeats_alike(
    project: Project,
    answers: QuerySet[Any],
    value: str,
    *,
    about: str,
    is_alike: Callable[[Values, Values], bool],
) -> dict[int, list[bool]]:
    """Annotator → whether both answers to an item that was shown twice are alike, oldest first.

    `answers` holds the typed answers to one criterion; `value` and `about` name their columns.
    """
    repeats = Judgment.objects.current().filter(batch__project=project, assignment__purpose="repeat")
    again = _gathered(answers.filter(judgment__in=repeats), "judgment__assignment__repeats_id", about, value)
    # Two short queries: one that joins both times has ten tables, and its plan is a matter of luck.
    firsts = answers.filter(
        judgment__assignment__in={slot for _, slot, _ in again},
        judgment__state="accepted",
        judgment__superseded_by__isnull=True,
    )
    before = _gathered(firsts, "judgment__assignment_id", about, value)
    found: dict[int, list[bool]] = defaultdict(list)
    for key, values in again.items():
        if key in before:
            found[key[0]].append(is_alike(before[key], values))
    return dict(found)


def _gathered(
    answers: QuerySet[Any], slot: str, about: str, value: str
) -> dict[Answer, dict[int, int | None]]:
    rows = answers.order_by("judgment__created_at", "judgment_id")
    columns = ("judgment__annotator_id", slot, "criterion_id", about, value)
    found: dict[Answer, dict[int, int | None]] = {}
    for annotator, slot_id, criterion, key, given in rows.values_list(*columns):
        found.setdefault((annotator, slot_id, criterion), {})[key] = given
    return found


def repeated_choices(project: Project) -> dict[int, list[bool]]:
    """Whether the overall preference was on the same side both times."""
    overall = PairwiseAnswer.objects.filter(criterion__key=OVERALL, turn__isnull=True)
    return repeats_alike(project, overall, "preference", about="criterion_id", is_alike=_on_one_side)


def _on_one_side(before: Values, after: Values) -> bool:
    return [np.sign(value or 0) for value in before.values()] == [
        np.sign(value or 0) for value in after.values()
    ]


def shares(name: str, answers: dict[int, list[bool]], people: Iterable[int], counted: str) -> list[Figure]:
    """A share for each of `people`, also for those who have none of these answers yet."""
    return [
        _share_figure(name, wilson_share(sum(own), len(own), what=counted), person, counted)
        for person in people
        for own in [answers.get(person, [])]
    ]


def drifts(answers: dict[int, list[bool]], people: Iterable[int]) -> list[Figure]:
    """The highest point of each person's CUSUM over gold answers, as a share of the threshold: 1 is an alarm."""
    figures = []
    for person in people:
        own = answers.get(person, [])
        drift = watch_accuracy(own)
        figures.append(
            Figure(
                family="person", name="drift", annotator_id=person, n=len(own), counted="gold answers",
                value=float(drift.path.max() / drift.threshold) if own else None,
                reason="" if own else "Needs 1 gold answer, has 0.",
                method=f"CUSUM from {drift.well:.0%} to {drift.poor:.0%}, as a share of its threshold",
            )
        )  # fmt: skip
    return figures


def paces(
    annotators: npt.NDArray[np.int64], seconds: npt.NDArray[np.float64], characters: npt.NDArray[np.int64]
) -> list[Figure]:
    """The share of each person's judgments that came before anybody could have read the responses; shape (J,) each."""
    figures = []
    for person, rows in by_person(annotators):
        timed = rows[~np.isnan(seconds[rows])]
        fast = is_too_fast(seconds[timed], characters[timed])
        share = wilson_share(int(fast.sum()), len(fast), what="timed answers")
        figures.append(_share_figure("too_fast", share, person, "timed answers"))
    return figures


def straight_lines(
    annotators: npt.NDArray[np.int64], answers: npt.NDArray[np.int64], what: str
) -> list[Figure]:
    """How many times in a row each person answered the same at most, as it stood on the screen, with its chance; shape
    (J,) each, in order of judgment. `what` names what is the same."""
    people = by_person(annotators)
    figures = []
    for person, rows in people:
        run = longest_run(answers[rows].tolist())
        adjusted = None if run.chance is None else min(run.chance * len(people), 1.0)
        figures.append(
            Figure(
                family="person", name="longest_run", annotator_id=person, n=run.n, counted="answers",
                value=None if run.reason else float(run.length), reason=run.reason or "",
                p_adjusted=adjusted,
                method=f"longest run of {what}; chance under a free order, times the people looked at",
            )
        )  # fmt: skip
    return figures


def habits_of_choices(choices: Choices, shown: Shown) -> list[Figure]:
    characters = shown.characters[shown.rows(choices.items)].sum(axis=1)
    return [
        *paces(choices.annotators, choices.seconds, characters),
        *straight_lines(choices.annotators, choices.sides, "one side"),
    ]


def habits(
    project: Project, by_judgment: ByJudgment, repeats: dict[int, list[bool]], what: str
) -> list[Figure]:
    """Of rankings and ratings: repeats, pace and straight lines. `what`: as in `straight_lines`."""
    items, characters = characters_of_items(project)
    shown = characters[np.searchsorted(items, by_judgment.items)]
    everybody = sorted({*np.unique(by_judgment.annotators).tolist(), *repeats})
    return [
        *shares("repeat_agreement", repeats, everybody, "repeats"),
        *paces(by_judgment.annotators, by_judgment.seconds, shown),
        *straight_lines(by_judgment.annotators, by_judgment.answers, what),
    ]


def _share_figure(name: str, share: Share, person: int, counted: str) -> Figure:
    return Figure(
        family="person", name=name, annotator_id=person, value=share.value, low=share.low, high=share.high,
        reason=share.reason or "", n=share.n, counted=counted, method="Wilson's score interval",
        confidence=share.confidence,
    )  # fmt: skip
