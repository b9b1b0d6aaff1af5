"""Weights of partial agreement, and p_a and the shares of the categories that Fleiss' κ and Gwet's AC build on.

K. L. Gwet, *Handbook of Inter-Rater Reliability*, 4th ed. 2014: weights in ch. 3.5 and appendix B, p_a and π in ch. 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from comparisons.agreement.krippendorff import require_numbers
from comparisons.agreement.patterns import CountPatterns
from comparisons.agreement.resampling import (
    Bootstrap,
    FloatArray,
    Interval,
    percentile_interval,
    resample_weights,
)
from comparisons.agreement.results import WeightedResult, Weights
from comparisons.agreement.table import RatingTable

Correction = Callable[[FloatArray, FloatArray], FloatArray]
"""From p_a, shape (B,), and the shares π of the categories, shape (B, V), to the coefficient, shape (B,)."""


def agreement_weights(domain: npt.NDArray[Any], weights: Weights) -> FloatArray:
    """w_kl in [0, 1], shape (V, V): how far an answer k agrees with an answer l; 1 on the diagonal.

    Linear and quadratic weights fall with the distance of the values, 1 − |x_k − x_l| / (x_max − x_min) and its
    square; ordinal ones with the number of values between them, 1 − C(|k − l| + 1, 2) / C(V, 2). Raises
    ValueError for text with any weights but identity.
    """
    require_numbers(domain, weights, nominal="identity")
    if weights == "identity" or len(domain) < 2:
        return np.eye(len(domain))
    if weights == "ordinal":
        steps = np.abs(np.subtract.outer(np.arange(len(domain)), np.arange(len(domain))))
        chances = (steps + 1) * steps / 2
        return np.asarray(1 - chances / chances.max())
    values = domain.astype(np.float64)
    distances = np.abs(np.subtract.outer(values, values)) / (values[-1] - values[0])
    return np.asarray(1 - (distances if weights == "linear" else distances**2))


def corrected_agreement(
    table: RatingTable,
    weights: Weights,
    bootstrap: Bootstrap,
    *,
    coefficient: str,
    correction: Callable[[FloatArray], Correction],
) -> WeightedResult:
    """A coefficient made of p_a and π, with its interval over items.

    p_a is the mean over units with two ratings or more, π the mean of the units' shares over all units with one
    rating or more. ``correction`` takes the weights, shape (V, V), and gives the formula.
    """
    weighting = agreement_weights(table.domain, weights)
    shared = table.counts[table.shared]
    items = len(np.unique(table.items[table.shared]))
    sums = _unit_sums(table, weighting)
    raw, shares = _ratios(sums(None)) if len(shared) else (np.array([np.nan]), np.zeros((1, 0)))
    reason = bootstrap.lacking(items)
    if reason is None and int((table.counts.sum(axis=0) > 0).sum()) < 2:
        reason = (
            f"All {int(table.counts.sum())} answers are the same, so agreement beyond chance is undefined."
        )
    if reason is None:
        formula = correction(weighting)
        value = float(formula(raw, shares)[0])
        estimates = formula(*_ratios(sums(bootstrap)))
        interval = percentile_interval(value, estimates, bootstrap)
    else:
        interval = Interval.missing(reason)
    return WeightedResult(
        coefficient=coefficient, weights=weights, raw_agreement=float(raw[0]) if len(shared) else None,
        items=items, judgments=int(shared.sum()), annotators=table.annotators,
        **asdict(interval), **asdict(bootstrap),
    )  # fmt: skip


def without_correction(weighting: FloatArray) -> Correction:
    """p_a itself."""
    return lambda raw, shares: raw


def _ratios(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """p_a, shape (B,), and π, shape (B, V), from sums over units; p_a is NaN where no shared unit was drawn."""
    shared, agreed, rated = sums[:, 0], sums[:, 1], sums[:, 2]
    raw = np.full(len(sums), np.nan)
    np.divide(agreed, shared, out=raw, where=shared > 0)
    return raw, sums[:, 3:] / rated[:, np.newaxis]


def _unit_sums(table: RatingTable, weighting: FloatArray) -> Callable[[Bootstrap | None], FloatArray]:
    """The sums that `_ratios` takes: of the data as they are (None), or of each resample, shape (B, 3 + V)."""
    rated = table.counts.sum(axis=1) >= 1
    patterns = CountPatterns.of_counts(table.counts[rated], table.items[rated])
    merged, item_patterns = patterns.by_item_pattern()
    counts = merged.counts
    sizes = merged.sizes
    # Σ_k n_k (n*_k − 1) with n*_k = Σ_l w_kl n_l, over m (m − 1).
    agreeing = np.asarray((counts * (counts @ weighting)).sum(axis=1)).ravel() - sizes
    others = np.maximum(sizes * (sizes - 1), 1)
    dense = counts.toarray() if hasattr(counts, "toarray") else counts
    parts = np.column_stack([
        sizes >= 2, agreeing / others, np.ones(len(sizes)), dense / sizes[:, np.newaxis],
    ])  # fmt: skip

    def sums(bootstrap: Bootstrap | None) -> FloatArray:
        if bootstrap is None:
            return np.asarray(merged.unit_weights(item_patterns.sizes[np.newaxis].astype(float)) @ parts)
        drawn = resample_weights(item_patterns, bootstrap.n_resamples, bootstrap.seed)
        return np.concatenate([merged.unit_weights(weights) @ parts for weights in drawn])

    return sums
