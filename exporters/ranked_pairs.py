"""Which two completions of a ranking make a row. Pure functions; no Django.

Rows from all pairs of a long ranking outweigh those of a short one, and say the same thing several times over:
L. Ouyang et al., *Training language models to follow instructions with human feedback*, 2022, section 3.5. So a release
may keep neighbours only, or the best against the worst.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from exporters.labels import Vote

Votes = Mapping[tuple[int, int], Sequence[Vote]]
"""By (first, second) completion."""
Kept = dict[tuple[int, int], list[Vote]]


def kept_pairs(votes: Votes, which: str, *, by_judgment: bool) -> Kept:
    """The votes on the pairs that are wanted: `which` is all, adjacent or best_worst.

    `by_judgment`: each ranking chooses its own pairs. Otherwise they are those of the order of all rankings together,
    by the pairs a completion won less those it lost (Borda's count).
    """
    if which == "all":
        return {pair: list(found) for pair, found in votes.items()}
    if not by_judgment:
        wanted = chosen(votes, which)
        return {pair: list(found) for pair, found in votes.items() if pair in wanted}
    rankings: dict[int, dict[tuple[int, int], list[Vote]]] = defaultdict(dict)
    for pair, found in votes.items():
        for vote in found:
            rankings[vote.judgment][pair] = [vote]
    kept: Kept = defaultdict(list)
    for ranking in rankings.values():
        for pair in chosen(ranking, which):
            kept[pair] += ranking[pair]
    return kept


def pairs_of_order(preferences: Mapping[tuple[int, int], int], which: str) -> set[tuple[int, int]]:
    """The pairs that are wanted of one order, given by the signed preference on each pair."""
    return chosen({pair: [Vote(0, preference)] for pair, preference in preferences.items()}, which)


def chosen(votes: Votes, which: str) -> set[tuple[int, int]]:
    """The pairs of neighbouring or of outermost levels; completions with the same score are on one level."""
    scores: dict[int, int] = defaultdict(int)
    for (first, second), found in votes.items():
        won = sum((vote.preference < 0) - (vote.preference > 0) for vote in found)
        scores[first] += won
        scores[second] -= won
    order = sorted(set(scores.values()))
    level = {completion: order.index(score) for completion, score in scores.items()}
    if which == "adjacent":
        return {pair for pair in votes if abs(level[pair[0]] - level[pair[1]]) <= 1}
    ends = {0, len(order) - 1}
    return {pair for pair in votes if {level[pair[0]], level[pair[1]]} == ends}
