"""What an annotator sees of their own quality: one of two bands, never a number, a rank or a gold answer."""

from collections.abc import Sequence

from django.db.models import OuterRef, Subquery

from annotation.models import Membership
from annotation.panels import LOOK_TOGETHER, ON_TARGET
from comparisons.models import Statistic
from comparisons.proposals import RULES, proposals_for


def bands_of(annotators: Sequence[Membership]) -> dict[int, str]:
    """By annotator id, from the newest figures of their project: somebody with a proposal is to be looked at together,
    somebody without one and with enough gold answers is on target. Of all others nothing is said."""
    newest = Statistic.objects.filter(project=OuterRef("project")).order_by("-computed_at", "-id")
    figures = Statistic.objects.filter(
        annotator__in=annotators, name__in=[name for name, _ in RULES], job=Subquery(newest.values("job")[:1])
    )
    of: dict[int, dict[str, Statistic]] = {}
    for figure in figures:
        if figure.annotator_id is not None:
            of.setdefault(figure.annotator_id, {})[figure.name] = figure
    bands = {}
    for annotator, own in of.items():
        if proposals_for(own):
            bands[annotator] = LOOK_TOGETHER
        elif "gold_accuracy" in own and own["gold_accuracy"].value is not None:
            bands[annotator] = ON_TARGET
    return bands
