"""`parquet`: one item a row, in the fields of `jsonl` or in the flat columns of `columns.py`, or in both.

    prompt: string | list<struct<role, content>>, completions: list<struct<content, model, …>>, gold: struct<…>, …

Null is no value, at any depth. Columns hold text, numbers, booleans, lists and structs; a type without a counterpart
in JSON (time, decimal, binary, map) is refused by the name of its column.

A kilobyte of Parquet can say two thousand million rows, and the library that unpacks it is no place for hostile
bytes. So a process of its own unpacks (`unpack.py`), with bounded memory, and says each row as a line of JSON: what
bounds and checks a `jsonl` file does so here. The line of an error is the number of the row.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from annotation.importers.base import SourceRow
from annotation.importers.columns import TableImporter, check_columns
from annotation.importers.lines import Line, split_lines
from annotation.importers.parsing import parse_object
from annotation.importers.rows import FILE_CODES, MEBIBYTE, Limits, Problems, RowError, printable_key, shorten

PROGRAM = Path(__file__).with_name("unpack.py")
MEMORY_BYTES = 1024 * MEBIBYTE
"""Address space of the process that unpacks; some 300 MiB of it are the library itself."""
MAGIC, MAGIC_ENCRYPTED = b"PAR1", b"PARE"

# code → detail and fix, for what is found while unpacking
REFUSALS = {
    "not_parquet": (
        "this is no Parquet file, or a damaged one",
        "write the file again and compare its size before sending it; another format has a name of its own",
    ),
    "parquet_encrypted": ("the Parquet file is encrypted", "write it without encryption"),
    "not_unpacked": (
        f"unpacking broke off: the file is damaged, or takes more than {MEMORY_BYTES // MEBIBYTE} MiB of memory",
        "write the file again; shorten its texts, or split it into several batches",
    ),
    "file_not_utf8": ("the text is not valid UTF-8", "write the column again from text that is"),
    "column_type": (
        "columns hold text, numbers, booleans, lists and structs with names of their own",
        "write the column as text, or leave it out",
    ),
}


class ParquetImporter(TableImporter):
    key = "parquet"
    name = "Parquet table, one item a row"

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        magic = stream.read(len(MAGIC))
        if size > limits.file_bytes:
            yield _too_large(limits)
        elif magic != MAGIC:
            yield _refusal("parquet_encrypted" if magic == MAGIC_ENCRYPTED else "not_parquet")
        else:
            with _unpacking(stream) as process:
                yield from _rows(process, stream, size, limits)


@contextmanager
def _unpacking(stream: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The process that unpacks a copy of the file, for storage may be anywhere; it is gone afterwards."""
    with tempfile.TemporaryFile() as copy:
        stream.seek(0)
        shutil.copyfileobj(stream, copy, MEBIBYTE)
        copy.seek(0)
        # -I and an environment of its own: nothing of ours is in reach of what unpacks a stranger's bytes.
        with subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM), str(MEMORY_BYTES)],
            stdin=copy,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
            env={"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"},
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def _rows(
    process: subprocess.Popen[bytes], stream: BinaryIO, size: int, limits: Limits
) -> Iterator[SourceRow | RowError]:
    """What the process says; see `unpack.py`. `stream` is moved along, for whoever shows how far the reading is."""
    rows = 1
    row = 0
    for line in split_lines(cast(BinaryIO, process.stdout), limits):
        row = max(line.number if isinstance(line, Line) else line.line, 2) - 1
        problems = Problems(row, limits)
        if isinstance(line, RowError):
            yield replace(line, line=row)
            if line.line == 1 or line.code in FILE_CODES:
                return  # and nobody waits for a process that is not read from
        elif line.data.startswith(b"R"):
            raw = parse_object(Line(row, line.data[1:]), problems)
            stream.seek(size * row // rows)
            yield from [SourceRow(row, raw)] if raw is not None else problems.errors
        elif line.data.startswith(b"E"):
            said = json.loads(line.data[1:])
            yield _refusal(said["code"], max(said["row"], row), said["column"], said["value"])
            return
        else:
            table = json.loads(line.data[1:])
            rows = max(table["rows"], 1)
            check_columns(table["columns"], problems, takes_nested=True)
            if rows > limits.rows:
                problems.add(
                    "",
                    "too_many_rows",
                    f"{rows} rows",
                    f"a file may hold at most {limits.rows} rows",
                    "split it into several batches",
                )
            if problems:
                yield from problems.errors
                return
    if process.wait() != 0:
        yield _refusal("not_unpacked", row + 1)


def _refusal(code: str, row: int = 1, column: str = "", value: str = "") -> RowError:
    detail, fix = REFUSALS[code]
    return RowError(
        row, printable_key(column) if column else "", code, shorten(value) if value else "", detail, fix
    )


def _too_large(limits: Limits) -> RowError:
    detail = f"the file holds more than {limits.file_bytes} bytes"
    return RowError(
        1,
        "",
        "file_too_large",
        f"more than {limits.file_bytes} bytes",
        detail,
        "split it into several batches",
    )
