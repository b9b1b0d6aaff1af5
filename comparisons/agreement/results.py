"""What every agreement coefficient returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Weights = Literal["identity", "linear", "quadratic", "ordinal"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A coefficient with its interval, its n and every parameter that it depends on.

    Either ``value``, ``low`` and ``high`` are numbers and ``reason`` is None, or all three are None and
    ``reason`` is a sentence for people. ``items`` and ``judgments`` (ratings) are those that the coefficient
    could use; ``annotators`` is None where the table was made from counts and nobody knows.
    """

    coefficient: str
    value: float | None
    low: float | None
    high: float | None
    reason: str | None
    items: int
    judgments: int
    annotators: int | None
    confidence: float
    n_resamples: int
    seed: int
    min_items: int


@dataclass(frozen=True, kw_only=True)
class AgreementResult(Estimate):
    """Krippendorff's α: at most 1; 0 is chance; below 0 is systematic disagreement.

    ``items``, ``judgments`` and ``annotators`` count only units that at least two people rated.
    ``raw_agreement`` in [0, 1] is the mean share of agreeing pairs of ratings within a unit, without any
    correction for chance; None if no unit is shared.
    """

    level: Level
    raw_agreement: float | None


@dataclass(frozen=True, kw_only=True)
class WeightedResult(Estimate):
    """A coefficient of the family (p_a − p_e) / (1 − p_e): at most 1; 0 is chance.

    ``raw_agreement`` in [0, 1] is p_a under the same ``weights``, so that high agreement with a low
    coefficient (nearly all answers the same) can be seen; None if no unit is shared.
    """

    weights: Weights
    raw_agreement: float | None
