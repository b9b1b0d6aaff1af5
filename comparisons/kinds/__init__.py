"""The judgment kinds, one folder each. How to add one: docs/how-to/add-a-judgment-kind.md."""

from annotation.kinds import judgment_kinds
from comparisons.kinds.critique.answers import CritiqueKind
from comparisons.kinds.demonstration.answers import DemonstrationKind
from comparisons.kinds.pairwise.answers import PairwiseKind
from comparisons.kinds.ranking.answers import RankingKind
from comparisons.kinds.rating.answers import RatingKind

PAIRWISE = PairwiseKind()
RANKING = RankingKind()
RATING = RatingKind()
DEMONSTRATION = DemonstrationKind()
CRITIQUE = CritiqueKind()


def register_kinds() -> None:
    """Offer every kind to the workplace. Called once, by the app's `ready()`."""
    for kind in (PAIRWISE, RANKING, RATING, DEMONSTRATION, CRITIQUE):
        judgment_kinds.register(kind.key, kind)
