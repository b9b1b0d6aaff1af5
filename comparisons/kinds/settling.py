"""What a reviewer's answer says of every two completions, for the kinds that can be adjudicated.

The screen is in the order of import, so A is the first completion. One function for each kind; the outcomes are those
that `pairwise_outcomes` reads from a judgment with the same answer. A written text has none: nobody disagrees on it.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from annotation.kinds import Screen
from comparisons.kinds.criteria import CHOICE
from comparisons.kinds.pairwise.answers import Comparison
from comparisons.kinds.ranking.answers import Tiers, all_ranks
from comparisons.kinds.rating.answers import Ratings


class Settled(NamedTuple):
    """As a `PairwiseOutcome`, but of no judgment: completion ids, < 0: the first is better."""

    criterion: str
    first: int
    second: int
    preference: int


def of_comparison(parsed: Comparison, screen: Screen) -> Iterator[Settled]:
    first, second = (completion.pk for completion in screen.completions)
    for criterion in screen.criteria:
        yield Settled(criterion.key, first, second, parsed.whole[criterion.key].preference)


def of_ranking(parsed: Mapping[str, Tiers], screen: Screen) -> Iterator[Settled]:
    for criterion in screen.criteria:
        ranks = all_ranks(parsed[criterion.key], screen.labels)
        yield from _by_score(criterion.key, {label: -rank for label, rank in ranks.items()}, screen)


def of_ratings(parsed: Ratings, screen: Screen) -> Iterator[Settled]:
    """Nothing of a completion to which a criterion does not apply; the choice against each other completion."""
    for criterion in screen.criteria:
        values = {label: parsed.values[label][criterion.key] for label in screen.labels}
        scores = {label: value for label, value in values.items() if value is not None}
        yield from _by_score(criterion.key, scores, screen)
    if parsed.choice is None:
        return
    chosen = screen.by_label[parsed.choice].pk
    for first, second in combinations([completion.pk for completion in screen.completions], 2):
        if chosen in (first, second):
            yield Settled(CHOICE, first, second, -1 if chosen == first else 1)


def _by_score(criterion: str, scores: Mapping[str, int], screen: Screen) -> Iterator[Settled]:
    """Of every two completions with a score, of which the higher is better."""
    scored = [
        (completion.pk, scores[label]) for label, completion in screen.by_label.items() if label in scores
    ]
    for (first, a), (second, b) in combinations(scored, 2):
        yield Settled(criterion, first, second, b - a)


SETTLED: dict[str, Callable[[Any, Screen], Iterator[Settled]]] = {
    "pairwise": of_comparison,
    "ranking": of_ranking,
    "rating": of_ratings,
}
"""By kind, from what its `parse` gives."""
