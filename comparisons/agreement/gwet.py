"""Gwet's AC1 and AC2: agreement beyond a chance that does not collapse when nearly all answers are the same.

AC = (p_a − p_e) / (1 − p_e) with p_e = T_w / (Q (Q − 1)) · Σ_q π_q (1 − π_q), T_w the sum of the weights and Q the
number of values of the scale (K. L. Gwet, *Computing inter-rater reliability and its variance in the presence of
high agreement*, 2008; *Handbook of Inter-Rater Reliability*, 4th ed. 2014, ch. 4 and 5). AC1 has identity weights.
"""

from __future__ import annotations

import numpy as np

from comparisons.agreement.resampling import Bootstrap, FloatArray
from comparisons.agreement.results import WeightedResult, Weights
from comparisons.agreement.table import RatingTable
from comparisons.agreement.weights import Correction, corrected_agreement


def gwet_ac(table: RatingTable, bootstrap: Bootstrap, *, weights: Weights = "identity") -> WeightedResult:
    """AC1 (identity weights) or AC2 of a table, with a bootstrap interval over items.

    Q is the number of columns of the table, used or not: give `tabulate_ratings` the whole scale as ``domain``,
    or a value that nobody chose does not count. Units with one rating count for π. ``reason`` says so if too few
    items are shared or all answers are the same. Raises ValueError for text with other weights.
    """
    name = "gwet_ac1" if weights == "identity" else "gwet_ac2"
    return corrected_agreement(table, weights, bootstrap, coefficient=name, correction=_chance)


def _chance(weighting: FloatArray) -> Correction:
    q = len(weighting)

    def coefficient(raw: FloatArray, shares: FloatArray) -> FloatArray:
        chance = weighting.sum() / (q * (q - 1)) * (shares * (1 - shares)).sum(axis=1)
        # Chance is 0 where all drawn answers are the same: not undefined for AC, but full agreement.
        return np.asarray((raw - chance) / (1 - chance))

    return coefficient
