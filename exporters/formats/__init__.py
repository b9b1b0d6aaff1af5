"""Export formats: one folder for each, registered in `ExportersConfig.ready()`. No Django here.

To add one, see docs/how-to/add-an-export-format.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from annotation.registry import Registry

Messages = list[dict[str, str]]
"""[{"role", "content"}, …], oldest first."""
Record = dict[str, Any]

MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
"""The Arrow type of a conversation."""
SOFT_LABEL = (
    "How sure the label is that chosen is better, in [0, 1]: the share of the judgments that say so, a tie counting "
    "half (Dawid–Skene: the probability). No trainer of TRL reads it; use it as the target of a cross-entropy."
)
"""Meaning of the column soft_label."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of a release with its texts.

    `id` is stable from release to release, `item` is the id that came with the data. `strength` is 0 for a tie
    that is kept and None for a label without one (see `ReleaseRow.strength`); `soft_label` is how sure it is that the
    chosen text is the better one, in [0, 1]: 0.5 for a tie, 1.0 for a revision and for a label that came with the
    data. `judgments` is the number of judgments that the label rests on. `group` is the same for all pairs of one item;
    the keys name a text within the release: "1-4-0" is the first completion of item 4 of batch 1, "1-4-written-17" the
    revision of judgment 17. `is_swapped`: the chosen text was imported after the rejected one, or is a revision of it.
    """

    id: str
    group: str
    item: str
    split: str
    protocol: str
    prompt: Messages
    chosen: Messages
    rejected: Messages
    chosen_key: str
    rejected_key: str
    is_swapped: bool
    strength: float | None
    soft_label: float
    judgments: int


@dataclass(frozen=True, slots=True)
class Text:
    """One text that somebody wrote, as the completion of its prompt.

    `source` is "demonstration" or "revision". A revision stands in the place of the completion's last message;
    where nothing was found to be broken it may be the completion as it was. `group`: see `Pair`.
    """

    id: str
    group: str
    item: str
    split: str
    protocol: str
    prompt: Messages
    completion: Messages
    source: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A completion of an item. `settings` are those it was sampled with, as they came with the data."""

    position: int
    model: str
    settings: dict[str, Any]
    messages: Messages


@dataclass(frozen=True, slots=True)
class Scale:
    """A criterion of a protocol; `low` and `high` bound its stored value, None where it has no scale (ranking)."""

    key: str
    name: str
    question: str
    low: int | None
    high: int | None
    ties_allowed: bool
    anchors: list[str]


@dataclass(frozen=True, slots=True)
class Named:
    """The names and numbers of an imported judgment where it was made, under the fields of `Judged`."""

    id: str
    judgment: int
    supersedes: int | None
    batch: int
    item: str
    protocol_version: int
    guideline_version: int


@dataclass(frozen=True, slots=True)
class Judged:
    """One whole judgment with what it was about.

    `answers` are those of `exporters.stream.answers_of`: signed, in the order of import, with the order on the
    screen undone. `display_order[0]` is the position of the completion that was shown as A. `note` is empty where
    nothing was noted, and where it was erased.
    """

    id: str
    group: str
    judgment: int
    supersedes: int | None
    split: str
    batch: int
    item: str
    language: str
    category: str
    reference: int | None
    metadata: dict[str, Any]
    prompt: Messages
    completions: list[Candidate]
    annotator: str
    is_simulated: bool
    kind: str
    points: int | None
    protocol_version: int
    guideline_version: int
    criteria: list[Scale]
    answers: dict[str, Any]
    display_order: list[int]
    active_seconds: float | None
    confidence: int | None
    note: str
    read_to_end: list[str]
    created_at: datetime
    origin: Named | None = None
    """Of an imported judgment; the other fields name it in this project."""

    @property
    def protocol(self) -> str:
        return f"{self.kind} v{self.protocol_version}"


class ReleaseContent(Protocol):
    """What a format may read of a release. Each call starts from the beginning and streams."""

    def pairs(self) -> Iterator[Pair]:
        """Every preference, in the order of the release: labelled pairs, then revisions that changed something,
        each preferred over the completion it began from."""

    def texts(self) -> Iterator[Text]:
        """Every text that was written, in the order of the release."""

    def judgments(self) -> Iterator[Judged]:
        """Every judgment of the items, whether a label rests on it or not, by item and then by id. Empty unless a
        format of the release says `reads_judgments`."""

    def warn(self, what: str, row: str = "") -> None:
        """Count one record for the warnings of card and manifest, which read "3 records {what} (the first: {row})"."""


class ExportFormat(Protocol):
    """How the rows of a release become the records of a file. A format is stateless."""

    key: str
    title: str
    trainers: str
    """Who reads it, for the card and the form: "TRL RewardTrainer, DPOTrainer"."""
    unit: str
    """What one record is, in the singular: "preference pair"."""
    sample_column: str
    """The column that the card's example prints."""
    tag: str
    """Its tag on the card's front matter."""
    note: str
    """For the card: how its records follow from the rows of a release; empty where they are the same."""
    refusal: str
    """Why no release can be cut in this format; empty: it can."""
    reads_judgments: bool
    """Whether it reads `ReleaseContent.judgments`."""
    holds_words: bool
    """Whether a record may hold what an annotator wrote, so that erasure has to reach the files."""
    columns: Mapping[str, str]
    """Each column with its meaning, in the order of the schema; printed in the card."""
    schema: pa.Schema

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        """(side of the split, record); every record has exactly the columns of `schema`, none of them null in
        a format that a trainer reads."""


export_formats: Registry[ExportFormat] = Registry("export format")
