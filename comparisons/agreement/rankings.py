"""Agreement of rankings: Kendall's W and the mean pairwise τ-b, each item a ranking of its completions.

W = S / S_max with mid-ranks and the correction for ties (M. G. Kendall, *Rank Correlation Methods*, 1948, ch. 6);
written with sums of squares, S_max = k · Σ_j SS_j for k people with within-person sums of squares SS_j, which holds
12 k² (m³ − m) − k ΣT in one term. τ-b is Kendall's of 1945, over each two people who ranked the item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import rankdata

from comparisons.agreement.krippendorff import require_numbers
from comparisons.agreement.resampling import (
    Bootstrap,
    FloatArray,
    IntArray,
    Interval,
    percentile_interval,
    resample_sums,
)
from comparisons.agreement.results import Estimate
from comparisons.agreement.table import IndexedRatings, neighbours


@dataclass(frozen=True, kw_only=True)
class RankingResult(Estimate):
    """The mean over items of W (in [0, 1]) or τ-b (in [−1, 1]).

    ``items`` are those with two completions or more that at least two people ranked in full; ``tied_items`` of
    them have no value because (nearly) all completions were tied, and are left out of the mean.
    """

    tied_items: int


@dataclass(frozen=True)
class _Rankings:
    """G full rankings of m completions: ``places`` has shape (G, m), centred mid-ranks, rows sorted by item.

    ``items`` and ``people`` have shape (G,).
    """

    places: FloatArray
    items: IntArray
    people: IntArray


def kendall_w(ratings: IndexedRatings, bootstrap: Bootstrap) -> RankingResult:
    """Kendall's W with tie correction, the mean over items, with a bootstrap interval over items.

    ``values`` are ranks or points; a unit is one completion of an item. Somebody who ranked only a part of an
    item's completions is left out of that item. Raises ValueError for text.
    """
    return _mean_over_items(ratings, bootstrap, "kendall_w", _concordance)


def kendall_tau(ratings: IndexedRatings, bootstrap: Bootstrap) -> RankingResult:
    """τ-b averaged over the pairs of people of an item and then over items; otherwise as `kendall_w`.

    A pair in which one person tied everything has no τ-b and is left out.
    """
    return _mean_over_items(ratings, bootstrap, "kendall_tau_b", _mean_tau)


def _mean_over_items(
    ratings: IndexedRatings, bootstrap: Bootstrap, name: str, coefficient: Callable[[_Rankings], FloatArray]
) -> RankingResult:
    require_numbers(ratings.domain, "ranking")
    groups = list(_full_rankings(ratings))
    values = np.concatenate([np.zeros(0), *map(coefficient, groups)])
    defined = values[~np.isnan(values)]
    reason = bootstrap.lacking(len(values), "items ranked by two people")
    if reason is None and not len(defined):
        reason = "Every ranking ties everything, so there is no order to agree on."
    elif reason is None:
        reason = bootstrap.lacking(len(defined), "items with an order to agree on")
    if reason is None:
        parts = np.column_stack([defined, np.ones(len(defined))])
        value, estimates = resample_sums(parts, bootstrap, lambda sums: sums[:, 0] / sums[:, 1])
        interval = percentile_interval(value, estimates, bootstrap)
    else:
        interval = Interval.missing(reason)
    people = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(group.people for group in groups)]))
    return RankingResult(
        coefficient=name, items=len(values), tied_items=len(values) - len(defined),
        judgments=sum(group.places.size for group in groups), annotators=len(people),
        **asdict(interval), **asdict(bootstrap),
    )  # fmt: skip


def _full_rankings(ratings: IndexedRatings) -> Iterator[_Rankings]:
    """The full rankings of items with two or more of them, one group for each number of completions."""
    items = ratings.items[ratings.units]
    order = np.lexsort((ratings.units, ratings.people, items))
    items, people = items[order], ratings.people[order]
    starts = np.flatnonzero((np.diff(items, prepend=-1) != 0) | (np.diff(people, prepend=-1) != 0))
    ranked = np.diff(starts, append=len(items))
    completions = np.bincount(ratings.items)[items[starts]]
    for m in np.unique(completions[completions >= 2]):
        full = starts[(completions == m) & (ranked == m)]
        full = full[np.bincount(items[full], minlength=items[-1] + 1)[items[full]] >= 2]
        if len(full):
            values = ratings.values[order[full[:, np.newaxis] + np.arange(m)]]
            yield _Rankings(rankdata(values, axis=1) - (m + 1) / 2, items[full], people[full])


def _by_item(items: IntArray, values: FloatArray) -> FloatArray:
    """Sums by item of ``values``, shape (G, …), in the order of the items."""
    starts = np.flatnonzero(np.diff(items, prepend=-1) != 0)
    return np.asarray(np.add.reduceat(values, starts, axis=0))


def _concordance(rankings: _Rankings) -> FloatArray:
    """W of each item; NaN where everybody tied everything."""
    rank_sums = _by_item(rankings.items, rankings.places)
    people = _by_item(rankings.items, np.ones(len(rankings.items)))
    largest = people * _by_item(rankings.items, (rankings.places**2).sum(axis=1))
    result = np.full(len(people), np.nan)
    np.divide((rank_sums**2).sum(axis=1), largest, out=result, where=largest > 0)
    return result


def _mean_tau(rankings: _Rankings) -> FloatArray:
    """The mean τ-b of each item; NaN where no pair of people has one."""
    left, right = np.triu_indices(rankings.places.shape[1], k=1)
    signs = np.sign(rankings.places[:, left] - rankings.places[:, right])
    untied = np.abs(signs).sum(axis=1)
    _, index = np.unique(rankings.items, return_inverse=True)
    first, second = neighbours(index)
    scale = np.sqrt(untied[first] * untied[second])
    taus = np.zeros(len(first))
    np.divide((signs[first] * signs[second]).sum(axis=1), scale, out=taus, where=scale > 0)
    sums = np.bincount(index[first], weights=taus)
    pairs = np.bincount(index[first], weights=scale > 0)
    result = np.full(len(sums), np.nan)
    np.divide(sums, pairs, out=result, where=pairs > 0)
    return result
