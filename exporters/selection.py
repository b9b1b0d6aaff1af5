"""What a release is going to hold, by ids and labels; the texts are immutable and are read later."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np

from exporters.facts import Figures, ProtocolFacts, Told
from exporters.prompts import Cluster, PromptHashes
from exporters.settings import ReleaseSettings
from exporters.spill import Spill


class SelectedRow(NamedTuple):
    """One row of the release to be; `id` is stable from release to release, the labels as in `Pair`."""

    id: str
    item: int
    external_id: str
    chosen: int
    rejected: int
    strength: float | None
    soft_label: float
    is_swapped: bool
    is_tie: bool
    protocol: str
    judgment_ids: Sequence[int]
    content_hash: str
    is_decided: bool = False
    """Whether a reviewer's decision made the label."""
    split: str = ""


class SelectedText(NamedTuple):
    """One written text of the release to be: the demonstration or revision of one judgment.

    `completion` is what a revision began from, None for a demonstration; `is_preferred`: it changed something.
    """

    id: str
    item: int
    external_id: str
    judgment: int
    completion: int | None
    is_preferred: bool
    protocol: str
    split: str = ""


class SelectedJudgment(NamedTuple):
    """One whole judgment of the release to be, whether a row rests on it or not."""

    judgment: int
    item: int
    split: str = ""


Selected = TypeVar("Selected", SelectedRow, SelectedText, SelectedJudgment)


@dataclass
class Selection:
    """Rows and texts in the order of batch and item, and what the card tells of them.

    Rows, texts and judgments lie in temporary files. They are stored without their sides, which are known last: whoever
    reads them finds it in each. `dropped` counts pairs by reason (the keys of
    `exporters.card_labels.DROPPED_STORIES`). `audit_position` is the highest sealed one among the events about this
    project's judgments, `audit_waiting` are the ids of those that were not sealed yet.
    """

    rows: Spill[SelectedRow] = field(init=False)
    texts: Spill[SelectedText] = field(init=False)
    whole: Spill[SelectedJudgment] = field(init=False)
    """Every judgment of the items, when a format asks for whole judgments; by item, then by id."""
    side_items: array[int] = field(default_factory=lambda: array("q"))
    """All items, ascending: what a dictionary of a million would take is a tenth of a cut's memory;"""
    side_places: bytes = b""
    """for each, which of `side_names` its side is."""
    side_names: list[str] = field(default_factory=list)
    held: array[int] = field(default_factory=lambda: array("q"))
    """Rows, texts and whole judgments of each item, in the order of `prompts.items`;"""
    sides: Counter[str] = field(default_factory=Counter)
    """rows, texts and whole judgments by the side they lie on."""
    dropped: Counter[str] = field(default_factory=Counter)
    items: int = 0
    judgments: int = 0
    simulated_judgments: int = 0
    annotators: set[int] = field(default_factory=set)
    guidelines: set[int] = field(default_factory=set)
    languages: set[str] = field(default_factory=set)
    prompts: PromptHashes = field(default_factory=PromptHashes)
    batches: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Numbers of the batches with rows, by the id of their protocol."""
    protocols: tuple[ProtocolFacts, ...] = ()
    audit_position: int = 0
    audit_waiting: list[int] = field(default_factory=list)
    made: int = 0
    """Rows that were made, also those that the balance of lengths left out."""
    leaning: int = 0
    """People left out for their lean."""
    sources: Counter[str] = field(default_factory=Counter)
    """Of adjudicated labels, how many rows come from a "decision" and how many from the "majority"."""
    judged: array[int] = field(default_factory=lambda: array("q"))
    """Ids of the judgments that count, whether their items gave a row or not;"""
    judged_items: array[int] = field(default_factory=lambda: array("q"))
    """and the item of each."""
    figures: Figures | None = None
    consent_texts: tuple[Told, ...] = ()
    """What the people of the release have agreed to."""
    notes: tuple[str, ...] = ()
    """Sentences without their full stop on how the labels came about."""

    def __post_init__(self) -> None:
        self.rows = Spill(self.with_side(SelectedRow))
        self.texts = Spill(self.with_side(SelectedText))
        self.whole = Spill(self.with_side(SelectedJudgment))

    def with_side(self, kind: type[Selected]) -> Callable[[list[Any]], Selected]:
        """What puts one together again from its values."""
        item, split = kind._fields.index("item"), kind._fields.index("split")

        def make(values: list[Any]) -> Selected:
            values[split] = self.side_of(values[item])
            return kind._make(values)

        return make

    def decide_sides(self, deciding: Mapping[int, str], side_of: Callable[[str], str]) -> None:
        """Once everything is selected. `deciding`: by item, the prompt hash that decides its side; `side_of`: what a
        hash decides."""
        places = bytearray()
        for held, (_, side) in zip(self.held, self.prompts.decide(deciding, side_of), strict=True):
            if side not in self.side_names:
                self.side_names.append(side)
            places.append(self.side_names.index(side))
            self.sides[side] += held
        order = np.argsort(self.prompts.items)
        self.side_items = array("q", np.asarray(self.prompts.items)[order].tobytes())
        self.side_places = np.frombuffer(places, dtype=np.uint8)[order].tobytes()

    def side_of(self, item: int) -> str:
        return self.side_names[self.side_places[bisect_left(self.side_items, item)]]

    def splits(self, settings: ReleaseSettings) -> tuple[tuple[str, int, int], ...]:
        """(side, rows with texts and whole judgments, prompts) for every side of the settings, also the empty ones."""
        return tuple((side, self.sides[side], self.prompts.prompts(side)) for side, _ in settings.shares)

    @cached_property
    def clusters(self) -> tuple[int, Cluster | None]:
        """How many clusters there are, and the largest. Ask once everything is selected."""
        return self.prompts.clusters()

    def largest_cluster(self) -> int:
        """The number of its items."""
        _, largest = self.clusters
        return largest.items if largest else 0
