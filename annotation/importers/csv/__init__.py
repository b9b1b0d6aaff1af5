"""`csv`: a table with a header, one item a row; its columns are in `columns.py`.

UTF-8, with or without a byte order mark, plain or gzip. Commas, semicolons or tabs: the most frequent of the three in
the header. A cell with one of them, a quote or a line break stands in double quotes, a quote in it is written
twice. Cells are text, kept as they are, spaces and line ends too. A row whose cells are all blank counts for nothing.

A cell that begins with apostrophes before one of = + - @ TAB CR loses one apostrophe: it is the mark that keeps a
spreadsheet from running the cell as a formula, and not of the text. Text that begins so is written with one more.

Where quotes or bytes are wrong nobody can say where the next row begins, so the file ends there with an error of the
file. An error names the line on which its row starts.
"""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from annotation.importers.base import SourceRow
from annotation.importers.columns import TableImporter, check_columns
from annotation.importers.lines import decompressed, split_lines
from annotation.importers.parsing import parse_row
from annotation.importers.rows import Limits, Problems, RowError, shorten

DELIMITERS = ",;\t"
_QUOTED = re.compile(r'"[^"]*"')
_MARKED = re.compile(r"'+[=+\-@\t\r]")

# For the whole process, as Python has it. Its default is below our limit of a text; a row has a limit of its own.
csv.field_size_limit(Limits().line_bytes)


class CsvImporter(TableImporter):
    key = "csv"
    name = "CSV table with a header, one item a row"

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        try:
            yield from _rows(_Records(stream, limits), limits)
        except _Unreadable as end:
            yield end.error


class _Unreadable(Exception):
    """The file cannot be read on from here."""

    def __init__(self, error: RowError) -> None:
        super().__init__(error.code)
        self.error = error


class _Records:
    """The records of a file, each as the number of its first line and its cells."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._lines = split_lines(decompressed(stream), limits, is_whole=True)
        self._limits = limits
        self._start = self._last = self._size = 0
        self._has_ended = False

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        lines = self._texts()
        header = next((line for line in lines if line.strip()), None)
        if header is None:
            return
        self._start = self._last
        bare = _QUOTED.sub("", header)
        reader = csv.reader(chain([header], lines), delimiter=max(DELIMITERS, key=bare.count), strict=True)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise self._bad_quotes(error) from None
            if cells is None:
                return
            yield self._start, cells
            self._start, self._size = self._last + 1, 0

    def _texts(self) -> Iterator[str]:
        for line in self._lines:
            if isinstance(line, RowError):
                raise _Unreadable(line) if line.code != "line_too_long" else self._too_long()
            self._last = line.number
            self._size += len(line.data)
            if self._size > self._limits.line_bytes:
                raise self._too_long()
            try:
                yield line.data.decode()
            except UnicodeDecodeError as error:
                raise self._not_utf8(line.data, error.start) from None
        self._has_ended = True

    def _too_long(self) -> _Unreadable:
        limit = self._limits.line_bytes
        return self._unreadable(
            "row_too_long",
            f"more than {limit} bytes",
            f"a row may hold at most {limit} bytes",
            "close the quote that is still open here, or shorten the texts of this row",
        )

    def _not_utf8(self, data: bytes, position: int) -> _Unreadable:
        return self._unreadable(
            "file_not_utf8",
            shorten(data[max(0, position - 10) : position + 10]),
            f"byte {position + 1} of line {self._last} is not valid UTF-8",
            "save the file as UTF-8 (in a spreadsheet: CSV UTF-8)",
        )

    def _bad_quotes(self, error: csv.Error) -> _Unreadable:
        reason = "a quote is never closed" if self._has_ended else str(error)
        return self._unreadable(
            "not_csv",
            "",
            f"not valid CSV in the row that starts here: {reason}",
            "put double quotes around the whole cell, and write each quote inside it twice",
        )

    def _unreadable(self, code: str, value: str, detail: str, fix: str) -> _Unreadable:
        return _Unreadable(RowError(max(self._start, 1), "", code, value, detail, fix))


def _rows(records: _Records, limits: Limits) -> Iterator[SourceRow | RowError]:
    columns: list[str] = []
    for line, cells in records:
        problems = Problems(line, limits)
        if not columns:
            columns = [cell.strip() for cell in cells]
            check_columns(columns, problems, takes_nested=False)
            if problems:
                yield from problems.errors
                return
        elif any(cell.strip() for cell in cells):
            row = _row(columns, cells, problems)
            yield from [SourceRow(line, row)] if row is not None else problems.errors


def _row(columns: list[str], cells: list[str], problems: Problems) -> dict[str, str] | None:
    if cells[0].startswith("\ufeff"):
        problems.add(
            columns[0],
            "byte_order_mark",
            cells[0],
            "a byte order mark stands inside the file",
            "remove it: it is accepted at the very start of a file only",
        )
        return None
    if len(cells) != len(columns):
        problems.add(
            "",
            "ragged_row",
            f"{len(cells)} cells",
            f"the row has {len(cells)} cells and the header {len(columns)}",
            "give each column a cell, if only an empty one, and put cells that hold the separator in double quotes",
        )
        return None
    texts = [cell[1:] if _MARKED.match(cell) else cell for cell in cells]
    return parse_row(dict(zip(columns, texts, strict=True)), problems)
