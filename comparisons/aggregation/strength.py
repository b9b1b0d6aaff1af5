"""Mean strength of preference of each item, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from comparisons.aggregation.table import FloatArray, IntArray


@dataclass(frozen=True)
class StrengthResult:
    """Mean signed strength of I items.

    All arrays have shape (I,) and are masked where a value does not exist. ``mean`` lies in −n…n (negative:
    the first completion is better) and exists from one judgment on; ``standard_error`` is s/√m with the
    sample deviation s of m judgments, and exists from two on. ``judgments`` is m.
    """

    mean: np.ma.MaskedArray[tuple[int], np.dtype[np.float64]]
    standard_error: np.ma.MaskedArray[tuple[int], np.dtype[np.float64]]
    judgments: IntArray
    points: int
    reason: str | None


def mean_strength(
    items: npt.ArrayLike, strengths: npt.ArrayLike, *, points: int, item_count: int | None = None
) -> StrengthResult:
    """Mean strength of each item from tidy judgments, two arrays of shape (R,).

    ``items`` are indices from 0; ``strengths`` are signed whole numbers in −points…points. ``reason`` is a
    sentence if there are no judgments.

    Raises ValueError if the lengths differ, an index is below 0 or not below ``item_count``, ``points`` is
    below 1, or a strength lies outside the scale.
    """
    index, signed = np.asarray(items), np.asarray(strengths)
    if index.shape != signed.shape or index.ndim != 1:
        raise ValueError("items and strengths need one entry for each judgment")
    if points < 1:
        raise ValueError("a scale has at least one point on each side")
    if len(index) and (index.dtype.kind not in "iu" or signed.dtype.kind not in "iu"):
        raise ValueError("items and strengths must be whole numbers")
    if len(index) and int(index.min()) < 0:
        raise ValueError("items holds an index below 0")
    if len(index) and int(np.abs(signed).max()) > points:
        raise ValueError(f"a strength lies outside −{points}…{points}")
    least = int(index.max()) + 1 if len(index) else 0
    size = least if item_count is None else item_count
    if size < least:
        raise ValueError(f"item index {least - 1} is not below item_count {size}")

    index = index.astype(np.int64)
    judged = np.bincount(index, minlength=size).astype(np.int64)
    total: FloatArray = np.bincount(index, weights=signed.astype(np.float64), minlength=size).astype(
        np.float64
    )
    mean = _divide(total, judged)
    squares: FloatArray = np.bincount(index, weights=(signed - mean[index]) ** 2, minlength=size).astype(
        np.float64
    )
    error = np.sqrt(_divide(_divide(squares, judged - 1), judged))
    return StrengthResult(
        mean=np.ma.MaskedArray(mean, mask=judged < 1),
        standard_error=np.ma.MaskedArray(error, mask=judged < 2),
        judgments=judged, points=points, reason=None if len(index) else "There are no judgments.",
    )  # fmt: skip


def _divide(numerator: FloatArray, denominator: IntArray) -> FloatArray:
    """0 where there is nothing to divide by; the caller masks those."""
    result = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
