"""What judgments of every kind say about two completions: the votes that labels are made from.

A pairwise answer is one vote. A ranking votes on each two completions, by their places; a rating on each two,
by their overall values. Only the criterion `overall` speaks here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from django.db.models import QuerySet

from annotation.models import Criterion, Judgment
from comparisons.models import PairwiseAnswer, RankingAnswer, RatingAnswer
from exporters.labels import Vote


@dataclass(frozen=True, slots=True)
class Outcome:
    """`vote` of one judgment on the completions at positions `first` < `second` of an item."""

    item: int
    first: int
    second: int
    vote: Vote


def outcomes(kind: str, judgments: QuerySet[Judgment]) -> Iterator[Outcome]:
    """All votes of `judgments`, which are of protocols of this kind. Raises KeyError for another kind."""
    return READERS[kind](judgments)


def pairwise(judgments: QuerySet[Judgment]) -> Iterator[Outcome]:
    rows = PairwiseAnswer.objects.filter(judgment__in=judgments, criterion__key=Criterion.OVERALL)
    for item, judgment, preference in rows.values_list("judgment__item_id", "judgment_id", "preference"):
        yield Outcome(item, 0, 1, Vote(judgment, preference))


def ranking(judgments: QuerySet[Judgment]) -> Iterator[Outcome]:
    """Which of two is ranked higher; how far apart their places lie is no strength, so it is 1."""
    rows = RankingAnswer.objects.filter(judgment__in=judgments, criterion__key=Criterion.OVERALL)
    places = rows.values_list("judgment__item_id", "judgment_id", "completion__position", "rank")
    for item, first, second, judgment, difference in differences(places):
        yield Outcome(item, first, second, Vote(judgment, (difference < 0) - (difference > 0)))


def rating(judgments: QuerySet[Judgment]) -> Iterator[Outcome]:
    """The difference of the two overall values."""
    rows = RatingAnswer.objects.filter(judgment__in=judgments, criterion__key=Criterion.OVERALL)
    values = rows.values_list("judgment__item_id", "judgment_id", "completion__position", "value")
    for item, first, second, judgment, difference in differences(values):
        yield Outcome(item, first, second, Vote(judgment, difference))


def differences(
    values: Iterable[tuple[int, int, int, int]],
) -> Iterator[tuple[int, int, int, int, int]]:
    """(item, first, second, judgment, value of second − value of first) for every two positions."""
    by_judgment: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for item, judgment, position, value in values:
        by_judgment[item, judgment].append((position, value))
    for (item, judgment), places in sorted(by_judgment.items()):
        for (first, low), (second, high) in combinations(sorted(places), 2):
            yield item, first, second, judgment, high - low


READERS: dict[str, Callable[[QuerySet[Judgment]], Iterator[Outcome]]] = {
    "pairwise": pairwise,
    "ranking": ranking,
    "rating": rating,
}
