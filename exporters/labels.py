"""From the judgments of one pair of completions to its label. Pure functions; no Django.

A preference is signed: negative when the first completion is better, 0 for about the same, positive when the
second is. A label keeps that sign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple


class Vote(NamedTuple):
    """One judgment of one pair: its id, its signed preference in steps of the protocol's scale, and whether the second
    completion was shown first (None: the pair was not shown side by side)."""

    judgment: int
    preference: int
    is_swapped: bool | None = None


class Estimate(NamedTuple):
    """Probability that the first completion is better, that they are the same, that the second is; they sum to 1."""

    first: float
    tie: float
    second: float


class Decision(NamedTuple):
    """What a reviewer decided on an item, for the reason that an `Adjudication` has. `preferences` are signed, by
    (first, second) completion, of the pairs that the decision says something of."""

    reason: str
    preferences: Mapping[tuple[int, int], int]


class Evidence(NamedTuple):
    """All that is known of a pair. `reference` came with the data: −1, +1 or None; `estimate` and `decided`, a
    reviewer's signed preference, are only looked up for labels that are made from them."""

    votes: Sequence[Vote]
    reference: int | None = None
    estimate: Estimate | None = None
    decided: int | None = None


class Label(NamedTuple):
    """`preference` < 0: the first completion is chosen; > 0: the second; 0: a tie.

    `second_share`: how sure that is, as the share in [0, 1] that speaks for the second, a tie counting half.
    `judgments` are the ids it rests on, ascending. `is_decided`: a reviewer said so.
    """

    preference: float
    second_share: float
    judgments: tuple[int, ...]
    is_decided: bool = False


Labeller = Callable[[Evidence], list[Label]]


def majority(evidence: Evidence) -> list[Label]:
    """One label: the side with more votes, whatever their strength.

    `preference` is (votes for the second − votes for the first) / votes, in [−1, 1]. As many votes on one
    side as on the other are a tie.
    """
    if not evidence.votes:
        return []
    balance = sum(map(side, evidence.votes)) / len(evidence.votes)
    return [Label(balance, (1 + balance) / 2, ids(evidence.votes))]


def mean_strength(evidence: Evidence) -> list[Label]:
    """One label: the mean of the signed preferences, in steps of the scale. Its `second_share` is the votes'."""
    votes = evidence.votes
    return [
        label._replace(preference=sum(vote.preference for vote in votes) / len(votes))
        for label in majority(evidence)
    ]


def every(evidence: Evidence) -> list[Label]:
    """One label for each judgment, in order of their ids."""
    return [
        Label(float(vote.preference), (1 + side(vote)) / 2, (vote.judgment,))
        for vote in sorted(evidence.votes, key=lambda vote: vote.judgment)
    ]


def dawid_skene(evidence: Evidence) -> list[Label]:
    """One label: the most probable class of Dawid and Skene's model (`exporters.estimates`).

    `preference` is the probability of the second less that of the first, and 0 where a tie is the most probable.
    """
    estimate = evidence.estimate
    if estimate is None:
        return []
    preference = (
        0.0 if estimate.tie >= max(estimate.first, estimate.second) else estimate.second - estimate.first
    )
    return [Label(preference, estimate.second + estimate.tie / 2, ids(evidence.votes))]


def adjudicated(evidence: Evidence) -> list[Label]:
    """One label: what a reviewer decided, as sure as a majority of all; the majority where nobody did.

    Its judgments are those of the pair: the reviewer decided after reading them, and no release holds a pair without.
    """
    if evidence.decided is None:
        return majority(evidence)
    said = sign(evidence.decided)
    return [Label(float(said), (1 + said) / 2, ids(evidence.votes), is_decided=True)]


def from_reference(evidence: Evidence) -> list[Label]:
    """The label that came with the data; it rests on no judgment."""
    if evidence.reference is None:
        return []
    return [Label(float(evidence.reference), (1 + evidence.reference) / 2, ())]


def side(vote: Vote) -> int:
    """−1 the first, 0 a tie, +1 the second."""
    return sign(vote.preference)


def sign(preference: int) -> int:
    return (preference > 0) - (preference < 0)


def ids(votes: Iterable[Vote]) -> tuple[int, ...]:
    return tuple(sorted(vote.judgment for vote in votes))


def agreement(votes: Sequence[Vote]) -> float:
    """The largest share of the votes that say the same (first, tie or second); 0 of none."""
    return max(Counter(map(side, votes)).values(), default=0) / max(len(votes), 1)


def holds_in_both_orders(votes: Iterable[Vote]) -> bool:
    """Whether the votes of either order of showing lean the same way; votes that had no order say nothing.

    With votes of one order alone there is nothing to hold against them, so the answer is no.
    """
    leanings: Counter[bool] = Counter()
    for vote in votes:
        if vote.is_swapped is None:
            return True
        leanings[vote.is_swapped] += side(vote)
    ways = {(leaning > 0) - (leaning < 0) for leaning in leanings.values()}
    return len(leanings) == 2 and len(ways) == 1


LABELS: dict[str, Labeller] = {
    "majority": majority,
    "every": every,
    "mean_strength": mean_strength,
    "dawid_skene": dawid_skene,
    "adjudicated": adjudicated,
    "reference": from_reference,
}
