"""MACE: who answers from knowledge and who guesses, by EM or variational Bayes with random restarts.

D. Hovy, T. Berg-Kirkpatrick, A. Vaswani and E. Hovy, *Learning Whom to Trust with MACE*, NAACL-HLT 2013,
1120–1130. An item's class is uniform over K. On each judgment annotator a knows the class with probability θ_a
(the competence) and gives it; else the answer is drawn from the strategy ξ_a, whatever the class. So the
probability of value v for class t is θ_a·[v = t] + (1 − θ_a)·ξ_av, and everything that an iteration needs is
a table of A·K cells: no loop over items or judgments.

Restarts differ by noise on even starting values, as in the authors' program. Variational Bayes keeps the start
with the highest evidence bound, EM the one with the highest log-posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.special import digamma, gammaln

from comparisons.aggregation.table import (
    FloatArray,
    JudgmentTable,
    find_cautions,
    find_obstacle,
    normalise_logs,
)

Method = Literal["vb", "em"]
# The paper's values: restarts × iterations, Beta(½, ½) on θ; its program puts Dirichlet(10) on ξ and adds
# 0.01/K to expected counts in EM. Where people made few judgments Beta(½, ½) makes them all but certain experts
# or guessers; the evidence bound may be compared between priors, and tells when a firmer one (5, 5) is better.
RESTARTS = 100
MAX_ITERATIONS = 50
NOISE = 0.5
ALPHA = BETA = 0.5
STRATEGY_PRIOR = 10.0
SMOOTHING = 0.01
TOLERANCE = 1e-6
# Two starts whose objectives differ by less than this share found the same summit.
SAME_HEIGHT = 1e-4


@dataclass(frozen=True)
class MaceResult:
    """The best of the restarts, with every parameter that it depends on.

    ``posterior`` has shape (I, K); ``competence`` (A,) is θ in [0, 1]; ``strategy`` (A, K) is ξ;
    ``knowing`` (R,) is the probability that each judgment was made from knowledge, 1 − the spam indicator's
    expectation. People without judgments have the prior's competence. ``objective`` is what the restarts are
    compared by (evidence bound, or log-posterior up to a constant); ``objectives`` has all of them in order.
    All are None if ``reason`` says why there is nothing. ``warnings`` are sentences; one speaks if the best
    start has not converged, another if it was the only one of its height.
    """

    posterior: FloatArray | None
    competence: FloatArray | None
    strategy: FloatArray | None
    knowing: FloatArray | None
    log_likelihood: float | None
    objective: float | None
    objectives: tuple[float, ...]
    iterations: int
    converged: bool
    reason: str | None
    warnings: tuple[str, ...]
    method: Method
    restarts: int
    max_iterations: int
    alpha: float
    beta: float
    strategy_prior: float
    smoothing: float
    noise: float
    tolerance: float
    seed: int


@dataclass(frozen=True)
class _Layout:
    """Where the judgments are: sparse ``cells`` (I, A·K), and ``named`` (I·K, A·K) with its transpose, in which
    value v of annotator a speaks for class v of the item; ``judged`` (A, K) counts them."""

    cells: Any
    named: Any
    named_by: Any
    judged: FloatArray
    items: int
    annotators: int
    classes: int


@dataclass(frozen=True)
class _Priors:
    method: Method
    alpha: float
    beta: float
    strategy: float
    smoothing: float


@dataclass(frozen=True)
class _Weights:
    """What an E step multiplies: ``theta`` (A, 2) for guessing and knowing, ``xi`` (A, K).

    In EM these are probabilities, in VB exp(E log) of them. ``penalty`` is what the objective adds to the
    log-normaliser: the log-prior, or minus the divergence of the parameters from it.
    """

    theta: FloatArray
    xi: FloatArray
    penalty: float


@dataclass(frozen=True)
class _Expected:
    """What an E step finds: ``shares`` (I, K) and the expected counts ``knows`` and ``guesses`` (A, K)."""

    shares: FloatArray
    knows: FloatArray
    guesses: FloatArray
    log_normaliser: float


_Climb = tuple[float, int, bool, _Weights, _Expected]


def fit_mace(
    table: JudgmentTable,
    *,
    seed: int,
    method: Method = "vb",
    restarts: int = RESTARTS,
    max_iterations: int = MAX_ITERATIONS,
    alpha: float = ALPHA,
    beta: float = BETA,
    strategy_prior: float = STRATEGY_PRIOR,
    smoothing: float = SMOOTHING,
    noise: float = NOISE,
    tolerance: float = TOLERANCE,
) -> MaceResult:
    """Fit the model to a table.

    The defaults are the paper's. A warning about convergence is to be expected from EM in 50 iterations.
    ``alpha`` belongs to guessing and ``beta`` to knowing in the Beta prior of VB; ``strategy_prior`` is its
    Dirichlet. ``smoothing``/K is added to every expected count in EM. A start ends once its objective changes
    by less than ``tolerance`` of its size.

    Raises ValueError unless all of these are positive (noise: 0 or more).
    """
    positive = (restarts, max_iterations, alpha, beta, strategy_prior, smoothing, tolerance)
    if not all(number > 0 for number in positive) or not noise >= 0:
        raise ValueError(
            "restarts, iterations, priors, smoothing and tolerance must be positive, noise 0 or more"
        )
    given = (method, restarts, max_iterations, alpha, beta, strategy_prior, smoothing, noise, tolerance, seed)
    reason = find_obstacle(table)
    if reason is not None:
        return MaceResult(None, None, None, None, None, None, (), 0, False, reason, (), *given)

    layout = _lay_out(table)
    priors = _Priors(method, alpha, beta, strategy_prior, smoothing / table.class_count)
    rng = np.random.default_rng(seed)
    best = _climb(layout, priors, rng, noise, max_iterations, tolerance)
    objectives = [best[0]]
    for _ in range(restarts - 1):
        found = _climb(layout, priors, rng, noise, max_iterations, tolerance)
        objectives.append(found[0])
        best = max(best, found, key=lambda one: one[0])
    return _conclude(table, priors, best, tuple(objectives), given)


def _lay_out(table: JudgmentTable) -> _Layout:
    k = table.class_count
    rows, columns = table.items * k + table.values, table.annotators * k + table.values
    shape = (table.item_count * k, table.annotator_count * k)
    named = sparse.csr_array((np.ones(len(table)), (rows, columns)), shape=shape)
    judged = np.bincount(columns, minlength=shape[1]).reshape(table.annotator_count, k).astype(np.float64)
    return _Layout(
        table.incidence.T.tocsr(), named, named.T.tocsr(), judged, table.item_count, table.annotator_count, k
    )


def _climb(
    layout: _Layout,
    priors: _Priors,
    rng: np.random.Generator,
    noise: float,
    max_iterations: int,
    tolerance: float,
) -> _Climb:
    """One start: objective, iterations, whether it converged, and where it ended."""
    theta = 1 + noise * rng.random((layout.annotators, 2))
    xi = 1 + noise * rng.random((layout.annotators, layout.classes))
    start = _Weights(
        theta / theta.sum(axis=1, keepdims=True), xi / xi.sum(axis=1, keepdims=True), penalty=0.0
    )
    expected, previous, iterations = _expect(layout, start), -np.inf, 0
    while True:
        iterations += 1
        weights = _maximise(expected, priors)
        expected = _expect(layout, weights)
        objective = expected.log_normaliser + weights.penalty
        converged = bool(abs(objective - previous) <= tolerance * abs(objective))
        if converged or iterations == max_iterations:
            return objective, iterations, converged, weights, expected
        previous = objective


def _expect(layout: _Layout, weights: _Weights) -> _Expected:
    """E step. The class v itself gains knowing + guessing over guessing alone; all other classes the latter."""
    guess = weights.theta[:, :1] * weights.xi
    either = guess + weights.theta[:, 1:]
    alone = layout.cells @ np.log(guess).ravel()
    gain = (layout.named @ np.log(either / guess).ravel()).reshape(layout.items, layout.classes)
    logs = alone[:, np.newaxis] + gain - np.log(layout.classes)
    shares, totals = normalise_logs(logs)
    supported = (layout.named_by @ shares.ravel()).reshape(guess.shape)
    knows = supported * weights.theta[:, 1:] / either
    return _Expected(shares, knows, layout.judged - knows, float(totals.sum()))


def _maximise(expected: _Expected, priors: _Priors) -> _Weights:
    by_source = np.stack([expected.guesses.sum(axis=1), expected.knows.sum(axis=1)], axis=1)
    if priors.method == "em":
        theta, xi = (_normalise(counts + priors.smoothing) for counts in (by_source, expected.guesses))
        return _Weights(theta, xi, priors.smoothing * float(np.log(theta).sum() + np.log(xi).sum()))
    flat = np.full(expected.guesses.shape[1], priors.strategy)
    theta, theta_divergence = _variational(by_source, np.array([priors.alpha, priors.beta]))
    xi, xi_divergence = _variational(expected.guesses, flat)
    return _Weights(theta, xi, -theta_divergence - xi_divergence)


def _variational(counts: FloatArray, prior: FloatArray) -> tuple[FloatArray, float]:
    """exp(E log p) under Dirichlet(counts + prior), row by row, and the summed divergence from the prior."""
    after = counts + prior
    total = after.sum(axis=1)
    logs = digamma(after) - digamma(total)[:, np.newaxis]
    normalisers = gammaln(total) - gammaln(after).sum(axis=1) - gammaln(prior.sum()) + gammaln(prior).sum()
    return np.exp(logs), float((normalisers + (counts * logs).sum(axis=1)).sum())


def _normalise(counts: FloatArray) -> FloatArray:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _conclude(
    table: JudgmentTable, priors: _Priors, best: _Climb, objectives: tuple[float, ...], given: tuple[Any, ...]
) -> MaceResult:
    objective, iterations, converged, weights, expected = best
    theta, xi = weights.theta, weights.xi
    if priors.method == "vb":
        # For people: the means of the same distributions, which are probabilities.
        by_source = np.stack([expected.guesses.sum(axis=1), expected.knows.sum(axis=1)], axis=1)
        theta = _normalise(by_source + np.array([priors.alpha, priors.beta]))
        xi = _normalise(expected.guesses + priors.strategy)
    either = weights.theta[:, :1] * weights.xi + weights.theta[:, 1:]
    people, values = table.annotators, table.values
    knowing = expected.shares[table.items, values] * weights.theta[people, 1] / either[people, values]
    warnings = find_cautions(table)
    high = sum(objective - other <= SAME_HEIGHT * abs(objective) for other in objectives)
    if len(objectives) > 1 and high == 1:
        warnings = (
            f"Only one of {len(objectives)} starts came this high; another may come higher.",
            *warnings,
        )
    if not converged:
        sentence = f"MACE did not converge in {iterations} iterations; the numbers are provisional."
        warnings = (sentence, *warnings)
    return MaceResult(
        expected.shares, theta[:, 1], xi, knowing, expected.log_normaliser, objective, objectives,
        iterations, converged, None, warnings, *given,
    )  # fmt: skip
