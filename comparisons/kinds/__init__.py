"""The judgment kinds, one folder each. How to add one: docs/how-to/add-a-judgment-kind.md."""

from annotation.kinds import judgment_kinds
from comparisons.kinds.pairwise.answers import PairwiseKind
from comparisons.kinds.ranking.answers import RankingKind
from comparisons.kinds.rating.answers import RatingKind

PAIRWISE = PairwiseKind()
RANKING = RankingKind()
RATING = RatingKind()


def register_kinds() -> None:
    """Offer every kind to the workplace. Called once, by the app's `ready()`."""
    for kind in (PAIRWISE, RANKING, RATING):
        judgment_kinds.register(kind.key, kind)
