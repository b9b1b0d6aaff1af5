"""Agreement between annotators: pure functions on arrays, no database."""

from comparisons.agreement.annotators import (
    AnnotatorResult,
    accuracy,
    agreement_with_others,
    annotator_accuracy,
    wilson_interval,
)
from comparisons.agreement.cohen import CohenResult, PairResult, cohen_kappa
from comparisons.agreement.fleiss import fleiss_kappa, raw_agreement
from comparisons.agreement.gwet import gwet_ac
from comparisons.agreement.icc import IccResult, intraclass_correlation
from comparisons.agreement.influence import Influence, leave_one_out
from comparisons.agreement.krippendorff import krippendorff_alpha
from comparisons.agreement.rankings import RankingResult, kendall_tau, kendall_w
from comparisons.agreement.resampling import Bootstrap
from comparisons.agreement.results import AgreementResult, Estimate, Level, WeightedResult, Weights
from comparisons.agreement.table import IndexedRatings, RatingTable, index_ratings, tabulate_ratings

__all__ = [
    "AgreementResult", "AnnotatorResult", "Bootstrap", "CohenResult", "Estimate", "IccResult", "IndexedRatings",
    "Influence", "Level", "PairResult", "RankingResult", "RatingTable", "WeightedResult", "Weights", "accuracy",
    "agreement_with_others", "annotator_accuracy", "cohen_kappa", "fleiss_kappa", "gwet_ac", "index_ratings",
    "intraclass_correlation", "kendall_tau", "kendall_w", "krippendorff_alpha", "leave_one_out", "raw_agreement",
    "tabulate_ratings", "wilson_interval",
]  # fmt: skip
