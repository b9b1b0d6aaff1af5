"""How far place and form move preferences: one logistic regression with errors that allow for shared items.

    logit P(the response shown first is preferred) = β₀ + Σⱼ βⱼ · (xⱼ of the first − xⱼ of the second)

β₀ is the lean to the first place when nothing else differs; βⱼ is the effect of a trait at equal place and equal other
traits. "About the same" counts half for either side, a fractional response (L. E. Papke and J. M. Wooldridge, Journal
of Applied Econometrics 11 (1996) 619–632). Judgments of one item are not independent, so the covariance is the cluster
sandwich over items (K.-Y. Liang and S. L. Zeger, Biometrika 73 (1986) 13–22) with the factor C/(C−1) for C items.
Several effects are looked at together: each has its p-value after S. Holm (Scandinavian Journal of Statistics 6 (1979)
65–70) beside its own interval.

An effect is what goes with being preferred. Better answers may also be longer: the regression cannot tell a taste for
length from that, and its page says so. Only the place is drawn at random, so only β₀ is a cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # loads `special` and `stats` when they are first used: pages name the traits and fit nothing

FloatArray = npt.NDArray[np.float64]

PLACE = "position"
MIN_ITEMS = 30
ROUNDS_MAX = 50
LOG_ODDS_MAX = 15.0
"""Beyond it an effect is not estimated but runs away: some combination of traits tells every answer."""


@dataclass(frozen=True)
class Effect:
    """`log_odds` with `low` and `high`; `points` is the same as a change of probability from one half, in percentage
    points in [−50, 50]. `p_holm` in [0, 1] is the p-value adjusted for all effects of the report."""

    key: str
    log_odds: float
    low: float
    high: float
    points: float
    points_low: float
    points_high: float
    p_holm: float


@dataclass(frozen=True)
class BiasReport:
    """Either `effects`, the place first, or none and the `reason`. `converged` tells whether the fit came to an end."""

    effects: tuple[Effect, ...]
    judgments: int
    items: int
    reason: str | None
    confidence: float
    converged: bool
    method: str = "fractional logit, covariance clustered by item, Holm over effects"


def preference_effects(
    preferred_first: npt.ArrayLike,
    differences: npt.ArrayLike,
    items: npt.ArrayLike,
    *,
    keys: Sequence[str],
    confidence: float = 0.95,
    min_items: int = MIN_ITEMS,
) -> BiasReport:
    """Fit R judgments: `preferred_first` of shape (R,) with 1, 0 or 0.5, `differences` of shape (R, P) first − second
    for the P traits `keys`, `items` of shape (R,) any labels.

    Traits that never differ are left out of the fit and of the report. Raises ValueError for shapes that do not fit
    together, outcomes outside [0, 1] and numbers that are not finite.
    """
    outcome, x, cluster = _checked(preferred_first, differences, items, keys)
    varies = np.ptp(x, axis=0) > 0 if len(x) else np.zeros(len(keys), dtype=bool)
    names = [PLACE, *(key for key, used in zip(keys, varies, strict=True) if used)]
    design = np.column_stack([np.ones(len(x)), x[:, varies]])
    n_items = int(cluster.max()) + 1 if len(cluster) else 0

    def nothing(reason: str, *, converged: bool = True) -> BiasReport:
        return BiasReport((), len(outcome), n_items, reason, confidence, converged)

    if n_items < max(min_items, 2):
        return nothing(f"Needs {max(min_items, 2)} items, has {n_items}.")
    if np.ptp(outcome) == 0:
        return nothing(f"All {len(outcome)} answers are the same.")
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return nothing("Two traits always go together, so their effects cannot be told apart.")
    beta, converged = _fit(outcome, design)
    if not converged or np.abs(design @ beta).max() > 2 * LOG_ODDS_MAX or np.abs(beta).max() > LOG_ODDS_MAX:
        return nothing(
            "The traits tell nearly every answer, so no finite effect fits the data.", converged=converged
        )
    errors = np.sqrt(np.diag(_clustered(outcome, design, beta, cluster)))
    z = float(scipy.stats.norm.ppf((1 + confidence) / 2))
    p_values = holm(2 * scipy.stats.norm.sf(np.abs(beta) / errors))
    effects = tuple(
        Effect(name, b, b - z * e, b + z * e, _points(b), _points(b - z * e), _points(b + z * e), p)
        for name, b, e, p in zip(names, beta.tolist(), errors.tolist(), p_values.tolist(), strict=True)
    )
    return BiasReport(effects, len(outcome), n_items, None, confidence, True)


def _checked(
    preferred_first: npt.ArrayLike, differences: npt.ArrayLike, items: npt.ArrayLike, keys: Sequence[str]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    outcome = np.asarray(preferred_first, dtype=np.float64)
    x = np.asarray(differences, dtype=np.float64)
    labels = np.asarray(items)
    if outcome.ndim != 1 or labels.shape != outcome.shape or x.shape != (len(outcome), len(keys)):
        raise ValueError("needs one outcome and one item for each judgment, and one column for each trait")
    if not np.isfinite(outcome).all() or not np.isfinite(x).all():
        raise ValueError("outcomes and differences must be finite numbers")
    if len(outcome) and (outcome.min() < 0 or outcome.max() > 1):
        raise ValueError("outcomes lie in [0, 1]")
    _, cluster = np.unique(labels, return_inverse=True)
    return outcome, x, cluster.astype(np.int64)


def _fit(outcome: FloatArray, design: FloatArray) -> tuple[FloatArray, bool]:
    """Newton's method on the concave quasi-likelihood, steps halved until it rises. Answers (β, converged)."""

    def value(beta: FloatArray) -> float:
        eta = design @ beta
        return float(outcome @ eta - np.logaddexp(0.0, eta).sum())

    beta = np.zeros(design.shape[1])
    at = value(beta)
    for _ in range(ROUNDS_MAX):
        fitted = scipy.special.expit(design @ beta)
        gradient = design.T @ (outcome - fitted)
        information = (design * (fitted * (1 - fitted))[:, np.newaxis]).T @ design
        if np.linalg.cond(information) > 1e12:
            return beta, False
        step = np.linalg.solve(information, gradient)
        if np.abs(step).max() < 1e-10:
            return beta, True
        while (new := value(beta + step)) < at and np.abs(step).max() > 1e-12:
            step = step / 2
        beta, at = beta + step, new
    return beta, False


def _clustered(
    outcome: FloatArray, design: FloatArray, beta: FloatArray, cluster: npt.NDArray[np.int64]
) -> FloatArray:
    """The sandwich A⁻¹ B A⁻¹, shape (P + 1, P + 1); B sums the outer products of each item's score."""
    fitted = scipy.special.expit(design @ beta)
    bread = np.linalg.inv((design * (fitted * (1 - fitted))[:, np.newaxis]).T @ design)
    scores = np.zeros((int(cluster.max()) + 1, design.shape[1]))
    np.add.at(scores, cluster, design * (outcome - fitted)[:, np.newaxis])
    count = len(scores)
    return np.asarray(bread @ (scores.T @ scores) @ bread * (count / (count - 1)))


def _points(log_odds: float) -> float:
    return float(100 * (scipy.special.expit(log_odds) - 0.5))


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """Holm's adjusted p-values, in the order given; shape (E,)."""
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw)
    scaled = raw[order] * np.arange(len(raw), 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted
