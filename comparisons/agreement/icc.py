"""Intraclass correlations of complete tables: how much of the spread of the ratings lies between the units.

The six forms of P. E. Shrout and J. L. Fleiss, *Intraclass correlations: uses in assessing rater reliability*
(Psychological Bulletin 86, 1979). The first number is the model: 1 each unit has raters of its own, 2 the raters are
a sample, 3 these raters only. The second is what is used: one rating, or the mean of k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from comparisons.agreement.krippendorff import require_numbers
from comparisons.agreement.resampling import (
    Bootstrap,
    FloatArray,
    IntArray,
    Interval,
    percentile_interval,
    resample_sums,
    sums_by_item,
)
from comparisons.agreement.results import Estimate
from comparisons.agreement.table import IndexedRatings

Form = Literal["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]
# Below this share of the largest possible square a spread is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class IccResult(Estimate):
    """An ICC, at most 1 and possibly below 0; ``raters`` is k, or None if it differs between units."""

    form: Form
    raters: int | None


def intraclass_correlation(ratings: IndexedRatings, form: Form, bootstrap: Bootstrap) -> IccResult:
    """One of the six ICCs, with a bootstrap interval over items.

    Models 2 and 3 need the same people on every unit, model 1 only the same number of ratings; otherwise
    ``reason`` says what is missing. Units with a single rating are not used where others have more. Raises
    ValueError for text.
    """
    require_numbers(ratings.domain, "ICC")
    rows = np.flatnonzero(ratings.is_shared)
    units, people = ratings.units[rows], np.unique(ratings.people[rows])
    items = ratings.items[np.unique(units)]
    sizes = np.unique(ratings.unit_sizes[units])
    k = int(sizes[0]) if len(sizes) else 0
    n_items = len(np.unique(items))

    reason = bootstrap.lacking(n_items)
    if reason is None:
        reason = _incomplete(form, sizes, len(people), len(items), len(rows))
    if reason is None and len(np.unique(ratings.values[rows])) < 2:
        reason = f"All {len(rows)} answers are the same, so there is no spread to explain."
    if reason is None:
        # Ratings are sorted by unit and person, so each row of the table is one unit, each column a person.
        table = ratings.domain.astype(np.float64)[ratings.values[rows]].reshape(-1, k)
        table = table - table.mean()
        parts = np.column_stack([np.ones(len(table)), (table**2).sum(axis=1), table.sum(axis=1) ** 2, table])
        value, estimates = resample_sums(sums_by_item(parts, items), bootstrap, _coefficient(form))
        interval = percentile_interval(value, estimates, bootstrap)
    else:
        interval = Interval.missing(reason)
    return IccResult(
        coefficient="icc", form=form, raters=k if len(sizes) == 1 else None,
        items=n_items, judgments=len(rows), annotators=len(people), **asdict(interval), **asdict(bootstrap),
    )  # fmt: skip


def _incomplete(form: Form, sizes: IntArray, people: int, units: int, judgments: int) -> str | None:
    if len(sizes) > 1:
        return f"Needs the same number of ratings on every unit; here they are {sizes[0]} to {sizes[-1]}."
    if form[0] != "1" and people != sizes[0]:
        return (
            f"Needs all annotators on every unit: {people} annotators and {units} units make "
            f"{people * units} ratings, and there are {judgments}."
        )
    return None


def _coefficient(form: Form) -> Callable[[FloatArray], FloatArray]:
    """From sums (units, Σx², Σ of squared unit sums, the k sums by person), shape (B, 3 + k), to the ICC."""

    def icc(sums: FloatArray) -> FloatArray:
        n, squares, unit_squares, by_person = sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3:]
        k = by_person.shape[1]
        mean_square = by_person.sum(axis=1) ** 2 / (n * k)
        within = squares - unit_squares / k
        between = (unit_squares / k - mean_square) / np.maximum(n - 1, 1)
        persons = (by_person**2).sum(axis=1) / n - mean_square
        raters = persons / (k - 1)
        error = (within - persons) / (np.maximum(n - 1, 1) * (k - 1))
        within = within / (n * (k - 1))
        tops = {"1": between - within, "2": between - error, "3": between - error}
        if form[2] == "k":
            bottoms = {"1": between, "2": between + (raters - error) / n, "3": between}
        else:
            bottoms = {
                "1": between + (k - 1) * within,
                "2": between + (k - 1) * error + k * (raters - error) / n,
                "3": between + (k - 1) * error,
            }
        bottom = bottoms[form[0]]
        result = np.full(len(sums), np.nan)
        is_defined = (n >= 2) & (np.abs(bottom) > ROUNDING * np.maximum(squares / n, ROUNDING))
        np.divide(tops[form[0]], bottom, out=result, where=is_defined)
        return result

    return icc
