"""Sequential overlap: an item gets one more judgment only while its preference is undecided.

With a uniform prior, the share p of annotators who prefer the second completion has the posterior
Beta(1 + s, 1 + f) after s judgments for the second and f for the first, a tie counting half for each
(Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.1). The item is decided once the probability that p lies
on its likelier side of one half reaches `DECIDED`: two that agree reach 0.875, three of four 0.8125.
"""

from django.db.models import Count, Q

from annotation.models import Criterion
from annotation.services.overlap import OverlapPolicy
from comparisons.models import PairwiseAnswer

DECIDED = 0.85


def certainty(first: int, second: int, ties: int = 0) -> float:
    """Posterior probability, in [0.5, 1], that the majority prefers the completion that leads.

    `first`, `second`: judgments for either; `ties`: about the same.
    """
    from scipy.special import betainc  # imported where it is used: web processes seldom need it

    below = float(betainc(1 + second + ties / 2, 1 + first + ties / 2, 0.5))
    return max(below, 1 - below)


def is_undecided(item_id: int) -> bool:
    """Whether the item's current overall judgments leave its preference open."""
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
    return certainty(**counts) < DECIDED


SEQUENTIAL = OverlapPolicy(name="Until decided", kinds=frozenset({"pairwise"}), needs_more=is_undecided)
