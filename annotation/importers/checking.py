"""The way into this folder: a file and the name of its format → checked items and errors, streamed."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO

from annotation.importers.base import Importer, SourceRow, importers
from annotation.importers.gathering import gathered
from annotation.importers.rows import ItemRow, Limits, Problems, RowError, RowResult
from annotation.importers.seen import SeenIds

Check = Callable[[ItemRow, Problems], None]
"""Adds to the problems of a line what only the project can tell; called for rows that are right by themselves."""


def check_rows(
    stream: BinaryIO, format: str, limits: Limits | None = None, check: Check | None = None
) -> Iterator[RowResult]:
    """Each row of `stream` as one ItemRow, or as one RowError or more, in the order of the file.

    Of a format that holds judgments the rows of one item are one ItemRow, which comes behind the last of them.
    `stream` is a seekable binary file, plain or gzip; it is read from its start, once, and memory does
    not grow with the number of rows. The same bytes always give the same results. Raises KeyError for
    an unknown format, and OSError when the file cannot be read; nothing for what the file holds.
    """
    importer = importers.get(format)
    limits = limits or Limits()
    sources = _counted(importer.rows(stream, limits), limits)
    if importer.holds_judgments:
        return gathered(sources, importer, limits, check)
    return _checked(sources, importer, limits, check)


def _counted(sources: Iterator[SourceRow | RowError], limits: Limits) -> Iterator[SourceRow | RowError]:
    """The same rows, until there are too many; an error when there is none."""
    rows = 0
    last_line = 0
    for source in sources:
        if source.line != last_line:
            last_line = source.line
            rows += 1
        if rows > limits.rows:
            yield _too_many_rows(source.line, limits)
            return
        yield source
    if rows == 0:
        yield RowError(1, "", "empty_file", "", "the file holds no rows", "send a file with one row a line")


def _checked(
    sources: Iterator[SourceRow | RowError], importer: Importer, limits: Limits, check: Check | None
) -> Iterator[RowResult]:
    with closing(SeenIds()) as seen:
        for source in sources:
            if isinstance(source, RowError):
                yield source
                continue
            problems = Problems(source.line, limits)
            item = importer.item(source.raw, problems)
            if item is not None and check is not None:
                check(item, problems)
            if item is not None and limits.gold_required and item.gold is None:
                problems.add(
                    "gold",
                    "gold_missing",
                    None,
                    "a training batch needs the expected answer to every row",
                    'write "gold": {"preference": -2, "tolerance": 1, "why": "…"}, or gold_preference in a table',
                )
            elif item is not None and not problems:
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


def _too_many_rows(line: int, limits: Limits) -> RowError:
    return RowError(
        line,
        "",
        "too_many_rows",
        f"more than {limits.rows} rows",
        f"a file may hold at most {limits.rows} rows",
        "split it into several batches",
    )
