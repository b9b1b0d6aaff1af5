"""The way into this folder: a file and the name of its format → checked items and errors, streamed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO

from annotation.importers.base import Importer, importers
from annotation.importers.rows import Limits, Problems, RowError, RowResult


def check_rows(stream: BinaryIO, format: str, limits: Limits | None = None) -> Iterator[RowResult]:
    """Each row of `stream` as one ItemRow, or as one RowError or more, in the order of the file.

    `stream` is a seekable binary file, plain or gzip; it is read from its start, once, and memory does
    not grow with the number of rows. The same bytes always give the same results. Raises KeyError for
    an unknown format, and OSError when the file cannot be read; nothing for what the file holds.
    """
    return _checked(stream, importers.get(format), limits or Limits())


def _checked(stream: BinaryIO, importer: Importer, limits: Limits) -> Iterator[RowResult]:
    rows = 0
    last_line = 0
    with closing(_SeenIds()) as seen:
        for source in importer.rows(stream, limits):
            if source.line != last_line:
                last_line = source.line
                rows += 1
            if rows > limits.rows:
                yield _too_many_rows(source.line, limits)
                return
            if isinstance(source, RowError):
                yield source
                continue
            problems = Problems(source.line, limits)
            item = importer.item(source.raw, problems)
            if item is not None and limits.gold_required and item.gold is None:
                problems.add(
                    "gold",
                    "gold_missing",
                    None,
                    "a training batch needs the expected answer to every row",
                    'write "gold": {"preference": -2, "tolerance": 1, "why": "…"}',
                )
            elif item is not None:
                earlier = seen.line_of(item.external_id, item.line)
                if earlier is None:
                    yield item
                    continue
                problems.add(
                    "id",
                    "duplicate_id",
                    item.external_id,
                    f"line {earlier} has the same id",
                    "give each row its own id, or remove one of the two",
                )
            yield from problems.errors
    if rows == 0:
        yield RowError(1, "", "empty_file", "", "the file holds no rows", "send a file with one row a line")


def _too_many_rows(line: int, limits: Limits) -> RowError:
    return RowError(
        line,
        "",
        "too_many_rows",
        f"more than {limits.rows} rows",
        f"a file may hold at most {limits.rows} rows",
        "split it into several batches",
    )


class _SeenIds:
    """Ids met so far and their lines, in a temporary file which SQLite deletes: a million ids cost
    no memory. Ids of rows without one (`line-<number>`) are unique by themselves and not kept."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -2048")  # KiB
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def line_of(self, external_id: str, line: int) -> int | None:
        """The line on which this id stood before; None, and it is noted, when it is new."""
        if external_id == f"line-{line}":
            return None
        added = self._database.execute(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING", (external_id, line)
        )
        if added.rowcount:
            return None
        (earlier,) = self._database.execute("SELECT line FROM seen WHERE id = ?", (external_id,)).fetchone()
        return int(earlier)

    def close(self) -> None:
        self._database.close()
