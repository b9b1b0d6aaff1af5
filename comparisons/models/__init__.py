"""Tables of what judgments mean. `answers` holds one typed table for each kind of answer."""

from comparisons.models.agreement import AgreementReport
from comparisons.models.answers import (
    PairwiseAnswer,
    RankingAnswer,
    RatingAnswer,
    SpanMark,
)

__all__ = ["AgreementReport", "PairwiseAnswer", "RankingAnswer", "RatingAnswer", "SpanMark"]
