"""Each person by what only they did: gold answers, repeats, pace, straight lines, drift."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from django.db.models import F

from annotation.models import Judgment, Project
from comparisons.models import PairwiseAnswer
from comparisons.quality import Share, is_too_fast, longest_run, watch_accuracy, wilson_share
from comparisons.studies.data import OVERALL, Choices, by_person
from comparisons.studies.figures import Figure
from comparisons.studies.shown import Shown

SURPRISING = 0.001
"""A longest run whose chance is below this is told of, after it is counted for every person looked at."""


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


def repeated_answers(project: Project) -> dict[int, list[bool]]:
    """Annotator → whether the overall preference was on the same side both times an item was shown, oldest first."""
    overall = PairwiseAnswer.objects.filter(criterion__key=OVERALL, turn__isnull=True)
    repeats = Judgment.objects.current().filter(batch__project=project, assignment__purpose="repeat")
    again = list(
        overall.filter(judgment__in=repeats)
        .order_by("judgment__created_at", "judgment_id")
        .values_list(
            "judgment__annotator_id", "judgment__assignment__repeats_id", "criterion_id", "preference"
        )
    )
    # Two short queries: one that joins both times has ten tables, and its plan is a matter of luck.
    firsts = overall.filter(
        judgment__assignment__in={slot for _, slot, *_ in again},
        judgment__state="accepted",
        judgment__superseded_by__isnull=True,
    )
    before = {
        (slot, criterion): preference
        for slot, criterion, preference in firsts.values_list(
            "judgment__assignment_id", "criterion_id", "preference"
        )
    }
    found: dict[int, list[bool]] = defaultdict(list)
    for annotator, slot, criterion, preference in again:
        if slot is not None and (slot, criterion) in before:
            found[annotator].append(np.sign(preference) == np.sign(before[slot, criterion]))
    return dict(found)


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


def paces(choices: Choices, shown: Shown) -> list[Figure]:
    """The share of each person's answers that came before anybody could have read the responses."""
    characters = shown.characters[shown.rows(choices.items)].sum(axis=1)
    figures = []
    for person, rows in by_person(choices.annotators):
        timed = rows[~np.isnan(choices.seconds[rows])]
        fast = is_too_fast(choices.seconds[timed], characters[timed])
        share = wilson_share(int(fast.sum()), len(fast), what="timed answers")
        figures.append(_share_figure("too_fast", share, person, "timed answers"))
    return figures


def straight_lines(choices: Choices) -> list[Figure]:
    """How many times in a row each person chose the same side of the screen at most, with its chance."""
    people = by_person(choices.annotators)
    sides = choices.sides
    figures = []
    for person, rows in people:
        run = longest_run(sides[rows].tolist())
        adjusted = None if run.chance is None else min(run.chance * len(people), 1.0)
        figures.append(
            Figure(
                family="person", name="longest_run", annotator_id=person, n=run.n, counted="answers",
                value=None if run.reason else float(run.length), reason=run.reason or "",
                p_adjusted=adjusted,
                method="longest run of one side; chance under a free order, times the people looked at",
            )
        )  # fmt: skip
    return figures


def _share_figure(name: str, share: Share, person: int, counted: str) -> Figure:
    return Figure(
        family="person", name=name, annotator_id=person, value=share.value, low=share.low, high=share.high,
        reason=share.reason or "", n=share.n, counted=counted, method="Wilson's score interval",
        confidence=share.confidence,
    )  # fmt: skip
