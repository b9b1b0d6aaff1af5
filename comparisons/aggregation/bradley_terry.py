"""Bradley–Terry strengths, with ties by Davidson and effects such as order or length, by maximum likelihood.

R. A. Bradley and M. E. Terry, Biometrika 39 (1952): log-odds that the right model beats the left one are
η = λ_right − λ_left + x·β, where x are covariates (right minus left). R. R. Davidson, *On Extending the
Bradley–Terry Model to Accommodate Ties*, Journal of the American Statistical Association 65 (1970): right, tie
and left have probabilities in proportion to e^{η/2}, ν and e^{−η/2}. With covariates for order, length or
style the strengths are what is left once those are held equal ("style control").

The log-likelihood is concave, so Newton's method finds the one maximum if there is one; standard errors come
from the observed information there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, sparse
from scipy.special import expit

from comparisons.aggregation.comparison_table import TIE, ComparisonTable, find_gap
from comparisons.aggregation.leaderboard import (
    Ascent,
    Coverage,
    Effect,
    Standing,
    climb,
    covariance_of,
    critical_value,
    pin_down,
    rank_models,
)
from comparisons.aggregation.table import FloatArray

Ties = Literal["davidson", "half"]
# Log-odds beyond this in a fit call for a check that the estimates are finite at all.
SUSPECT = 12.0


@dataclass(frozen=True)
class BradleyTerryResult:
    """The fit, with every parameter that it depends on.

    ``leaderboard`` is sorted, strongest first; its intervals hold ``each`` or ``simultaneous`` as ``coverage``
    says. ``strengths`` (M,) are the same log-strengths by model index, with sum 0, and ``covariance`` (M, M)
    theirs, for differences. ``effects`` are the coefficients of the covariates, intervals for each.
    ``tie_strength`` is Davidson's ν ≥ 0 (None when ties count half). ``log_likelihood`` is without the ridge.
    All are None or empty if ``reason`` says why there is nothing. ``warnings`` are sentences; one speaks if
    the ascent has not converged.
    """

    leaderboard: tuple[Standing, ...]
    strengths: FloatArray | None
    covariance: FloatArray | None
    effects: tuple[Effect, ...]
    tie_strength: float | None
    log_likelihood: float | None
    iterations: int
    converged: bool
    reason: str | None
    warnings: tuple[str, ...]
    ties: Ties
    ridge: float
    confidence: float
    coverage: Coverage


def fit_bradley_terry(
    table: ComparisonTable,
    *,
    ties: Ties = "davidson",
    ridge: float = 0.0,
    confidence: float = 0.95,
    coverage: Coverage = "each",
) -> BradleyTerryResult:
    """Fit strengths, effects and tie strength to a table.

    ``ties="half"`` counts a tie as half a win for either side instead. ``ridge`` ≥ 0 subtracts
    ½·ridge·(|λ|² + |β|²): a normal prior with variance 1/ridge, which makes every estimate finite. Without any
    tie in the data Davidson's ν is 0.

    Raises ValueError for a negative ridge or a confidence outside (0, 1).
    """
    if not ridge >= 0:
        raise ValueError("ridge must be 0 or more")
    reach_each = critical_value(confidence, 1, "each")
    given = (ties, ridge, confidence, coverage)
    has_ties = ties == "davidson" and bool((table.outcomes == TIE).any())
    reason = _find_obstacle(table, ties, ridge)
    if reason is not None:
        return BradleyTerryResult((), None, None, (), None, None, 0, False, reason, (), *given)

    models = len(table.names)
    likelihood = _Likelihood(table, has_ties, ridge)
    ascent = climb(likelihood, np.zeros(models + len(table.effects) + has_ties), models)
    reason = _find_infinity(likelihood, ascent) if ridge == 0 and len(table.effects) else None
    if reason is not None:
        return BradleyTerryResult(
            (), None, None, (), None, None, ascent.iterations, False, reason, (), *given
        )

    covariance, point = covariance_of(ascent.information, models), ascent.point
    errors = np.sqrt(np.diag(covariance))
    effects = tuple(
        Effect(name, float(point[p]), float(errors[p]),
               float(point[p] - reach_each * errors[p]), float(point[p] + reach_each * errors[p]))
        for p, name in enumerate(table.effects, start=models)
    )  # fmt: skip
    strengths = point[:models] - point[:models].mean()
    reach = critical_value(confidence, models, coverage)
    tie_strength = None if ties == "half" else float(np.exp(point[-1])) if has_ties else 0.0
    warnings = () if ascent.converged else ("The ascent did not converge; the numbers are provisional.",)
    return BradleyTerryResult(
        rank_models(table.names, strengths, covariance, reach), strengths, covariance[:models, :models],
        effects, tie_strength, likelihood.value(point), ascent.iterations, ascent.converged, None, warnings, *given,
    )  # fmt: skip


class _Likelihood:
    """Penalised log-likelihood of (strengths, effects[, log ν]) with gradient and information."""

    def __init__(self, table: ComparisonTable, has_ties: bool, ridge: float) -> None:
        self.design, self.weights, self.outcomes = table.design, table.weights, table.outcomes
        self.has_ties = has_ties
        self.penalty = np.full(self.design.shape[1] + has_ties, ridge)
        if has_ties:
            self.penalty[-1] = 0.0

    def __call__(self, point: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        odds, log_tie = self._split(point)
        right, tied, left = self._probabilities(odds, log_tie)
        mean = (right - left) / 2
        variance = (right + left) / 4 - mean**2
        slope = self.design.T @ (self.weights * (self.outcomes / 2 - mean))
        curve = (self.design.T @ sparse.diags_array(self.weights * variance) @ self.design).toarray()
        if self.has_ties:
            cross = self.design.T @ (self.weights * -mean * tied)
            corner = float(self.weights @ (tied * (1 - tied)))
            slope = np.append(slope, float(self.weights @ ((self.outcomes == TIE) - tied)))
            curve = np.block([[curve, cross[:, np.newaxis]], [cross[np.newaxis], np.array([[corner]])]])
        value = self.value(point) - float(self.penalty @ point**2) / 2
        return value, slope - self.penalty * point, curve + np.diag(self.penalty)

    def value(self, point: FloatArray) -> float:
        """The log-likelihood itself."""
        odds, log_tie = self._split(point)
        if not self.has_ties:
            total = np.logaddexp(odds / 2, -odds / 2)
            return float(self.weights @ (self.outcomes * odds / 2 - total))
        total = np.logaddexp(np.logaddexp(odds / 2, -odds / 2), log_tie)
        return float(
            self.weights @ (np.where(self.outcomes == TIE, log_tie, self.outcomes * odds / 2) - total)
        )

    def _split(self, point: FloatArray) -> tuple[FloatArray, float]:
        return self.design @ point[: self.design.shape[1]], float(point[-1]) if self.has_ties else -np.inf

    def _probabilities(self, odds: FloatArray, log_tie: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        if not self.has_ties:
            return expit(odds), np.zeros_like(odds), expit(-odds)
        logs = np.stack([odds / 2, np.full_like(odds, log_tie), -odds / 2])
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=0))
        return shares[0], shares[1], shares[2]


def _find_obstacle(table: ComparisonTable, ties: Ties, ridge: float) -> str | None:
    """A sentence if there is no finite or no unique estimate; only what can be seen before a fit."""
    if len(table.names) < 2:
        return "Needs 2 models to compare."
    if not len(table):
        return "There are no comparisons."
    if ties == "davidson" and bool((table.outcomes == TIE).all()):
        return (
            "All comparisons are ties, so the tie strength has no finite estimate; count ties half instead."
        )
    if ridge > 0:
        return None
    gap = find_gap(table.beaten, table.names)
    if gap is not None or not len(table.effects):
        return gap
    models, design = len(table.names), table.design
    scale = np.sqrt(np.asarray(design.multiply(design).sum(axis=0)).ravel())
    if not bool((scale > 0).all()):
        return (
            f"{table.effects[int(np.argmin(scale[models:]))]} never differs, so it has no effect to estimate."
        )
    square = (design.T @ design).toarray() / np.outer(scale, scale) + pin_down(len(scale), models)
    if np.linalg.eigvalsh(square)[0] < 1e-9:
        return "An effect follows from the models or from the other effects, so they cannot be told apart."
    return None


def _find_infinity(likelihood: _Likelihood, ascent: Ascent) -> str | None:
    """A sentence if some direction improves every comparison for ever (separation), found by linear programming."""
    width = likelihood.design.shape[1]
    if ascent.converged and np.abs(likelihood.design @ ascent.point[:width]).max() < SUSPECT:
        return None
    sign = likelihood.outcomes[:, np.newaxis]
    decided = (likelihood.design.multiply(sign)).tocsr()[likelihood.outcomes != TIE]
    tied = likelihood.design[likelihood.outcomes == TIE]
    equal = {} if not tied.shape[0] else {"A_eq": tied, "b_eq": np.zeros(tied.shape[0])}
    limits: Any = sparse.vstack([decided, -decided])
    bounds = np.concatenate([np.ones(decided.shape[0]), np.zeros(decided.shape[0])])
    aim = -np.asarray(decided.sum(axis=0)).ravel()
    found = optimize.linprog(aim, A_ub=limits, b_ub=bounds, bounds=(None, None), **equal)
    if found.success and -found.fun > 1e-6:
        return (
            "Models and effects together foretell the outcomes without an error, so there is no finite "
            "estimate; a ridge would give one."
        )
    return None
