"""What Krippendorff's α would be without each single annotator.

Only the units that a person rated change when the person goes. The coincidence matrix of the whole is made once;
of each person's units the old part is taken out of it and the part of the remaining ratings put in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from comparisons.agreement.krippendorff import require_numbers, value_distances
from comparisons.agreement.resampling import MIN_ITEMS, FloatArray, IntArray
from comparisons.agreement.results import Level
from comparisons.agreement.table import IndexedRatings, rows_by_group

# Units whose counts are floating-point numbers at a time.
ROWS = 65_536


@dataclass(frozen=True)
class Influence:
    """One annotator's weight in α.

    ``alpha`` is that of everybody, ``alpha_without`` that of the others, ``difference`` the second less the first:
    above 0 the others agree better without this person. ``items`` and ``judgments`` are the person's own on shared
    units, ``items_without`` the shared items that would remain. These are diagnostics without an interval; where
    one of the numbers does not exist, all three are None and ``reason`` is a sentence.
    """

    annotator: Any
    level: Level
    alpha: float | None
    alpha_without: float | None
    difference: float | None
    items: int
    judgments: int
    items_without: int
    reason: str | None


def leave_one_out(ratings: IndexedRatings, *, level: Level, min_items: int = MIN_ITEMS) -> list[Influence]:
    """The influence of each annotator, in the order of the labels.

    Raises ValueError for text with a level other than nominal.
    """
    require_numbers(ratings.domain, level)
    counts = ratings.table().counts
    sizes = ratings.unit_sizes
    whole, totals = np.zeros((len(ratings.domain),) * 2), np.zeros(len(ratings.domain))
    for start in range(0, len(counts), ROWS):
        some = slice(start, start + ROWS)
        part, part_totals = _coincidences(counts[some], sizes[some])
        whole += part
        totals += part_totals
    alpha = _alpha(whole, totals, ratings.domain, level)
    by_person = rows_by_group(ratings.people, len(ratings.person_labels))
    shared_units_of_item = np.bincount(ratings.items, weights=sizes >= 2)
    shared_items = int((shared_units_of_item > 0).sum())
    results = []
    for label, rows in zip(ratings.person_labels.tolist(), by_person, strict=True):
        rows = rows[sizes[ratings.units[rows]] >= 2]
        units = ratings.units[rows]
        of_units, unit_sizes = counts[units], sizes[units]
        before, totals_before = _coincidences(of_units, unit_sizes)
        of_units[np.arange(len(rows)), ratings.values[rows]] -= 1
        after, totals_after = _coincidences(of_units, unit_sizes - 1)
        without = _alpha(whole - before + after, totals - totals_before + totals_after, ratings.domain, level)
        lost, times = np.unique(ratings.items[units[unit_sizes == 2]], return_counts=True)
        remaining = shared_items - int((shared_units_of_item[lost] == times).sum())
        reason = _reason(alpha, without, len(rows), shared_items, remaining, min_items)
        has = reason is None and alpha is not None and without is not None
        results.append(
            Influence(
                annotator=label, level=level, alpha=alpha if has else None,
                alpha_without=without if has else None,
                difference=without - alpha if has and alpha is not None and without is not None else None,
                items=len(np.unique(ratings.items[units])), judgments=len(rows), items_without=remaining,
                reason=reason,
            )
        )  # fmt: skip
    return results


def _reason(
    alpha: float | None, without: float | None, own: int, shared: int, remaining: int, min_items: int
) -> str | None:
    needed = max(min_items, 1)
    if shared < needed:
        return f"Needs {needed} shared items, has {shared}."
    if own == 0:
        return "Shares no item with anybody, so α does not depend on this person."
    if remaining < needed:
        return f"Without this person {remaining} shared items remain, and {needed} are needed."
    if alpha is None:
        return "All answers are the same, so agreement beyond chance is undefined."
    if without is None:
        return "Without this person all answers are the same, so agreement beyond chance is undefined."
    return None


def _coincidences(counts: IntArray, sizes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Σ n_c n_k / (m − 1), shape (V, V), and n_c, shape (V,), of the units that two people or more rated.

    The diagonal is not the coincidence matrix's; its distance is 0, so it does not matter.
    """
    shared = counts[sizes >= 2].astype(np.float64)
    return shared.T @ (shared / (sizes[sizes >= 2, np.newaxis] - 1)), shared.sum(axis=0)


def _alpha(
    coincidences: FloatArray, totals: FloatArray, domain: npt.NDArray[Any], level: Level
) -> float | None:
    """α of a coincidence matrix, or None where all answers are the same."""
    used = totals > 0.5
    if used.sum() < 2:
        return None
    if level == "ordinal":
        ranks = np.cumsum(totals) - totals / 2
        distances = np.subtract.outer(ranks, ranks) ** 2
    else:
        distances = value_distances(domain, level)
    n = totals.sum()
    expected = totals @ distances @ totals / (n - 1)
    return float(1 - (coincidences * distances).sum() / expected)
