"""Tables of what judgments mean. `answers` and `texts` hold one typed table for each kind of answer."""

from comparisons.models.adjudication import AdjudicatedPreference, Adjudication, BlindAnswer
from comparisons.models.aggregates import Aggregate
from comparisons.models.agreement import AgreementReport
from comparisons.models.answers import (
    PairwiseAnswer,
    RankingAnswer,
    RatingAnswer,
    RatingChoice,
    SpanMark,
)
from comparisons.models.statistics import Statistic
from comparisons.models.strata import StratumFigure
from comparisons.models.texts import CritiqueAnswer, CritiquePrinciple, DemonstrationAnswer

__all__ = [
    "AdjudicatedPreference",
    "Adjudication",
    "Aggregate",
    "AgreementReport",
    "BlindAnswer",
    "CritiqueAnswer",
    "CritiquePrinciple",
    "DemonstrationAnswer",
    "PairwiseAnswer",
    "RankingAnswer",
    "RatingAnswer",
    "RatingChoice",
    "SpanMark",
    "Statistic",
    "StratumFigure",
]
