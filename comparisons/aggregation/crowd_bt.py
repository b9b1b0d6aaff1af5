"""Bradley–Terry with the reliability of each annotator (Crowd-BT).

X. Chen, P. N. Bennett, K. Collins-Thompson and E. Horvitz, *Pairwise Ranking Aggregation in a Crowdsourced
Setting*, WSDM 2013: annotator a names the better model with probability ρ_a·σ(d) + (1 − ρ_a)·σ(−d), where d is
the difference of log-strengths. ρ is 1 for a person who follows the strengths, ½ for a coin, 0 for one who
always says the opposite. ρ has a Beta prior, the strengths a normal one: with reliabilities free the
likelihood alone does not say which way is up, nor how far apart the strengths are.

The posterior is not concave. The climb (L-BFGS) starts at equal strengths and prior mean reliability, so it
finds the maximum nearest to trusting everybody. Intervals come from the curvature there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse
from scipy.special import expit, log_expit

from comparisons.aggregation.comparison_table import TIE, ComparisonTable, find_gap
from comparisons.aggregation.leaderboard import Coverage, Standing, critical_value, pin_down, rank_models
from comparisons.aggregation.table import FloatArray, IntArray

# Chen et al. use Beta(10, 1); the ridge is theirs too in kind (a virtual node with a weight).
PRIOR_RIGHT, PRIOR_WRONG = 10.0, 1.0
RIDGE = 0.1
MAX_ITERATIONS = 2000


@dataclass(frozen=True)
class CrowdResult:
    """The fit. ``reliability`` has shape (A,), each in (0, 1); people without judgments have the prior's mode.

    The other fields are as in `BradleyTerryResult`; intervals allow for the uncertainty of the reliabilities.
    """

    leaderboard: tuple[Standing, ...]
    strengths: FloatArray | None
    covariance: FloatArray | None
    reliability: FloatArray | None
    log_likelihood: float | None
    iterations: int
    converged: bool
    reason: str | None
    warnings: tuple[str, ...]
    prior: tuple[float, float]
    ridge: float
    confidence: float
    coverage: Coverage


def fit_crowd_bt(
    table: ComparisonTable,
    annotators: npt.ArrayLike,
    *,
    annotator_count: int | None = None,
    prior: tuple[float, float] = (PRIOR_RIGHT, PRIOR_WRONG),
    ridge: float = RIDGE,
    confidence: float = 0.95,
    coverage: Coverage = "each",
    max_iterations: int = MAX_ITERATIONS,
) -> CrowdResult:
    """Fit strengths and reliabilities; ``annotators``, shape (R,), are indices from 0. A tie counts half.

    Raises ValueError for annotators that do not fit the table, covariates (not modelled here), a prior with
    Beta parameters below 1 or right not above wrong (upside down would be as good), and a ridge that is not
    positive.
    """
    people = np.asarray(annotators)
    if people.shape != table.left.shape or (len(people) and people.dtype.kind not in "iu"):
        raise ValueError("annotators need one whole index for each comparison")
    least = int(people.max()) + 1 if len(people) else 0
    size = least if annotator_count is None else annotator_count
    if size < least or (len(people) and int(people.min()) < 0):
        raise ValueError(f"an annotator index is below 0 or not below {size}")
    if table.effects:
        raise ValueError("Crowd-BT takes no covariates")
    if not (prior[0] > prior[1] >= 1) or not ridge > 0:
        raise ValueError("the prior needs right > wrong ≥ 1, and the ridge must be positive")
    reach = critical_value(confidence, max(len(table.names), 1), coverage)
    given = (prior, ridge, confidence, coverage)
    reason = _find_obstacle(table)
    if reason is not None:
        return CrowdResult((), None, None, None, None, 0, False, reason, (), *given)

    models = len(table.names)
    posterior = _Posterior(table, people.astype(np.int64), size, prior, ridge)
    start = np.concatenate([np.zeros(models), np.full(size, np.log(prior[0] / prior[1]))])
    found = optimize.minimize(
        posterior, start, jac=True, method="L-BFGS-B",
        options={"maxiter": max_iterations, "maxfun": 10 * max_iterations, "ftol": 1e-13, "gtol": 1e-6},
    )  # fmt: skip
    strengths = found.x[:models] - found.x[:models].mean()
    reliability = expit(found.x[models:])
    warnings: tuple[str, ...] = ()
    if not found.success:
        warnings = ("The ascent did not converge; the numbers are provisional.",)
    covariance = posterior.covariance(found.x)
    if covariance is None:
        reason = "The posterior is flat where the ascent ended, so the strengths have no intervals."
        return CrowdResult((), None, None, None, None, int(found.nit), False, reason, (), *given)
    return CrowdResult(
        rank_models(table.names, strengths, covariance, reach), strengths, covariance, reliability,
        posterior.log_likelihood(found.x), int(found.nit), bool(found.success), None, warnings, *given,
    )  # fmt: skip


class _Posterior:
    """Minus the log-posterior of (strengths, logits of reliability), with gradient and curvature.

    Each comparison is split into its two outcomes: a decided one has all its weight on one, a tie half on
    each. ``signs`` is 1 where the right model is better, in the half that is looked at.
    """

    def __init__(
        self, table: ComparisonTable, people: IntArray, size: int, prior: tuple[float, float], ridge: float
    ) -> None:
        signed = np.concatenate([np.ones(len(table)), -np.ones(len(table))])
        share = np.concatenate([(1 + table.outcomes) / 2, (1 - table.outcomes) / 2])
        used = share > 0
        self.weights = (share * np.tile(table.weights, 2))[used]
        self.people = np.tile(people, 2)[used]
        # Rows point from the beaten to the better model, so that d > 0 is what a reliable person says.
        both = sparse.vstack([table.design, table.design], format="csr")
        self.design = (sparse.diags_array(signed) @ both).tocsr()[used]
        self.models, self.size, self.prior, self.ridge = len(table.names), size, prior, ridge

    def __call__(self, point: FloatArray) -> tuple[float, FloatArray]:
        d, u, logs = self._parts(point)
        strengths, logits = point[: self.models], point[self.models :]
        right, wrong = self.prior
        value = float(self.weights @ logs) - self.ridge * float(strengths @ strengths) / 2
        # Density on the logit scale: the mode of ρ is then the prior mean right/(right + wrong).
        value += float((right * log_expit(logits) + wrong * log_expit(-logits)).sum())
        by_d, by_u, *_ = _derivatives(d, u, logs)
        slope = self.design.T @ (self.weights * by_d) - self.ridge * strengths
        people = np.bincount(self.people, weights=self.weights * by_u, minlength=self.size)
        people += right - (right + wrong) * expit(logits)
        return -value, -np.concatenate([slope, people])

    def log_likelihood(self, point: FloatArray) -> float:
        return float(self.weights @ self._parts(point)[2])

    def covariance(self, point: FloatArray) -> FloatArray | None:
        """Of the strengths, with the reliabilities integrated out (Schur complement); None if not positive."""
        d, u, logs = self._parts(point)
        _, _, dd, du, uu = _derivatives(d, u, logs)
        strengths = -(self.design.T @ sparse.diags_array(self.weights * dd) @ self.design).toarray()
        strengths += self.ridge * np.eye(self.models)
        rho = expit(point[self.models :])
        people = -np.bincount(self.people, weights=self.weights * uu, minlength=self.size)
        people += sum(self.prior) * rho * (1 - rho)
        entries = (np.ones(len(d)), (np.arange(len(d)), self.people))
        membership: Any = sparse.csr_array(entries, shape=(len(d), self.size))
        cross = -(self.design.T @ sparse.diags_array(self.weights * du) @ membership).toarray()
        if not bool((people > 0).all()):
            return None
        information = strengths - (cross / people) @ cross.T
        pin = pin_down(self.models, self.models)
        if np.linalg.eigvalsh(information)[0] <= 0:
            return None
        project = np.eye(self.models) - pin
        return np.asarray(project @ np.linalg.inv(information + pin) @ project)

    def _parts(self, point: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Differences d, logits u, and log-probability of what was said, each for one (half) comparison."""
        d, u = self.design @ point[: self.models], point[self.models :][self.people]
        logs = np.logaddexp(log_expit(u) + log_expit(d), log_expit(-u) + log_expit(-d))
        return d, u, logs


def _derivatives(d: FloatArray, u: FloatArray, logs: FloatArray) -> tuple[FloatArray, ...]:
    """Of log p for p = ρσ(d) + (1 − ρ)σ(−d) = ½(1 + tanh(u/2)·tanh(d/2)): by d, u, dd, du and uu."""
    p, x, y = np.exp(logs), np.tanh(u / 2), np.tanh(d / 2)
    dx, dy = (1 - x**2) / 2, (1 - y**2) / 2
    by_d, by_u = x * dy / (2 * p), y * dx / (2 * p)
    dd, uu = -x * y * dy / (2 * p) - by_d**2, -x * y * dx / (2 * p) - by_u**2
    return by_d, by_u, dd, dx * dy / (2 * p) - by_d * by_u, uu


def _find_obstacle(table: ComparisonTable) -> str | None:
    if len(table.names) < 2:
        return "Needs 2 models to compare."
    if not len(table):
        return "There are no comparisons."
    if bool((table.outcomes == TIE).all()):
        return "All comparisons are ties, so nothing tells reliable people from others."
    # The prior bounds a model that always won, but nothing places parts that never met.
    met = (np.concatenate([table.left, table.right]), np.concatenate([table.right, table.left]))
    return find_gap(met, table.names)
