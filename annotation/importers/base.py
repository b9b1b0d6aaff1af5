"""What one import format must offer, and the steps they share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from annotation.importers.lines import read_lines
from annotation.importers.parsing import parse_object
from annotation.importers.rows import ItemRow, Limits, Problems, RowError
from annotation.registry import Registry


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as the file has it, already free of values which nothing downstream could hold."""

    line: int
    raw: dict[str, Any]


class Importer(Protocol):
    """A format is stateless, reads the stream once, front to back, and holds one row at a time."""

    key: str
    name: str
    holds_judgments: bool
    """Whether a row is a judgment, with its item beside it; rows of one item stand together then."""

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        """The rows of the file. Raises nothing for what the file holds: that is a RowError."""

    def item(self, raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
        """The checked item, or None with at least one error in `problems`."""


importers: Registry[Importer] = Registry("import format")


def read_json_lines(stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
    """Rows of a JSON-lines file: the `rows` of every format that is one."""
    for line in read_lines(stream, limits):
        if isinstance(line, RowError):
            yield line
            continue
        problems = Problems(line.number, limits)
        raw = parse_object(line, problems)
        if raw is None:
            yield from problems.errors
        else:
            yield SourceRow(line.number, raw)
