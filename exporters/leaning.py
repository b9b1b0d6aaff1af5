"""Whose judgments a release leaves out because they lean to the place where a completion stands."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from annotation.models import Judgment
from comparisons.models import PairwiseAnswer
from comparisons.quality import wilson_share

SHOWN_FIRST = Q(judgment__display_order__0=0, preference__lt=0) | Q(
    judgment__display_order__0=1, preference__gt=0
)


def leaning_people(judgments: QuerySet[Judgment], criterion: str, max_lean: float) -> frozenset[int]:
    """Annotators whose share of preferences for the place shown first is surely further from one half than
    `max_lean`: Wilson's 95 % interval lies beyond it as a whole. With few answers nobody is.

    Places are drawn at random, so it is the place that moves them. Ties say nothing of it.
    """
    answers = PairwiseAnswer.objects.filter(
        judgment__in=judgments, criterion__key=criterion, turn__isnull=True
    ).exclude(preference=0)
    by_person = answers.order_by().values_list("judgment__annotator_id")
    counts = by_person.annotate(first=Count("pk", filter=SHOWN_FIRST), n=Count("pk"))
    return frozenset(annotator for annotator, first, n in counts if is_beyond(first, n, max_lean))


def is_beyond(first: int, n: int, max_lean: float) -> bool:
    share = wilson_share(first, n)
    if share.low is None or share.high is None:
        return False
    return share.low > 0.5 + max_lean or share.high < 0.5 - max_lean
