"""How sure the answers to an item make us of what most people would prefer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

FloatArray = npt.NDArray[np.float64]

DECIDED = 0.85
"""An item is decided from this certainty on: two that agree reach 0.875, three of four 0.8125, four of five 0.8906."""

MIN_JUDGMENTS = 3
"""With two, one slip of one person looks like a split; from three on there is a majority to stand against. Fewer
judgments are called few, never contested."""


def certainty(first: npt.ArrayLike, second: npt.ArrayLike, ties: npt.ArrayLike = 0) -> FloatArray:
    """Posterior probability, in [0.5, 1], that the majority prefers the completion that leads; shape of the arguments.

    `first`, `second`: judgments for either; `ties`: about the same. With a uniform prior, the share p of annotators who
    prefer the second has the posterior Beta(1 + s, 1 + f) after s judgments for the second and f for the first, a tie
    counting half for each (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.1). The certainty is the
    probability that p lies on its likelier side of one half. Raises ValueError for a count below 0.
    """
    f, s, t = _counts(first, second, ties)
    below = _below_half(1 + s + t / 2, 1 + f + t / 2)
    return np.asarray(np.maximum(below, 1 - below))


def tie_probability(first: npt.ArrayLike, second: npt.ArrayLike, ties: npt.ArrayLike) -> FloatArray:
    """Posterior probability, in [0, 1], that the majority sees both as about the same; shape of the arguments.

    As `certainty`, for the share of annotators who say so: Beta(1 + t, 1 + f + s). Three people who all say so leave no
    completion in the lead, and agree. Raises ValueError for a count below 0.
    """
    f, s, t = _counts(first, second, ties)
    return _below_half(1 + f + s, 1 + t)


def _below_half(a: FloatArray, b: FloatArray) -> FloatArray:
    """P(p < 1/2) of p ~ Beta(a, b). scipy loads `special` when it is first used, not with this module."""
    return np.asarray(scipy.special.betainc(a, b, 0.5))


def _counts(*given: npt.ArrayLike) -> list[FloatArray]:
    arrays = [np.asarray(counts, dtype=np.float64) for counts in given]
    if not all(bool(np.all(counts >= 0)) for counts in arrays):
        raise ValueError("counts of judgments are 0 or more")
    return arrays
