"""Krippendorff's α with a bootstrap interval over items.

α = 1 − D_o / D_e: observed disagreement over the disagreement expected by chance (K. Krippendorff, *Content
Analysis*, 4th ed. 2019, ch. 12; *Computing Krippendorff's Alpha-Reliability*, 2011). The point estimate comes
from the `krippendorff` package. The interval is the percentile bootstrap of `resampling`.

What a unit adds to D_o is one number wherever the distances are fixed, so a resample needs the sum of those and
how often each value was drawn. Ordinal distances depend on the resample; they are squared differences of
mid-ranks, and a unit's part is a variance of mid-ranks. The same arithmetic on the data as they are equals the
package to 1e-12; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import krippendorff
import numpy as np
import numpy.typing as npt
from scipy import sparse

from comparisons.agreement.patterns import CountPatterns
from comparisons.agreement.resampling import (
    MIN_ITEMS,
    N_RESAMPLES,
    Bootstrap,
    FloatArray,
    Interval,
    percentile_interval,
    resample_weights,
)
from comparisons.agreement.results import AgreementResult, Level
from comparisons.agreement.table import RatingTable

COEFFICIENT = "krippendorff_alpha"
# The package builds arrays of N·V² cells; beyond this (about 50 MB) our own equal arithmetic is used.
PACKAGE_CELLS = 2_000_000
# Rows of a wide table that are dense at a time.
ROWS = 4096

Alphas = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class _Contributions:
    """Shared units by pattern, and ``domain`` with shape (V,): the value of each column."""

    patterns: CountPatterns
    domain: npt.NDArray[Any]


def krippendorff_alpha(
    table: RatingTable,
    *,
    level: Level,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    confidence: float = 0.95,
    min_items: int = MIN_ITEMS,
) -> AgreementResult:
    """Krippendorff's α of a table, with a percentile bootstrap interval over items.

    Where the data cannot carry a number the result says so in ``reason``: fewer than ``min_items`` items
    rated by two people, all ratings the same (α is 0/0 then), or so nearly the same that α is undefined in
    more than 5 % of the resamples. Raises ValueError for text with a level other than nominal.
    """
    bootstrap = Bootstrap(seed, n_resamples, confidence, min_items)
    require_numbers(table.domain, level)
    counts = table.counts[table.shared]
    used = counts.sum(axis=0) > 0
    counts, domain = counts[:, used], table.domain[used]
    items = len(np.unique(table.items[table.shared]))
    judgments = int(counts.sum())

    reason = bootstrap.lacking(items)
    if reason is None and len(domain) < 2:
        reason = f"All {judgments} answers are the same, so agreement beyond chance is undefined."
    if reason is None:
        parts = _contributions(counts, domain, table.items[table.shared])
        interval = _interval(counts, parts, level, bootstrap)
    else:
        interval = Interval.missing(reason)
    return AgreementResult(
        coefficient=COEFFICIENT, level=level, raw_agreement=_raw_agreement(counts), items=items,
        judgments=judgments, annotators=table.annotators, **asdict(interval), **asdict(bootstrap),
    )  # fmt: skip


def require_numbers(domain: npt.NDArray[Any], level: str, nominal: str = "nominal") -> None:
    """Raise ValueError for text where distances between values count."""
    if level != nominal and domain.dtype.kind in "US":
        raise ValueError(f"{level} agreement needs numbers; text is nominal")


def _interval(
    counts: npt.NDArray[np.int64], parts: _Contributions, level: Level, bootstrap: Bootstrap
) -> Interval:
    merged, item_patterns = parts.patterns.by_item_pattern()
    alphas = _alphas_by_weight(_Contributions(merged, parts.domain), level)
    estimates = np.concatenate(
        [alphas(w) for w in resample_weights(item_patterns, bootstrap.n_resamples, bootstrap.seed)]
    )
    if counts.size * len(parts.domain) > PACKAGE_CELLS:
        value = float(alphas(item_patterns.sizes[np.newaxis].astype(np.float64))[0])
    else:
        # The package would take text only for nominal data, and there the labels do not matter.
        labels = np.arange(len(parts.domain)) if level == "nominal" else parts.domain
        value = float(
            krippendorff.alpha(value_counts=counts, value_domain=labels, level_of_measurement=level)
        )
    return percentile_interval(value, estimates, bootstrap)


def _raw_agreement(counts: npt.NDArray[np.int64]) -> float | None:
    if not len(counts):
        return None
    n = counts.sum(axis=1)
    # Σ n_c (n_c − 1) = Σ n_c² − n
    return float(np.mean((np.einsum("uv,uv->u", counts, counts) - n) / (n * (n - 1))))


def _contributions(
    counts: npt.NDArray[np.int64], domain: npt.NDArray[Any], items: npt.NDArray[np.int64]
) -> _Contributions:
    """``counts`` has shape (N, V), every row with at least two ratings; ``items`` has shape (N,)."""
    return _Contributions(CountPatterns.of_counts(counts, items), domain)


def _alphas(parts: _Contributions, weights: FloatArray, level: Level) -> FloatArray:
    """α of each weighting of the items, shape (B,); NaN where all drawn ratings are the same.

    ``weights`` has shape (B, I).
    """
    return _alphas_by_weight(parts, level)(weights)


def _alphas_by_weight(parts: _Contributions, level: Level) -> Alphas:
    """The function from weights, shape (B, I), to α, shape (B,); what does not depend on weights is done once."""
    patterns = parts.patterns
    if level == "ordinal":
        return _ordinal_alphas(patterns)
    if level == "interval":
        return _interval_alphas(patterns, parts.domain.astype(np.float64))
    fixed = value_distances(parts.domain, level)
    observed = _unit_disagreements(patterns, fixed)

    def alphas(weights: FloatArray) -> FloatArray:
        drawn = patterns.unit_weights(weights)
        totals = drawn @ patterns.counts  # (B, V)
        expected = ((totals @ fixed) * totals).sum(axis=1) / (totals.sum(axis=1) - 1)
        return _one_minus(drawn @ observed, expected, (totals > 0).sum(axis=1) >= 2)

    return alphas


def _interval_alphas(patterns: CountPatterns, values: FloatArray) -> Alphas:
    """(x − y)² needs no more of a resample than the number, the sum and the sum of squares of its ratings."""
    sizes = patterns.sizes
    # Centred, so that the difference of the two large sums below loses nothing.
    values = values - np.average(values, weights=np.asarray(patterns.counts.sum(axis=0)).ravel())
    sums, squares = patterns.counts @ values, patterns.counts @ values**2
    observed = 2 * (sizes * squares - sums**2) / (sizes - 1)
    parts = np.stack([observed, sizes, sums, squares], axis=1)
    smallest_gap = float(np.diff(values).min())

    def alphas(weights: FloatArray) -> FloatArray:
        d, n, s, q = (patterns.unit_weights(weights) @ parts).T
        spread = n * q - s**2
        # One rating apart from all others gives (n − 1)·gap²; half of it tells it from rounding.
        return _one_minus(d, 2 * spread / (n - 1), spread > (n - 1) * smallest_gap**2 / 2)

    return alphas


def _ordinal_alphas(patterns: CountPatterns) -> Alphas:
    """δ²_ck = (Σ_{g=c..k} n_g − (n_c + n_k)/2)² is the squared distance of the mid-ranks of the resample."""
    sizes = patterns.sizes
    per_other = 1 / (sizes - 1)
    counts = patterns.counts
    width = counts.shape[1]
    if sparse.issparse(counts):
        both = sparse.hstack([counts, counts.multiply(per_other[:, np.newaxis])]).tocsr()
    else:
        both = np.hstack([counts, counts * per_other[:, np.newaxis]])

    def alphas(weights: FloatArray) -> FloatArray:
        drawn = patterns.unit_weights(weights)
        sums = drawn @ both
        totals, shares = sums[:, :width], sums[:, width:]
        n = totals.sum(axis=1)
        ranks = np.cumsum(totals, axis=1) - totals / 2
        ranks -= (totals * ranks).sum(axis=1, keepdims=True) / n[:, np.newaxis]
        # A unit's part, (m Σ r² − (Σ r)²) / (m − 1), in three sums: m / (m − 1) = 1 + 1 / (m − 1).
        of_units = counts @ ranks.T  # (P, B)
        of_units *= of_units
        crossed = np.einsum("bp,pb,p->b", drawn, of_units, per_other)
        squares = (totals * ranks**2).sum(axis=1)
        observed = 2 * (squares + (shares * ranks**2).sum(axis=1) - crossed)
        # Σ_ck n_c n_k (r_c − r_k)² = 2 n Σ_c n_c r_c², as the ranks are centred.
        return _one_minus(observed, 2 * n * squares / (n - 1), (totals > 0).sum(axis=1) >= 2)

    return alphas


def _one_minus(observed: FloatArray, expected: FloatArray, is_defined: npt.NDArray[np.bool_]) -> FloatArray:
    result = np.full(len(observed), np.nan)
    np.divide(observed, expected, out=result, where=is_defined)
    return np.asarray(1 - result)


def _unit_disagreements(patterns: CountPatterns, distances: FloatArray) -> FloatArray:
    """Σ_ck n_c n_k δ²_ck / (m − 1) of each unit pattern, shape (P,)."""
    result = np.empty(patterns.counts.shape[0])
    for start in range(0, len(result), ROWS):
        rows = patterns.counts[start : start + ROWS]
        dense = rows.toarray() if sparse.issparse(rows) else rows
        result[start : start + ROWS] = np.einsum("pv,pv->p", dense @ distances, dense)
    return result / (patterns.sizes - 1)


def value_distances(domain: npt.NDArray[Any], level: Level) -> FloatArray:
    """δ² between the values, shape (V, V), for the levels where it does not depend on the data."""
    if level == "nominal":
        return 1.0 - np.eye(len(domain))
    values = domain.astype(np.float64)
    difference = values[:, np.newaxis] - values
    if level == "interval":
        return np.asarray(difference**2)
    total = values[:, np.newaxis] + values
    quotient = np.zeros_like(difference)
    np.divide(difference, total, out=quotient, where=total != 0)
    return np.asarray(quotient**2)
