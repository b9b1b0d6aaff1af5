"""What a release that is being cut has, and its predecessor had otherwise: counted in one pass, in little memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from annotation.models import Project
from exporters.compare import differing, rows_of
from exporters.facts import Changes
from exporters.models import Release
from exporters.selection import SelectedRow
from exporters.settings import ReleaseSettings, stored_settings

Place = tuple[int, int]
"""Numbers of batch and item: the order of every release."""


class Brief(NamedTuple):
    """A row by its name, with what may be another in a later release. The label is (chosen, rejected, tie, strength),
    completions by position."""

    id: str
    label: tuple[int, int, bool, float | None]
    split: str

    @property
    def place(self) -> Place:
        batch, item, *_ = self.id.split("-")
        return int(batch), int(item)


def predecessor(project: Project, audit_position: int) -> Release | None:
    """The newest release from an earlier state of the judgments; not one of this very state, so that the same snapshot
    cut twice has the same predecessor."""
    frozen = project.releases.filter(state=Release.State.FROZEN, audit_position__lt=audit_position)
    return frozen.order_by("-audit_position", "-number").first()


def changes_since(before: Release, rows: Iterable[SelectedRow], settings: ReleaseSettings) -> Changes:
    """`rows` in the order of the release."""
    counts: Counter[str] = Counter(same=0, added=0, gone=0, relabelled=0, moved=0)
    old_rows = (Brief(row.id, row.label, row.split) for row in rows_of(before))
    for old, new in side_by_side(old_rows, map(brief, rows)):
        count(old, new, counts)
    old_settings = stored_settings(before.settings)
    return Changes(before=before.version, settings=tuple(differing(old_settings, settings)), **counts)


def brief(row: SelectedRow) -> Brief:
    low, high = sorted(map(int, row.id.split("-")[2:4]))
    positions = (high, low) if row.is_swapped else (low, high)
    return Brief(row.id, (*positions, row.is_tie, row.strength), row.split)


def count(old: Mapping[str, Brief], new: Mapping[str, Brief], counts: Counter[str]) -> None:
    """Add what became of the rows of one item."""
    counts["gone"] += len(old.keys() - new.keys())
    counts["added"] += len(new.keys() - old.keys())
    for name in old.keys() & new.keys():
        is_relabelled, is_moved = old[name].label != new[name].label, old[name].split != new[name].split
        counts["relabelled"] += is_relabelled
        counts["moved"] += is_moved
        counts["same"] += not is_relabelled and not is_moved


def side_by_side(
    old: Iterable[Brief], new: Iterable[Brief]
) -> Iterator[tuple[dict[str, Brief], dict[str, Brief]]]:
    """The rows of each item that either has, by id; both come in the order of their places."""
    readers = [groupby(rows, key=attrgetter("place")) for rows in (old, new)]
    heads = [next_group(reader) for reader in readers]
    while any(heads):
        place = min(head[0] for head in heads if head)
        found: list[dict[str, Brief]] = []
        for number, head in enumerate(heads):
            is_here = head is not None and head[0] == place
            found.append(head[1] if head and is_here else {})
            if is_here:
                heads[number] = next_group(readers[number])
        yield found[0], found[1]


def next_group(
    reader: Iterator[tuple[Place, Iterator[Brief]]],
) -> tuple[Place, dict[str, Brief]] | None:
    place, rows = next(reader, (None, ()))
    return None if place is None else (place, {row.id: row for row in rows})
