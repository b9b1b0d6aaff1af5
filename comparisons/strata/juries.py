"""Juries with seats for groups: how they would decide between two models.

M. L. Gordon et al. (Jury Learning, CHI 2022) draw juries and count their verdicts. A seat that is filled by lot with
somebody of a group, who brings one of their own answers, says "first", "same" or "second" with the group's shares, and
seats are independent; so the counts of endlessly many juries are a convolution, and no seed is needed. It rests on the
groups' shares alone: no composition of seats can tell more of a person than the shares do.

Each juror brings an answer to another item, so the verdict is about the two models, not about one item. On one item
people agree more or less than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SEATS_MAX = 99
Side = Literal["first", "same", "second"]


@dataclass(frozen=True)
class Seating:
    """`seats` of one group; of a seat, the probability of each answer; they add up to 1."""

    seats: int
    first: float
    same: float
    second: float


@dataclass(frozen=True)
class Verdicts:
    """Shares of juries in [0, 1]: more seats for the first model, as many for either, more for the second."""

    first: float
    same: float
    second: float

    @property
    def median(self) -> Side:
        """The verdict in the middle of all juries, from first over same to second."""
        if self.first > 0.5:
            return "first"
        return "second" if self.second > 0.5 else "same"

    def against(self, side: Side) -> float:
        """How often a jury decides for the other model than `side`; 0 where `side` is neither."""
        return {"first": self.second, "second": self.first, "same": 0.0}[side]


def verdicts(seatings: Sequence[Seating]) -> Verdicts:
    """Raises ValueError for no seat, for more than SEATS_MAX, and for shares that are none."""
    seats = sum(one.seats for one in seatings)
    if not 1 <= seats <= SEATS_MAX or any(one.seats < 0 for one in seatings):
        raise ValueError(f"a jury has 1 to {SEATS_MAX} seats")
    if any(
        min(s.first, s.same, s.second) < 0 or abs(s.first + s.same + s.second - 1) > 1e-9 for s in seatings
    ):
        raise ValueError("the shares of a group are from 0 and add up to 1")
    # Position `seats + lead` holds the probability that the second model leads by `lead` seats.
    leads = [1.0]
    for one in seatings:
        for _ in range(one.seats):
            leads = _with_seat(leads, one)
    middle = len(leads) // 2
    return Verdicts(sum(leads[:middle]), leads[middle], sum(leads[middle + 1 :]))


def _with_seat(leads: Sequence[float], seat: Seating) -> list[float]:
    wider = [0.0] * (len(leads) + 2)
    for at, share in enumerate(leads):
        wider[at] += share * seat.first
        wider[at + 1] += share * seat.same
        wider[at + 2] += share * seat.second
    return wider
