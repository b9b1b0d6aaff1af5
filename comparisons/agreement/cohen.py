"""Cohen's κ of pairs of annotators, plain and weighted, and its mean over the pairs.

κ = (p_o − p_e) / (1 − p_e): p_o the (weighted) agreement of two people on the units that both rated, p_e what their
own shares of the values give by chance (J. Cohen, *A coefficient of agreement for nominal scales*, 1960; *Weighted
kappa*, 1968).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from comparisons.agreement.resampling import (
    Bootstrap,
    FloatArray,
    IntArray,
    Interval,
    percentile_interval,
    resample_sums,
    sums_by_item,
)
from comparisons.agreement.results import WeightedResult, Weights
from comparisons.agreement.table import IndexedRatings, rows_by_group
from comparisons.agreement.weights import agreement_weights


@dataclass(frozen=True, kw_only=True)
class PairResult(WeightedResult):
    """Cohen's κ of two people; ``judgments`` are twice the units that both rated."""

    first: Any
    second: Any


@dataclass(frozen=True, kw_only=True)
class CohenResult(WeightedResult):
    """The mean of κ over pairs of people, weighted by shared units.

    ``pairs`` holds every pair that shares a unit, with a reason where it shares fewer than ``min_items`` items;
    only pairs that have enough are in the mean, its ``items``, ``judgments`` and ``annotators``.
    """

    pairs: tuple[PairResult, ...]


@dataclass(frozen=True)
class _Meetings:
    """M meetings of two people on a unit, all arrays of shape (M,): person and value of each, item, pair number."""

    first: IntArray
    second: IntArray
    x: IntArray
    y: IntArray
    items: IntArray
    pair: IntArray


def cohen_kappa(
    ratings: IndexedRatings,
    bootstrap: Bootstrap,
    *,
    weights: Weights = "identity",
    most: int | None = None,
) -> CohenResult:
    """κ of every pair of annotators and the mean, each with a bootstrap interval over items.

    Pairs are in the order of the annotators' labels. With ``most`` only so many pairs count, those that share the most
    units: a hundred people make 4,950 pairs, and a resample needs the values of each. Raises ValueError for text with
    weights other than identity.
    """
    weighting = agreement_weights(ratings.domain, weights)
    met = _meetings(ratings, most)
    agreed = weighting[met.x, met.y]
    sizes = np.bincount(met.pair)
    raws = np.bincount(met.pair, weights=agreed) / sizes
    pairs = tuple(
        _pair(ratings, met, rows, float(raw_share), weighting, weights, bootstrap)
        for rows, raw_share in zip(rows_by_group(met.pair, len(sizes)), raws, strict=True)
    )
    enough = [number for number, pair in enumerate(pairs) if pair.items >= max(bootstrap.min_items, 1)]
    used = np.flatnonzero(np.isin(met.pair, enough))
    parts = _parts(met, used, weighting)
    raw: float | None = None
    if not enough:
        needed = max(bootstrap.min_items, 1)
        interval = Interval.missing(f"No two annotators share {needed} items.")
    else:
        raw = float(parts[:, 0].mean())
        interval = _mean(met, used, parts, weighting, bootstrap)
    return CohenResult(
        coefficient="cohen_kappa_mean", weights=weights, raw_agreement=raw, pairs=pairs,
        items=len(np.unique(met.items[used])), judgments=2 * len(used),
        annotators=len(np.unique([met.first[used], met.second[used]])),
        **asdict(interval), **asdict(bootstrap),
    )  # fmt: skip


def _meetings(ratings: IndexedRatings, most: int | None) -> _Meetings:
    left, right = ratings.pairs()
    numbers = ratings.people[left] * max(len(ratings.person_labels), 1) + ratings.people[right]
    _, pair, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
    if most is not None and len(sizes) > most:
        kept = np.isin(pair, np.argsort(-sizes, kind="stable")[:most])
        left, right = left[kept], right[kept]
        pair = np.unique(pair[kept], return_inverse=True)[1]
    first, second = ratings.people[left], ratings.people[right]
    return _Meetings(
        first, second, ratings.values[left], ratings.values[right], ratings.items[ratings.units[left]], pair
    )


def _parts(met: _Meetings, rows: IntArray, weighting: FloatArray) -> FloatArray:
    """Of each meeting: its agreement and one-hot values of both people, shape (rows, 1 + 2V)."""
    hot = np.eye(len(weighting))
    x, y = met.x[rows], met.y[rows]
    return np.column_stack([weighting[x, y], hot[x], hot[y]])


def _kappas(sums: FloatArray, weighting: FloatArray) -> tuple[FloatArray, FloatArray]:
    """κ and the number of meetings, shape (…,) each, from sums of shape (…, 1 + 2V); NaN where undefined."""
    width = len(weighting)
    first, second = sums[..., 1 : 1 + width], sums[..., 1 + width :]
    n = first.sum(axis=-1)
    expected = n**2 - ((first @ weighting) * second).sum(axis=-1)
    # In disagreements: κ = 1 − n (n − Σ w) / (n² − Σ w_kl n_k n_l), whole numbers for identity weights.
    result = np.full(n.shape, np.nan)
    np.divide(n * (n - sums[..., 0]), expected, out=result, where=expected > 1e-9 * n**2)
    return np.asarray(1 - result), n


def _pair(
    ratings: IndexedRatings,
    met: _Meetings,
    rows: IntArray,
    raw_agreement: float,
    weighting: FloatArray,
    weights: Weights,
    bootstrap: Bootstrap,
) -> PairResult:
    items = len(set(met.items[rows].tolist()))
    reason = bootstrap.lacking(items)
    if reason is None:
        by_item = sums_by_item(_parts(met, rows, weighting), met.items[rows])
        value, estimates = resample_sums(by_item, bootstrap, lambda sums: _kappas(sums, weighting)[0])
        interval = percentile_interval(value, estimates, bootstrap)
    else:
        interval = Interval.missing(reason)
    return PairResult(
        coefficient="cohen_kappa", weights=weights, raw_agreement=raw_agreement,
        first=ratings.person_labels[met.first[rows[0]]].item(),
        second=ratings.person_labels[met.second[rows[0]]].item(),
        items=items, judgments=2 * len(rows), annotators=2, **asdict(interval), **asdict(bootstrap),
    )  # fmt: skip


def _mean(
    met: _Meetings, rows: IntArray, parts: FloatArray, weighting: FloatArray, bootstrap: Bootstrap
) -> Interval:
    """All pairs side by side in one row for each item, so that they share the draw."""
    width = parts.shape[1]
    numbers, pair = np.unique(met.pair[rows], return_inverse=True)
    place, column = np.nonzero(parts)
    wide = sparse.csr_array(
        (parts[place, column], (place, pair[place] * width + column)), shape=(len(rows), len(numbers) * width)
    )

    def mean(sums: FloatArray) -> FloatArray:
        kappas, n = _kappas(sums.reshape(len(sums), len(numbers), width), weighting)
        # A pair that was not drawn, or drawn with one value only, has no κ in this resample.
        n = np.where(np.isnan(kappas), 0, n)
        total = n.sum(axis=1)
        result = np.full(len(sums), np.nan)
        np.divide((np.nan_to_num(kappas) * n).sum(axis=1), total, out=result, where=total > 0)
        return result

    value, estimates = resample_sums(sums_by_item(wide, met.items[rows]), bootstrap, mean)
    return percentile_interval(value, estimates, bootstrap)
