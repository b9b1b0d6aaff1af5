"""Strengths on one scale with their intervals, and the Newton ascent that finds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import linalg
from scipy.stats import norm

from comparisons.aggregation.table import FloatArray

Coverage = Literal["each", "simultaneous"]
# The squared Newton decrement is twice what the objective can still gain.
DECREMENT = 1e-10
MAX_ITERATIONS = 100
MAX_HALVINGS = 40

Objective = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]


@dataclass(frozen=True)
class Standing:
    """One model on a leaderboard: log-strength (the mean of all is 0), standard error and interval."""

    model: int
    name: str
    strength: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """One parameter beside the strengths, with standard error and (each) interval."""

    name: str
    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Ascent:
    """Where a Newton ascent ended. ``information`` is minus the second derivative there."""

    point: FloatArray
    value: float
    information: FloatArray
    iterations: int
    converged: bool


def climb(objective: Objective, start: FloatArray, pinned: int) -> Ascent:
    """Maximise a concave function by Newton's method with halved steps.

    ``objective`` gives value, gradient and information (minus the Hessian). The first ``pinned`` parameters
    only matter up to a common constant; their sum stays what it is at the start.
    """
    point, pin = start, pin_down(len(start), pinned)
    value, gradient, information = objective(point)
    for iteration in range(1, MAX_ITERATIONS + 1):
        try:
            step = linalg.cho_solve(linalg.cho_factor(information + pin), gradient)
        except linalg.LinAlgError:
            return Ascent(point, value, information, iteration, False)
        gain = float(gradient @ step)
        if gain < DECREMENT:
            # The last step doubles the digits; what it gains is lost in the rounding of the value.
            point = point + step
            value, _, information = objective(point)
            return Ascent(point, value, information, iteration, True)
        size = 1.0
        for _ in range(MAX_HALVINGS):
            found = objective(point + size * step)
            if found[0] >= value + 1e-4 * size * gain:
                break
            size /= 2
        else:
            return Ascent(point, value, information, iteration, False)
        point = point + size * step
        value, gradient, information = found
    return Ascent(point, value, information, MAX_ITERATIONS, False)


def pin_down(size: int, pinned: int) -> FloatArray:
    """Curvature, shape (size, size), along the common constant of the first ``pinned`` parameters."""
    direction = np.zeros(size)
    direction[:pinned] = 1 / np.sqrt(max(pinned, 1))
    return np.asarray(np.outer(direction, direction))


def covariance_of(information: FloatArray, pinned: int) -> FloatArray:
    """Covariance of all parameters given that the first ``pinned`` sum to 0."""
    pin = pin_down(len(information), pinned)
    project = np.eye(len(information)) - pin
    inverse = np.linalg.inv(information + pin)
    return np.asarray(project @ inverse @ project)


def critical_value(confidence: float, models: int, coverage: Coverage) -> float:
    """How many standard errors an interval reaches to each side.

    ``simultaneous`` is Šidák's: all ``models`` intervals hold together with at least ``confidence``, whatever
    the correlations (Z. Šidák, Journal of the American Statistical Association 62, 1967). Raises ValueError for
    a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError("confidence must lie between 0 and 1")
    single = confidence if coverage == "each" else confidence ** (1 / models)
    return float(norm.ppf((1 + single) / 2))


def rank_models(
    names: tuple[str, ...], strengths: FloatArray, covariance: FloatArray, reach: float
) -> tuple[Standing, ...]:
    """The leaderboard, strongest first; equal strengths in the order of ``names``."""
    errors = np.sqrt(np.diag(covariance)[: len(names)])
    return tuple(
        Standing(
            int(m), names[m], float(strengths[m]), float(errors[m]),
            float(strengths[m] - reach * errors[m]), float(strengths[m] + reach * errors[m]),
        )
        for m in np.argsort(-strengths, kind="stable")
    )  # fmt: skip
