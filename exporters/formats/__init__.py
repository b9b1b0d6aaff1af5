"""Export formats: one folder for each, registered in `ExportersConfig.ready()`. No Django here.

To add one, see docs/how-to/add-an-export-format.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from annotation.registry import Registry

Messages = list[dict[str, str]]
"""[{"role", "content"}, …], oldest first."""
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of a release with its texts.

    `id` is stable from release to release, `item` is the id that came with the data. `strength` is 0 for a tie
    that is kept in both orders and None for a label without one (see `ReleaseRow.strength`); `judgments` is the
    number of judgments that the label rests on.
    """

    id: str
    item: str
    split: str
    protocol: str
    prompt: Messages
    chosen: Messages
    rejected: Messages
    strength: float | None
    judgments: int


@dataclass(frozen=True, slots=True)
class Text:
    """One text that somebody wrote, as the completion of its prompt.

    `source` is "demonstration" or "revision". A revision stands in the place of the completion's last message;
    where nothing was found to be broken it may be the completion as it was.
    """

    id: str
    item: str
    split: str
    protocol: str
    prompt: Messages
    completion: Messages
    source: str


class ReleaseContent(Protocol):
    """What a format may read of a release. Each call starts from the beginning and streams."""

    def pairs(self) -> Iterator[Pair]:
        """Every preference, in the order of the release: labelled pairs, then revisions that changed something,
        each preferred over the completion it began from."""

    def texts(self) -> Iterator[Text]:
        """Every text that was written, in the order of the release."""


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
    columns: Mapping[str, str]
    """Each column with its meaning, in the order of the schema; printed in the card."""
    schema: pa.Schema

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        """(side of the split, record); every record has exactly the columns of `schema`, none of them null."""


export_formats: Registry[ExportFormat] = Registry("export format")
