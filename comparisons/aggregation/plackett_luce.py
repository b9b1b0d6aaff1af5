"""Plackett–Luce strengths from rankings: partial, top-k and with ties, by maximum likelihood.

R. L. Plackett, Applied Statistics 24 (1975); D. R. Hunter, *MM Algorithms for Generalized Bradley–Terry
Models*, Annals of Statistics 32 (2004). A ranking is a series of choices: the best of all that were shown,
then the best of the rest, and so on; each choice falls on a completion in proportion to e^λ. So the
log-likelihood is Σ λ over chosen minus Σ log Σ e^λ over what was there to choose from. It is concave in λ;
Newton's method finds the maximum that Hunter's algorithm climbs to more slowly.

Ties are split: a group of m completions at one rank stands for the mean of the log-likelihoods of its m!
orders, which takes 2^m choice sets. A ranking of two is then a Bradley–Terry comparison with ties counted half.
Top-k: completions that were shown but not ranked (rank 0) lie below all ranked ones, in no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from comparisons.aggregation.comparison_table import find_gap
from comparisons.aggregation.leaderboard import (
    Coverage,
    Standing,
    climb,
    covariance_of,
    critical_value,
    rank_models,
)
from comparisons.aggregation.table import FloatArray, IntArray

UNRANKED = 0
# 2^m choice sets for m completions at one rank.
MAX_TIED = 10


@dataclass(frozen=True)
class RankingTable:
    """Rankings as triples: ``judgments``, ``models`` and ``ranks`` have shape (R,).

    ``judgments`` are any indices from 0; ``models`` are indices below M = len(``names``). Rank 1 is best,
    equal ranks are ties, 0 was shown but not ranked. Ranks need not be consecutive.
    """

    judgments: IntArray
    models: IntArray
    ranks: IntArray
    names: tuple[str, ...]


@dataclass(frozen=True)
class PlackettLuceResult:
    """The fit; fields as in `BradleyTerryResult`. ``rankings`` counts those that order anything at all."""

    leaderboard: tuple[Standing, ...]
    strengths: FloatArray | None
    covariance: FloatArray | None
    log_likelihood: float | None
    rankings: int
    iterations: int
    converged: bool
    reason: str | None
    warnings: tuple[str, ...]
    ridge: float
    confidence: float
    coverage: Coverage


def tabulate_rankings(
    judgments: npt.ArrayLike,
    models: npt.ArrayLike,
    ranks: npt.ArrayLike,
    *,
    names: Sequence[str] | None = None,
) -> RankingTable:
    """A table from three arrays of shape (R,); R may be 0.

    Raises ValueError if lengths differ, something is not a whole number, an index is out of range, a rank is
    below 0, a model stands twice in one judgment, or more than 10 share one rank of a judgment.
    """
    columns = [np.asarray(column) for column in (judgments, models, ranks)]
    if any(column.ndim != 1 or len(column) != len(columns[0]) for column in columns):
        raise ValueError("judgments, models and ranks need one entry for each ranked completion")
    if len(columns[0]) and any(column.dtype.kind not in "iu" for column in columns):
        raise ValueError("judgments, models and ranks must be whole numbers")
    judged, who, place = (column.astype(np.int64) for column in columns)
    least = int(who.max()) + 1 if len(who) else 0
    given = tuple(names) if names is not None else tuple(f"model {m}" for m in range(least))
    if len(who) and (least > len(given) or int(min(who.min(), judged.min(), place.min())) < 0):
        raise ValueError(f"an index or a rank is below 0, or a model index is not below {len(given)}")
    if len(np.unique(np.stack([judged, who]), axis=1).T) != len(who):
        raise ValueError("a model stands twice in one judgment")
    ranked = np.stack([judged, place])[:, place != UNRANKED]
    if ranked.shape[1] and int(np.unique(ranked, axis=1, return_counts=True)[1].max()) > MAX_TIED:
        raise ValueError(f"more than {MAX_TIED} completions share one rank of a judgment")
    return RankingTable(judged, who, place, given)


def fit_plackett_luce(
    table: RankingTable, *, ridge: float = 0.0, confidence: float = 0.95, coverage: Coverage = "each"
) -> PlackettLuceResult:
    """Fit strengths to rankings. ``ridge`` ≥ 0 subtracts ½·ridge·|λ|², which makes every estimate finite.

    Raises ValueError for a negative ridge or a confidence outside (0, 1).
    """
    if not ridge >= 0:
        raise ValueError("ridge must be 0 or more")
    models = len(table.names)
    reach = critical_value(confidence, max(models, 1), coverage)
    choices = _lay_out(table)
    reason = None
    if models < 2:
        reason = "Needs 2 models to compare."
    elif choices.rankings == 0:
        reason = "No ranking puts anything before or beside anything else."
    elif ridge == 0:
        reason = find_gap(choices.beaten, table.names)
    given = (ridge, confidence, coverage)
    if reason is not None:
        return PlackettLuceResult((), None, None, None, choices.rankings, 0, False, reason, (), *given)

    def objective(point: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        value, slope, curve = choices.evaluate(point)
        penalised = value - ridge * float(point @ point) / 2
        return penalised, slope - ridge * point, curve + ridge * np.eye(models)

    ascent = climb(objective, np.zeros(models), models)
    strengths = ascent.point - ascent.point.mean()
    covariance = covariance_of(ascent.information, models)
    warnings = () if ascent.converged else ("The ascent did not converge; the numbers are provisional.",)
    return PlackettLuceResult(
        rank_models(table.names, strengths, covariance, reach), strengths, covariance,
        choices.evaluate(ascent.point)[0], choices.rankings, ascent.iterations, ascent.converged, None,
        warnings, *given,
    )  # fmt: skip


@dataclass(frozen=True)
class _Choices:
    """``sets`` (S, M) sparse: who was there to choose from; ``weights`` (S,); ``chosen`` (M,) how often."""

    sets: Any
    weights: FloatArray
    chosen: FloatArray
    beaten: tuple[IntArray, IntArray]
    rankings: int

    def evaluate(self, point: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Log-likelihood, gradient and information."""
        # One shift for all: strengths that far apart are a matter for the ridge, and 700 are left before exp ends.
        highest = point.max()
        raw = np.exp(point - highest)
        totals = self.sets @ raw
        shares = sparse.diags_array(1 / totals) @ self.sets @ sparse.diags_array(raw)
        expected = shares.T @ self.weights
        value = float(self.chosen @ point) - float(self.weights @ (np.log(totals) + highest))
        spread = (shares.T @ sparse.diags_array(self.weights) @ shares).toarray()
        return value, self.chosen - expected, np.diag(expected) - spread


def _lay_out(table: RankingTable) -> _Choices:
    """Choice sets of all rankings, equal ones added up."""
    weights: dict[tuple[int, ...], float] = {}
    chosen = np.zeros(len(table.names))
    edges: list[tuple[int, int]] = []
    rankings = 0
    # The unranked come last.
    order = np.lexsort(
        (np.where(table.ranks == UNRANKED, np.iinfo(np.int64).max, table.ranks), table.judgments)
    )
    starts = np.unique(table.judgments[order], return_index=True)[1]
    for rows in np.split(order, starts[1:]) if len(order) else []:
        groups = _groups(table.models[rows], table.ranks[rows])
        below = len(rows)
        rankings += len(groups) > 1 or (bool(groups) and groups[0][1] and len(groups[0][0]) > 1)
        rest = [int(m) for m in table.models[rows]]
        for members, is_ranked in groups:
            below -= len(members)
            rest = rest[len(members) :]
            if not is_ranked:
                continue
            for left, weight in _split(members):
                if len(left) + below > 1:
                    key = tuple(sorted((*left, *rest)))
                    weights[key] = weights.get(key, 0.0) + weight
            used = members if below or len(members) > 1 else []
            np.add.at(chosen, used, 1.0)
            if not below and len(members) > 1:
                chosen[members] -= 1 / len(members)
            # Neighbouring groups and a ring inside a tie link whatever all pairs would.
            edges += [(a, b) for a, b in pairwise([*members, members[0]])] if len(members) > 1 else []
        edges += [(low, high) for (ups, _), (lows, _) in pairwise(groups) for low in lows for high in ups]
    counts = np.array([len(key) for key in weights], dtype=np.int64)
    columns = np.array([m for key in weights for m in key], dtype=np.int64)
    entries = (np.ones(len(columns)), (np.repeat(np.arange(len(counts)), counts), columns))
    sets = sparse.csr_array(entries, shape=(len(counts), len(table.names)))
    losers, winners = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    return _Choices(sets, np.array(list(weights.values())), chosen, (losers, winners), rankings)


def _groups(models: IntArray, ranks: IntArray) -> list[tuple[list[int], bool]]:
    """Models at one rank, best first, and whether they were ranked; one judgment, sorted by rank."""
    starts = np.flatnonzero(np.append(True, ranks[1:] != ranks[:-1]))
    parts = np.split(models, starts[1:])
    return [
        ([int(m) for m in part], bool(ranks[s] != UNRANKED)) for part, s in zip(parts, starts, strict=True)
    ]


def _split(members: list[int]) -> list[tuple[tuple[int, ...], float]]:
    """What may be left of a tied group before each choice, and in what share of its orders: 1/C(m, size)."""
    m = len(members)
    return [(left, 1 / comb(m, size)) for size in range(m, 0, -1) for left in combinations(members, size)]
