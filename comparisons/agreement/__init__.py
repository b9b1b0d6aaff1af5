"""Agreement between annotators: pure functions on arrays, no database."""

from comparisons.agreement.krippendorff import AgreementResult, Level, krippendorff_alpha
from comparisons.agreement.table import RatingTable, tabulate_ratings

__all__ = ["AgreementResult", "Level", "RatingTable", "krippendorff_alpha", "tabulate_ratings"]
