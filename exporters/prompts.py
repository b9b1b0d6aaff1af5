"""What the prompts of a selection are, counted without their texts: 72 bytes for each item. No Django."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

HASH_BYTES = 32


@dataclass(frozen=True)
class Cluster:
    """Items of the selection that lie on one side together: how many, their different prompts, the first of them."""

    first: int
    items: int
    prompts: int


@dataclass
class PromptHashes:
    """The prompt hash of every item, that of the item which decides its side, and the sides; in order."""

    items: array[int] = field(default_factory=lambda: array("q"))
    own: bytearray = field(default_factory=bytearray)
    deciding: bytearray = field(default_factory=bytearray)
    of_sides: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))

    def add(self, item: int, own: str) -> None:
        self.items.append(item)
        self.own += bytes.fromhex(own)

    def decide(self, deciding: Mapping[int, str], side_of: Callable[[str], str]) -> Iterator[tuple[int, str]]:
        """(item, side) of all that were added, once: the side is that of the deciding hash, an item's own where it is
        not among `deciding`."""
        for place, item in enumerate(self.items):
            own = bytes(self.own[place * HASH_BYTES : (place + 1) * HASH_BYTES])
            decides = deciding.get(item) or own.hex()
            side = side_of(decides)
            self.deciding += bytes.fromhex(decides)
            self.of_sides[side] += own
            yield item, side

    def prompts(self, side: str) -> int:
        """How many different prompts lie on a side."""
        return len(np.unique(hashes(self.of_sides[side])))

    def clusters(self) -> tuple[int, Cluster | None]:
        """How many clusters there are, and the largest; the earlier one of two as large."""
        if not self.items:
            return 0, None
        deciding = hashes(self.deciding)
        kinds, firsts, counts = np.unique(deciding, return_index=True, return_counts=True)
        first = int(firsts[counts == counts.max()].min())
        prompts = np.unique(hashes(self.own)[deciding == deciding[first]])
        return len(kinds), Cluster(self.items[first], int(counts.max()), len(prompts))


def hashes(raw: bytearray) -> npt.NDArray[Any]:
    """As an array with one entry for each hash."""
    # A copy: a bytearray that an array looks into cannot grow.
    return np.frombuffer(bytes(raw), dtype=f"S{HASH_BYTES}")
