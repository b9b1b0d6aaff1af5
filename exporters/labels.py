"""From the judgments of one pair of completions to its label. Pure functions; no Django.

A preference is signed: negative when the first completion is better, 0 for about the same, positive when the
second is. A label keeps that sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vote:
    """One judgment of one pair: its id, and its signed preference in steps of the protocol's scale."""

    judgment: int
    preference: int


@dataclass(frozen=True, slots=True)
class Label:
    """`preference` < 0: the first completion is chosen; > 0: the second; 0: a tie.

    `judgments` are the ids it rests on, ascending.
    """

    preference: float
    judgments: tuple[int, ...]


Labeller = Callable[[Sequence[Vote], int | None], list[Label]]
"""Takes the votes on a pair and the reference that came with the data (−1, +1 or None)."""


def majority(votes: Sequence[Vote], reference: int | None) -> list[Label]:
    """One label: the side with more votes, whatever their strength.

    `preference` is (votes for the second − votes for the first) / votes, in [−1, 1]. As many votes on one
    side as on the other are a tie.
    """
    if not votes:
        return []
    balance = sum((vote.preference > 0) - (vote.preference < 0) for vote in votes)
    return [Label(balance / len(votes), ids(votes))]


def mean_strength(votes: Sequence[Vote], reference: int | None) -> list[Label]:
    """One label: the mean of the signed preferences, in steps of the scale."""
    if not votes:
        return []
    return [Label(sum(vote.preference for vote in votes) / len(votes), ids(votes))]


def every(votes: Sequence[Vote], reference: int | None) -> list[Label]:
    """One label for each judgment, in order of their ids."""
    return [
        Label(float(vote.preference), (vote.judgment,))
        for vote in sorted(votes, key=lambda vote: vote.judgment)
    ]


def from_reference(votes: Sequence[Vote], reference: int | None) -> list[Label]:
    """The label that came with the data; it rests on no judgment."""
    return [] if reference is None else [Label(float(reference), ())]


def ids(votes: Sequence[Vote]) -> tuple[int, ...]:
    return tuple(sorted(vote.judgment for vote in votes))


LABELS: dict[str, Labeller] = {
    "majority": majority,
    "every": every,
    "mean_strength": mean_strength,
    "reference": from_reference,
}
LABELS_TO_COME = ("dawid_skene", "adjudicated")
"""Named in the public contract; refused with a sentence until they are there."""
