"""Dawid and Skene's model: the class of each item together with each person's error rates, by EM.

A. P. Dawid and A. M. Skene, *Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm*,
Applied Statistics 28 (1979), 20–28. An item is of class j with probability p_j; annotator a then names class l
with probability π^a_jl, independently of the others. The equations below are theirs.

EM starts from the shares of the judgments (3.1), which also fixes which class is which. It goes uphill to the
nearest maximum; another one may be higher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
    paper's maximum likelihood. EM stops once the log-posterior changes by less than ``tolerance`` of its size.

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
    incidence, previous, converged, iterations = table.incidence, -np.inf, False, 0
    by_item = incidence.T.tocsr()
    while True:
        # An item that nobody judged says nothing about how frequent the classes are.
        prior = _normalise(shares[judged > 0].sum(axis=0) + smoothing)
        confusion = _error_rates(incidence, shares, table, form, smoothing)
        shares, likelihood = _expected_classes(by_item, prior, confusion)
        posterior = likelihood + _log_prior(prior, confusion, table.annotators, form, smoothing)
        if abs(posterior - previous) <= tolerance * abs(posterior):
            converged = True
            break
        if iterations == max_iterations:
            break
        previous, iterations = posterior, iterations + 1

    warnings = find_cautions(table)
    if not converged:
        warnings = (
            f"EM did not converge in {max_iterations} iterations; the numbers are provisional.",
            *warnings,
        )
    return DawidSkeneResult(
        shares, confusion, prior, likelihood, posterior, iterations, converged, None, warnings,
        form, smoothing, tolerance, max_iterations,
    )  # fmt: skip


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


def _log_prior(
    prior: FloatArray, confusion: FloatArray, annotators: Any, form: Form, smoothing: float
) -> float:
    """Log-density of the Dirichlet priors without its constant; only people with judgments count."""
    if smoothing == 0:
        return 0.0
    used = confusion[np.unique(annotators)]
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
