"""How often each text of an item won and lost: for formats that speak of one text at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from exporters.formats import Messages, Pair

UNDECIDED = "left out: the text won as many pairs of its item as it lost"


@dataclass(slots=True)
class Tally:
    """One text of an item, with the pair in which it first appeared. `key`: see `Pair.chosen_key`."""

    key: str
    first: Pair
    completion: Messages
    won: int = 0
    lost: int = 0

    @property
    def balance(self) -> int:
        return self.won - self.lost


def tallies(pairs: Iterable[Pair]) -> Iterator[list[Tally]]:
    """For each item its texts, in the order in which they first appear; completions that read the same are one.

    Every row of the release counts once: by label `every` each judgment, else each labelled pair. A tie kept in
    both orders is a win and a loss for both. `pairs` come in the order of the release: those of an item together.
    """
    for _, group in groupby(pairs, key=attrgetter("group")):
        found: dict[str, Tally] = {}
        for pair in group:
            tally_of(found, pair, pair.chosen_key, pair.chosen).won += 1
            tally_of(found, pair, pair.rejected_key, pair.rejected).lost += 1
        yield list(found.values())


def tally_of(found: dict[str, Tally], pair: Pair, key: str, completion: Messages) -> Tally:
    return found.setdefault(json.dumps(completion), Tally(key, pair, completion))
