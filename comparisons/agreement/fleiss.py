"""Fleiss' κ and the raw agreement p_a.

κ = (p_a − p_e) / (1 − p_e) with p_e = Σ_kl w_kl π_k π_l (J. L. Fleiss, *Measuring nominal scale agreement among many
raters*, 1971). For units with different numbers of ratings, and for weights, it is Gwet's generalisation (*Handbook
of Inter-Rater Reliability*, 4th ed. 2014, ch. 5), the same as Fleiss' where all numbers are equal.
"""

from __future__ import annotations

import numpy as np

from comparisons.agreement.resampling import Bootstrap, FloatArray
from comparisons.agreement.results import WeightedResult, Weights
from comparisons.agreement.table import RatingTable
from comparisons.agreement.weights import Correction, corrected_agreement, without_correction


def fleiss_kappa(
    table: RatingTable, bootstrap: Bootstrap, *, weights: Weights = "identity"
) -> WeightedResult:
    """Fleiss' κ of a table, with a bootstrap interval over items.

    Units with one rating count for π. ``reason`` says so if too few items are shared, or all answers are (nearly)
    the same: κ is 0/0 then. Raises ValueError for text with weights other than identity.
    """
    return corrected_agreement(table, weights, bootstrap, coefficient="fleiss_kappa", correction=_chance)


def raw_agreement(
    table: RatingTable, bootstrap: Bootstrap, *, weights: Weights = "identity"
) -> WeightedResult:
    """p_a in [0, 1]: the mean share of agreeing pairs within a unit, with a bootstrap interval over items.

    If all answers are the same there is a sentence and no number, as no interval could be believed;
    ``raw_agreement`` of the result is 1 then.
    """
    return corrected_agreement(
        table, weights, bootstrap, coefficient="raw_agreement", correction=without_correction
    )


def _chance(weighting: FloatArray) -> Correction:
    def coefficient(raw: FloatArray, shares: FloatArray) -> FloatArray:
        expected = ((shares @ weighting) * shares).sum(axis=1)
        result = np.full(len(raw), np.nan)
        is_defined = ((shares > 0).sum(axis=1) >= 2) & (expected < 1)
        np.divide(raw - expected, 1 - expected, out=result, where=is_defined)
        return result

    return coefficient
