"""Rows that lie in a temporary file while a release is being cut, so that a million of them take no memory. No Django.

The file has no name: whatever ends the process takes it away.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from tempfile import TemporaryFile
from typing import Any, Generic, TypeVar

import orjson

Row = TypeVar("Row", bound=tuple)  # type: ignore[type-arg]


class Spill(Generic[Row]):
    """Named tuples of plain values in the order in which they came. It is read as often as wanted, also meanwhile.

    `make` puts a row together again from its values; a tuple among them comes back as a list.
    """

    def __init__(self, make: Callable[[list[Any]], Row]) -> None:
        self.make = make
        self.file = TemporaryFile(prefix="concord-rows-", buffering=0)  # noqa: SIM115 (lives as long as the rows)
        weakref.finalize(self, self.file.close)
        self.ends = [0]
        self.count = 0

    def extend(self, rows: Iterable[Row]) -> None:
        """Add rows; each call is one piece in the file, so call it for many at once."""
        values = [tuple(row) for row in rows]
        if values:
            piece = orjson.dumps(values)
            self.file.write(piece)
            self.ends.append(self.ends[-1] + len(piece))
            self.count += len(values)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Row]:
        for number in range(1, len(self.ends)):
            start, end = self.ends[number - 1 : number + 1]
            yield from map(self.make, orjson.loads(os.pread(self.file.fileno(), end - start, start)))

    def chunks(self, size: int) -> Iterator[list[Row]]:
        """All rows, `size` at a time, whatever the pieces were."""
        rows = iter(self)
        while chunk := list(islice(rows, size)):
            yield chunk
