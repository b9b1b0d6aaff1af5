"""Figures of ratings: how far people give the same points, and the mean of each model."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from django.db.models import QuerySet

from annotation.models import Judgment, Project
from comparisons.agreement import (
    Bootstrap,
    IccResult,
    IndexedRatings,
    intraclass_correlation,
    krippendorff_alpha,
)
from comparisons.agreement.icc import Form
from comparisons.agreement.resampling import percentile_interval, resample_sums, sums_by_item
from comparisons.models import RatingAnswer
from comparisons.studies import people
from comparisons.studies.agreeing import METHOD, alphas_of_parts, figure, people_in
from comparisons.studies.columns import NOTHING
from comparisons.studies.data import OVERALL
from comparisons.studies.figures import Figure, Step
from comparisons.studies.given import Given, points_given
from comparisons.studies.parts import Groups, groups_in, parts_of
from comparisons.studies.shown import model_names

MEAN_METHOD = "mean of all ratings; percentile bootstrap over items"
REPEAT_TOLERANCE = 1
"""Points that a repeat may differ by and be alike."""
DESIGN: dict[Form, str] = {
    "1,1": "one rating, each unit with people of its own",
    "2,1": "one rating, the same people on every unit",
}


def rated_agreement(given: Given, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """α of the points as numbers, and the ICC of one rating."""
    ratings = given.ratings()
    alpha = krippendorff_alpha(
        ratings.table(), level="interval", seed=bootstrap.seed, n_resamples=bootstrap.n_resamples
    )
    icc = fitting_icc(ratings, bootstrap)
    return [
        figure("alpha_interval", alpha, criterion),
        figure(f"icc_{icc.form.replace(',', '_')}", icc, criterion, method=f"{DESIGN[icc.form]}; {METHOD}"),
    ]


def fitting_icc(ratings: IndexedRatings, bootstrap: Bootstrap) -> IccResult:
    """ICC(2,1) where the same people rated every shared unit, ICC(1,1) where only their number is the same.

    Where the numbers differ no ICC fits, and the result says so.
    """
    people = len(np.unique(ratings.people[ratings.is_shared]))
    is_crossed = bool((ratings.unit_sizes[ratings.units[ratings.is_shared]] == people).all())
    return intraclass_correlation(ratings, "2,1" if is_crossed else "1,1", bootstrap)


def rated_parts(given: Given, groups: Groups, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    return alphas_of_parts(parts_of(given, groups), given.tabler(), "interval", criterion, bootstrap)


def rated_people(given: Given, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """Agreement falls with the square of the distance, as in α of numbers."""
    return people_in(given.ratings(), criterion, bootstrap, weights="quadratic", level="interval")


def rated_habits(project: Project, given: Given) -> list[Figure]:
    """Repeats, pace and straight lines of each person. A repeat is alike where no completion moved by more than one
    point."""
    answers = RatingAnswer.objects.filter(criterion__key=OVERALL)
    repeats = people.repeats_alike(project, answers, "value", about="completion_id", is_alike=_are_near)
    return people.habits(project, given.by_judgment(), repeats, "the same points from place to place")


def _are_near(before: people.Values, after: people.Values) -> bool:
    """None is "not applicable", which is near to itself only."""
    pairs = [(before.get(key), value) for key, value in after.items()]
    return before.keys() == after.keys() and all(
        a == b if a is None or b is None else abs(a - b) <= REPEAT_TOLERANCE for a, b in pairs
    )


def rated_models(given: Given, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """The mean rating of each model, highest first; one figure with a reason where no model is named."""
    found = list(_means(given, criterion, bootstrap))
    if not found:
        reason = "Needs ratings of completions of a named model."
        return [_mean_figure(criterion, 0, bootstrap, reason=reason)]
    return sorted(found, key=lambda mean: (mean.value is None, -(mean.value or 0), mean.slice_value))


def _means(given: Given, criterion: str, bootstrap: Bootstrap) -> Iterator[Figure]:
    for model in np.unique(given.models[given.models != NOTHING]).tolist():
        own = given.models == model
        values = given.values[own].astype(np.float64)
        parts = sums_by_item(np.column_stack([values, np.ones(len(values))]), given.items[own])
        words = {"slice_by": "model", "slice_value": given.names[model]}
        reason = bootstrap.lacking(len(parts), "rated items")
        if reason is None and np.ptp(values) == 0:
            reason = f"All {len(values)} ratings are {values[0]:.0f}, so nothing says how sure their mean is."
        if reason is not None:
            yield _mean_figure(criterion, len(parts), bootstrap, reason=reason, **words)
            continue
        value, estimates = resample_sums(parts, bootstrap, lambda sums: sums[:, 0] / sums[:, 1])
        interval = percentile_interval(value, estimates, bootstrap)
        yield _mean_figure(
            criterion,
            len(parts),
            bootstrap,
            value=interval.value,
            low=interval.low,
            high=interval.high,
            **words,
        )


def _mean_figure(
    criterion: str,
    n: int,
    bootstrap: Bootstrap,
    *,
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
    reason: str = "",
    slice_by: str = "",
    slice_value: str = "",
) -> Figure:
    return Figure(
        family="model", name="mean_rating", criterion=criterion, value=value, low=low, high=high, reason=reason,
        n=n, counted="rated items", method=MEAN_METHOD, confidence=bootstrap.confidence, slice_by=slice_by,
        slice_value=slice_value,
    )  # fmt: skip


def rated_steps(
    project: Project, work: QuerySet[Judgment], criteria: list[str], bootstrap: Bootstrap
) -> list[Step]:
    """What is computed of ratings, in order; the answers to each criterion are read once."""
    names, groups = model_names(project), groups_in(project)
    steps: list[Step] = []
    for key in criteria:
        given = points_given(work, key, names)
        steps.append(partial(rated_agreement, given, key, bootstrap))
        if key == OVERALL:
            steps.append(partial(rated_parts, given, groups, key, bootstrap))
            steps.append(partial(rated_people, given, key, bootstrap))
            steps.append(partial(rated_habits, project, given))
        steps.append(partial(rated_models, given, key, bootstrap))
    return steps
