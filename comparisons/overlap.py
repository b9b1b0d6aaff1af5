"""Sequential overlap: an item gets one more judgment only while its preference is undecided.

Decided is what `comparisons.stopping.certainty` says of its answers: `DECIDED` or more.
"""

from django.db.models import Count, Q

from annotation.models import Criterion
from annotation.services.overlap import OverlapPolicy
from comparisons.models import PairwiseAnswer


def is_undecided(item_id: int) -> bool:
    """Whether the item's current overall judgments leave its preference open."""
    # Imported where it is used: SciPy takes a second to load.
    from comparisons.stopping import DECIDED, certainty

    counts = PairwiseAnswer.objects.filter(
        judgment__item=item_id,
        judgment__state="accepted",
        judgment__superseded_by__isnull=True,
        judgment__assignment__state="submitted",
        judgment__assignment__purpose="work",
        criterion__key=Criterion.OVERALL,
        turn__isnull=True,
    ).aggregate(
        first=Count("id", filter=Q(preference__lt=0)),
        second=Count("id", filter=Q(preference__gt=0)),
        ties=Count("id", filter=Q(preference=0)),
    )
    return float(certainty(**counts)) < DECIDED


SEQUENTIAL = OverlapPolicy(name="Until decided", kinds=frozenset({"pairwise"}), needs_more=is_undecided)
