"""A group's share beside that of everybody else, with people and not judgments as what is drawn.

Judgments of one person are alike, so each person is one number, the share of their own judgments, and counts once: the
analysis of cluster summaries, with Student's t for the mean of a group and Welch's test for the difference (R. J. Hayes
and L. H. Moulton, Cluster Randomised Trials, 2nd ed. 2017; B. L. Welch, Biometrika 34 (1947) 28–35). It also keeps
anybody who judged a lot from being the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from comparisons.quality import wilson_share

METHOD = "mean of people’s shares, Student’s t over people; Welch’s test against the rest, Holm"


@dataclass(frozen=True)
class GroupShare:
    """`value` in [0, 1] with its interval; `rest`, that of everybody else, and the p-value of their difference, None
    where the rest is too small or nobody differs from anybody."""

    value: float
    low: float
    high: float
    rest: float | None
    p: float | None


def group_share(
    own: npt.ArrayLike, rest: npt.ArrayLike, *, confidence: float = 0.95, min_rest: int = 2
) -> GroupShare:
    """`own` of shape (N,), N ≥ 2, and `rest` of shape (M,): each person's share in [0, 1].

    Where all of a group have the same share their spread says nothing, and the interval is Wilson's for N answers: that
    of shares of people is never wider. Raises ValueError for shares outside [0, 1] and fewer than two people.
    """
    mine, others = np.asarray(own, dtype=np.float64), np.asarray(rest, dtype=np.float64)
    if mine.ndim != 1 or others.ndim != 1 or len(mine) < 2:
        raise ValueError("needs the shares of two people or more")
    for shares in (mine, others):
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError("shares lie in [0, 1]")
    value, low, high = _interval(mine, confidence)
    if len(others) < max(min_rest, 2):
        return GroupShare(value, low, high, None, None)
    return GroupShare(value, low, high, float(others.mean()), _welch(mine, others))


def _welch(mine: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> float | None:
    """The two-sided p-value of a difference of means; None where nobody differs from anybody within either group."""
    if np.ptp(mine) == 0 and np.ptp(others) == 0:
        return None
    parts = np.array([shares.var(ddof=1) / len(shares) for shares in (mine, others)])
    freedom = parts.sum() ** 2 / (parts**2 / [len(mine) - 1, len(others) - 1]).sum()
    return float(2 * t.sf(abs(mine.mean() - others.mean()) / sqrt(parts.sum()), freedom))


def _interval(shares: npt.NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
    n, value = len(shares), float(shares.mean())
    if np.ptp(shares) == 0:
        found = wilson_share(round(value * n), n, confidence=confidence, min_n=1)
        return value, min(found.low or 0.0, value), max(found.high or 0.0, value)
    reach = float(t.ppf((1 + confidence) / 2, n - 1)) * float(shares.std(ddof=1)) / sqrt(n)
    return value, max(value - reach, 0.0), min(value + reach, 1.0)
