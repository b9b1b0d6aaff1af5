"""Dawid and Skene's model: the class of each item together with each person's error rates, by EM.

A. P. Dawid and A. M. Skene, *Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm*,
Applied Statistics 28 (1979), 20–28. An item is of class j with probability p_j; annotator a then names class l
with probability π^a_jl, independently of the others. The equations below are theirs.

EM starts from the shares of the judgments (3.1), which also fixes which class is which. It goes uphill to the
nearest maximum; another one may be higher. Its steps become short long before it is there, so each two of them are
drawn out into one (R. Varadhan and C. Roland, *Simple and Globally Convergent Methods for Accelerating the Convergence
of Any EM Algorithm*, Scandinavian Journal of Statistics 35 (2008) 335–353, scheme S3), where that leads higher up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal, NamedTuple

import numpy as np

from comparisons.aggregation.table import (
    FloatArray,
    JudgmentTable,
    find_cautions,
    find_obstacle,
    normalise_logs,
)

Form = Literal["full", "one_coin"]
SMOOTHING = 0.01
TOLERANCE = 1e-8
MAX_ITERATIONS = 2000
# The logarithm of a probability that is 0; no judgment that was made ever rests on it alone.
TINY = 1e-300


@dataclass(frozen=True)
class DawidSkeneResult:
    """The fit, with every parameter that it depends on.

    ``posterior`` has shape (I, K); ``confusion`` (A, K, K): row j, column l is the probability that the person
    names l where the class is j; ``class_prior`` (K,). ``log_likelihood`` is without the prior,
    ``log_posterior`` with it, up to a constant; they are equal for ``smoothing`` 0. All are None if ``reason``
    says why there is nothing. ``warnings`` are sentences; one of them speaks if EM has not converged.
    """

    posterior: FloatArray | None
    confusion: FloatArray | None
    class_prior: FloatArray | None
    log_likelihood: float | None
    log_posterior: float | None
    iterations: int
    converged: bool
    reason: str | None
    warnings: tuple[str, ...]
    form: Form
    smoothing: float
    tolerance: float
    max_iterations: int


def fit_dawid_skene(
    table: JudgmentTable,
    *,
    form: Form = "full",
    smoothing: float = SMOOTHING,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
) -> DawidSkeneResult:
    """Fit the model to a table.

    ``form="one_coin"`` gives each person one accuracy, with errors spread evenly over the other classes.
    ``smoothing`` ≥ 0 is added to every expected count (a Dirichlet prior with 1 + smoothing); 0 is the
    paper's maximum likelihood. It ends once a step of EM changes the log-posterior by less than ``tolerance`` of its
    size; an iteration is one such step and one that is drawn out.

    Raises ValueError for a negative smoothing, a tolerance that is not positive, or no iteration.
    """
    if not smoothing >= 0 or not tolerance > 0 or max_iterations < 1:
        raise ValueError("smoothing must be 0 or more, tolerance positive, max_iterations at least 1")
    reason = find_obstacle(table)
    if reason is not None:
        return DawidSkeneResult(
            None, None, None, None, None, 0, False, reason, (), form, smoothing, tolerance, max_iterations
        )  # fmt: skip

    counts, judged = table.counts, np.asarray(table.counts.sum(axis=1))
    shares = np.full(counts.shape, 1 / table.class_count)
    np.divide(counts, judged[:, np.newaxis], out=shares, where=judged[:, np.newaxis] > 0)
    model = _Model(table, judged > 0, form, smoothing)
    at, converged, iterations = model.look(model.parameters(shares)), False, 0
    while not converged and iterations < max_iterations:
        step = model.look(at.next)
        converged = abs(step.log_posterior - at.log_posterior) <= tolerance * abs(step.log_posterior)
        if not converged:
            iterations += 1
            leap = model.look(drawn_out(at.parameters, at.next, step.next))
            step = leap if leap.log_posterior > step.log_posterior else step
        at = step

    warnings = find_cautions(table)
    if not converged:
        warnings = (
            f"EM did not converge in {max_iterations} iterations; the numbers are provisional.",
            *warnings,
        )
    prior, confusion = at.parameters
    return DawidSkeneResult(
        at.shares, confusion, prior, at.log_likelihood, at.log_posterior, iterations, converged, None, warnings,
        form, smoothing, tolerance, max_iterations,
    )  # fmt: skip


Parameters = tuple[FloatArray, FloatArray]
"""The prior of the classes, shape (K,), and the confusion matrices, shape (A, K, K)."""
LEAST_SHARE = 0.01


class _Point(NamedTuple):
    """Parameters, what is expected of the items under them, how likely they are, and what EM makes of them."""

    parameters: Parameters
    shares: FloatArray
    log_likelihood: float
    log_posterior: float
    next: Parameters


class _Model:
    def __init__(self, table: JudgmentTable, is_judged: Any, form: Form, smoothing: float) -> None:
        self.table, self.is_judged, self.form, self.smoothing = table, is_judged, form, smoothing
        self.incidence = table.incidence
        self.by_item = self.incidence.T.tocsr()
        self.people = np.flatnonzero(np.bincount(table.annotators, minlength=table.annotator_count))

    def look(self, parameters: Parameters) -> _Point:
        prior, confusion = parameters
        shares, likelihood = _expected_classes(self.by_item, prior, confusion)
        posterior = likelihood + _log_prior(prior, confusion[self.people], self.form, self.smoothing)
        return _Point(parameters, shares, likelihood, posterior, self.parameters(shares))

    def parameters(self, shares: FloatArray) -> Parameters:
        """The most likely ones under what is expected of the items."""
        # An item that nobody judged says nothing about how frequent the classes are.
        prior = _normalise(shares[self.is_judged].sum(axis=0) + self.smoothing)
        return prior, _error_rates(self.incidence, shares, self.table, self.form, self.smoothing)


def drawn_out(start: Parameters, once: Parameters, twice: Parameters) -> Parameters:
    """Where two steps of EM would lead if they went on as they began (Varadhan and Roland, eq. 6 with S3)."""
    steps = [b - a for a, b in zip(start, once, strict=True)]
    bends = [c - 2 * b + a for a, b, c in zip(start, once, twice, strict=True)]
    bend = sqrt(sum(float((part**2).sum()) for part in bends))
    if bend == 0:
        return twice
    length = max(1.0, sqrt(sum(float((part**2).sum()) for part in steps)) / bend)
    prior, confusion = (
        # EM never comes back from a probability of 0, so none is taken far below where EM itself has it.
        _normalise(np.maximum(a + 2 * length * step + length**2 * turn, LEAST_SHARE * c))
        for a, step, turn, c in zip(start, steps, bends, twice, strict=True)
    )
    return prior, confusion


def _expected_classes(
    incidence_by_item: Any, prior: FloatArray, confusion: FloatArray
) -> tuple[FloatArray, float]:
    """Posterior of the classes, shape (I, K), and log-likelihood: equations 2.5 and 2.7."""
    k = len(prior)
    by_answer = np.log(np.maximum(confusion, TINY)).transpose(0, 2, 1).reshape(-1, k)
    logs = incidence_by_item @ by_answer + np.log(np.maximum(prior, TINY))
    shares, totals = normalise_logs(logs)
    # Items that nobody judged add log 1 = 0.
    return shares, float(totals.sum())


def _error_rates(
    incidence: Any, shares: FloatArray, table: JudgmentTable, form: Form, smoothing: float
) -> FloatArray:
    """Confusion matrices of shape (A, K, K): equation 2.3, with ``smoothing`` added to every count.

    A row without any count (no smoothing, and the person never met the class) is spread evenly.
    """
    k = table.class_count
    expected = (incidence @ shares).reshape(table.annotator_count, k, k).transpose(0, 2, 1)
    if form == "full":
        return _normalise(expected + smoothing)
    right = np.trace(expected, axis1=1, axis2=2)
    accuracy = _normalise(np.stack([right, expected.sum(axis=(1, 2)) - right], axis=1) + smoothing)[:, 0]
    one = np.eye(k, dtype=bool)
    scalar = accuracy[:, np.newaxis, np.newaxis]
    return np.where(one, scalar, (1 - scalar) / (k - 1))


def _log_prior(prior: FloatArray, used: FloatArray, form: Form, smoothing: float) -> float:
    """Log-density of the Dirichlet priors without its constant; `used` holds the matrices of people with judgments."""
    if smoothing == 0:
        return 0.0
    if form == "one_coin":
        used = np.stack([used[:, 0, 0], 1 - used[:, 0, 0]])
    logs = np.log(np.maximum(used, TINY)).sum() + np.log(np.maximum(prior, TINY)).sum()
    return float(smoothing * logs)


def _normalise(counts: FloatArray) -> FloatArray:
    """Rows (last axis) that sum to 1; a row of zeros becomes even."""
    totals = counts.sum(axis=-1, keepdims=True)
    result = np.full(counts.shape, 1 / counts.shape[-1])
    np.divide(counts, totals, out=result, where=totals > 0)
    return result
