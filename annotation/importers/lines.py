"""A binary file → its lines, one at a time, within the limits. Gzip is recognised by its first bytes."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from annotation.importers.rows import Limits, RowError

GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    """Counted from 1, blank lines included: what an editor shows."""
    data: bytes


def read_lines(stream: BinaryIO, limits: Limits) -> Iterator[Line | RowError]:
    """Every line that is not blank, without its end. `stream` must be seekable and stand anywhere."""
    return split_lines(decompressed(stream), limits)


def split_lines(plain: BinaryIO, limits: Limits, *, is_whole: bool = False) -> Iterator[Line | RowError]:
    """The lines of `plain` from where it stands; with `is_whole` the blank ones too, each with its end.

    Never holds more than one line of `limits.line_bytes`. An error on the file as a whole (too large, too
    many lines, damaged gzip) is the last thing that is yielded.
    """
    number = 0
    total = 0
    skipping = False
    while True:
        try:
            piece = plain.readline(limits.line_bytes + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield _file_error(
                number + 1,
                "gzip_damaged",
                str(error),
                "the gzip file is cut off or damaged",
                "compress the file again and compare its size before sending it",
            )
            return
        if not piece:
            return
        total += len(piece)
        if total > limits.file_bytes:
            yield _file_error(
                number + 1,
                "file_too_large",
                f"more than {limits.file_bytes} bytes",
                f"the file holds more than {limits.file_bytes} bytes once unpacked",
                "split it into several batches",
            )
            return
        starts_line, skipping = not skipping, False
        if starts_line:
            number += 1
            if number > limits.lines:
                yield _file_error(
                    number,
                    "too_many_lines",
                    f"more than {limits.lines} lines",
                    f"the file holds more than {limits.lines} lines, blank ones included",
                    "remove the blank lines, or split it into several batches",
                )
                return
        if not piece.endswith(b"\n") and len(piece) > limits.line_bytes:
            skipping = True
            if starts_line:
                yield _file_error(
                    number,
                    "line_too_long",
                    f"more than {limits.line_bytes} bytes",
                    f"a line may hold at most {limits.line_bytes} bytes",
                    "shorten the texts of this row, or write one row a line",
                )
            continue
        if not starts_line:
            continue
        if number == 1:
            piece = piece.removeprefix(BYTE_ORDER_MARK)
        data = piece.rstrip(b"\r\n")
        if is_whole:
            yield Line(number, piece)
        elif data.strip():
            yield Line(number, data)


def decompressed(stream: BinaryIO) -> BinaryIO:
    stream.seek(0)
    magic = stream.read(len(GZIP_MAGIC))
    stream.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")) if magic == GZIP_MAGIC else stream


def _file_error(line: int, code: str, value: str, detail: str, fix: str) -> RowError:
    return RowError(line=line, field="", code=code, value=value[:120], detail=detail, fix=fix)
