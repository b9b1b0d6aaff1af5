"""Krippendorff's α with a bootstrap interval over items.

α = 1 − D_o / D_e: observed disagreement over the disagreement expected by chance (K. Krippendorff, *Content
Analysis*, 4th ed. 2019, ch. 12; *Computing Krippendorff's Alpha-Reliability*, 2011). The point estimate comes
from the `krippendorff` package. The interval is Efron's percentile bootstrap (B. Efron, *Bootstrap Methods:
Another Look at the Jackknife*, Annals of Statistics 7, 1979), resampling items with replacement.

Each item's share of the coincidence matrix is computed once, so that all resamples together are two matrix
products. The same arithmetic on the data as it is equals the package to 1e-12; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import krippendorff
import numpy as np
import numpy.typing as npt
from scipy import sparse

from comparisons.agreement.table import RatingTable

Level = Literal["nominal", "ordinal", "interval", "ratio"]
FloatArray = npt.NDArray[np.float64]

COEFFICIENT = "krippendorff_alpha"
# See docs/decisions/0002-agreement-and-bootstrap.md for the coverage that this minimum buys.
MIN_ITEMS = 30
N_RESAMPLES = 2000
# With more undefined resamples than this the percentiles would describe a selection of the data.
MAX_UNDEFINED_SHARE = 0.05
# The package builds arrays of N·V² cells; beyond this (about 0.5 GB) our own equal arithmetic is used.
PACKAGE_CELLS = 20_000_000
# Cells of one block of resampling weights (32 MB).
BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class AgreementResult:
    """An agreement coefficient with its interval, its n and every parameter that it depends on.

    Either ``value``, ``low`` and ``high`` are numbers (α ≤ 1; 0 is chance; below 0 is systematic
    disagreement) and ``reason`` is None, or all three are None and ``reason`` is a sentence for people.
    ``items``, ``judgments`` (ratings) and ``annotators`` count only units that at least two people rated.
    ``raw_agreement`` in [0, 1] is the mean share of agreeing pairs of ratings within a unit, without any
    correction for chance; None if no unit is shared.
    """

    coefficient: str
    level: Level
    value: float | None
    low: float | None
    high: float | None
    raw_agreement: float | None
    items: int
    judgments: int
    annotators: int | None
    reason: str | None
    confidence: float
    n_resamples: int
    seed: int
    min_items: int


@dataclass(frozen=True)
class _Contributions:
    """What each of I items adds to the coincidence matrix.

    ``pairs`` is sparse with shape (I, P), one column for each of the P = V(V−1)/2 unordered pairs of
    different values (``left`` < ``right``, indices into ``domain``): o_ck of the item. ``totals`` has shape
    (I, V): the item's pairable ratings of each value, n_c. The diagonal has distance 0 and is left out.
    """

    pairs: Any
    totals: FloatArray
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
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
    if level != "nominal" and table.domain.dtype.kind in "US":
        raise ValueError(f"{level} agreement needs numbers; text is nominal")
    counts = table.counts[table.shared]
    used = counts.sum(axis=0) > 0
    counts, domain = counts[:, used], table.domain[used]
    items = len(np.unique(table.items[table.shared]))
    judgments = int(counts.sum())

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    if items < min_items or items == 0:
        reason = f"Needs {max(min_items, 1)} shared items, has {items}."
    elif len(domain) < 2:
        reason = f"All {judgments} answers are the same, so agreement beyond chance is undefined."
    else:
        parts = _contributions(counts, domain, table.items[table.shared])
        estimates = np.concatenate([_alphas(parts, w, level) for w in _weights(items, n_resamples, seed)])
        undefined_share = float(np.isnan(estimates).mean())
        if undefined_share > MAX_UNDEFINED_SHARE:
            reason = (
                "Nearly all answers are the same: agreement beyond chance is undefined in "
                f"{undefined_share:.0%} of the resamples, so no interval can be given."
            )
        else:
            tail = (1 - confidence) / 2
            low, high = map(float, np.nanquantile(estimates, [tail, 1 - tail]))
            value = _point_estimate(counts, domain, parts, level)

    return AgreementResult(
        coefficient=COEFFICIENT, level=level, value=value, low=low, high=high,
        raw_agreement=_raw_agreement(counts), items=items, judgments=judgments,
        annotators=table.annotators, reason=reason, confidence=confidence,
        n_resamples=n_resamples, seed=seed, min_items=min_items,
    )  # fmt: skip


def _point_estimate(
    counts: npt.NDArray[np.int64], domain: npt.NDArray[Any], parts: _Contributions, level: Level
) -> float:
    if counts.size * len(domain) > PACKAGE_CELLS:
        return float(_alphas(parts, np.ones((1, parts.totals.shape[0])), level)[0])
    # The package would take text only for nominal data, and there the labels do not matter.
    labels = np.arange(len(domain)) if level == "nominal" else domain
    return float(krippendorff.alpha(value_counts=counts, value_domain=labels, level_of_measurement=level))


def _raw_agreement(counts: npt.NDArray[np.int64]) -> float | None:
    if not len(counts):
        return None
    n = counts.sum(axis=1)
    return float(np.mean((counts * (counts - 1)).sum(axis=1) / (n * (n - 1))))


def _contributions(
    counts: npt.NDArray[np.int64], domain: npt.NDArray[Any], items: npt.NDArray[np.int64]
) -> _Contributions:
    """``counts`` has shape (N, V), every row with at least two ratings; ``items`` has shape (N,)."""
    others = counts.sum(axis=1) - 1
    columns = [
        sparse.csc_array(counts[:, c : c + 1] * counts[:, c + 1 :] / others[:, np.newaxis])
        for c in range(len(domain) - 1)
    ]
    _, item_index = np.unique(items, return_inverse=True)
    ones = np.ones(len(items))
    gather = sparse.csr_array((ones, (item_index, np.arange(len(items)))))
    left, right = np.triu_indices(len(domain), k=1)
    pairs = (gather @ sparse.hstack(columns)).tocsr()
    return _Contributions(pairs, gather @ counts.astype(np.float64), left, right, domain)


def _weights(items: int, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of shape (B, I): how often each item was drawn in each of B resamples."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // items)
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        drawn = rng.integers(items, size=(size, items)) + np.arange(size)[:, np.newaxis] * items
        yield np.bincount(drawn.ravel(), minlength=size * items).reshape(size, items).astype(np.float64)


def _alphas(parts: _Contributions, weights: FloatArray, level: Level) -> FloatArray:
    """α of each weighting of the items, shape (B,); NaN where all drawn ratings are the same.

    ``weights`` has shape (B, I).
    """
    coincidences = weights @ parts.pairs  # (B, P)
    totals = weights @ parts.totals  # (B, V)
    n = totals.sum(axis=1)
    if level == "ordinal":
        # δ²_ck = (Σ_{g=c..k} n_g − (n_c + n_k)/2)² is the squared distance of mid-ranks.
        ranks = np.cumsum(totals, axis=1) - totals / 2
        ranks = ranks - (totals * ranks).sum(axis=1, keepdims=True) / n[:, np.newaxis]
        distances = (ranks[:, parts.left] - ranks[:, parts.right]) ** 2
        observed = 2 * (coincidences * distances).sum(axis=1)
        # Σ_ck n_c n_k (r_c − r_k)² = 2 n Σ_c n_c r_c², as the ranks are centred.
        expected = 2 * n * (totals * ranks**2).sum(axis=1) / (n - 1)
    else:
        fixed = _distances(parts.domain, level)
        observed = 2 * (coincidences @ fixed[parts.left, parts.right])
        expected = ((totals @ fixed) * totals).sum(axis=1) / (n - 1)
    one_value = (totals > 0).sum(axis=1) < 2
    result = np.full(len(weights), np.nan)
    np.divide(observed, expected, out=result, where=~one_value)
    return np.asarray(1 - result)


def _distances(domain: npt.NDArray[Any], level: Level) -> FloatArray:
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
