"""Writing records as sharded JSONL and Parquet, streamed, with the same bytes for the same records. No Django.

Nothing in a file depends on a clock, a host or a folder. Parquet's bytes also depend on the version of
pyarrow, which the lock file pins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from exporters.checksums import sha256_of

ROWS_PER_SHARD = 100_000
CHUNK = 1_000
"""Records held in memory for each side; also the rows of a Parquet row group."""
TYPES = ("parquet", "jsonl")


@dataclass(frozen=True)
class WrittenFile:
    """A finished file in the folder; `path` is its name there. `split` and `rows` are empty for texts."""

    path: str
    type: str
    size: int
    sha256: str
    split: str = ""
    rows: int = 0


@dataclass
class Shard:
    """One JSONL and one Parquet file being written with the same records."""

    stem: Path
    schema: pa.Schema
    rows: int = 0
    chunk: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jsonl: IO[bytes] = self.part("jsonl").open("wb")
        self.parquet = pq.ParquetWriter(
            self.part("parquet"), self.schema, compression="zstd", use_dictionary=False, version="2.6"
        )

    def part(self, kind: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{kind}.part")

    def write(self, record: dict[str, Any]) -> None:
        self.chunk.append(record)
        self.rows += 1
        if len(self.chunk) >= CHUNK:
            self.flush()

    def flush(self) -> None:
        if not self.chunk:
            return
        for record in self.chunk:
            self.jsonl.write(json_line(record))
        self.parquet.write_table(pa.Table.from_pylist(self.chunk, self.schema), row_group_size=CHUNK)
        self.chunk.clear()

    def close(self) -> None:
        self.flush()
        self.jsonl.close()
        self.parquet.close()


def json_line(record: dict[str, Any]) -> bytes:
    """One record as a line of UTF-8; keys keep the order of the schema."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class DatasetWriter:
    """Writes (side, record) pairs below `folder` as `{side}-00000-of-0000N.jsonl` and `.parquet`.

    The number of shards is known only at the end, so files get their last name in `finish`. Leaving the
    context without it closes what is open.
    """

    def __init__(self, folder: Path, schema: pa.Schema, rows_per_shard: int = ROWS_PER_SHARD) -> None:
        self.folder = folder
        self.schema = schema
        self.rows_per_shard = rows_per_shard
        self.shards: dict[str, list[Shard]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shards in self.shards.values():
            shards[-1].jsonl.close()
            shards[-1].parquet.close()

    def write(self, side: str, record: dict[str, Any]) -> None:
        shards = self.shards.setdefault(side, [])
        if not shards or shards[-1].rows >= self.rows_per_shard:
            if shards:
                shards[-1].close()
            shards.append(Shard(self.folder / f"{side}-{len(shards):05d}", self.schema))
        shards[-1].write(record)

    def finish(self) -> list[WrittenFile]:
        """Close and name the files; sides in alphabetical order, Parquet before JSONL."""
        written = []
        for side, shards in sorted(self.shards.items()):
            shards[-1].close()
            for kind in TYPES:
                for number, shard in enumerate(shards):
                    path = self.folder / f"{side}-{number:05d}-of-{len(shards):05d}.{kind}"
                    shard.part(kind).rename(path)
                    written.append(describe(path, kind, split=side, rows=shard.rows))
        return written


def write_dataset(
    folder: Path,
    schema: pa.Schema,
    records: Iterable[tuple[str, dict[str, Any]]],
    rows_per_shard: int = ROWS_PER_SHARD,
) -> list[WrittenFile]:
    """Write all `records` (side, record) below `folder`, which exists and is empty."""
    with DatasetWriter(folder, schema, rows_per_shard) as writer:
        for side, record in records:
            writer.write(side, record)
        return writer.finish()


def write_text(folder: Path, name: str, text: str, kind: str) -> WrittenFile:
    """Write a small text file as UTF-8 with plain line ends."""
    path = folder / name
    path.write_bytes(text.encode())
    return describe(path, kind)


def describe(path: Path, kind: str, *, split: str = "", rows: int = 0) -> WrittenFile:
    return WrittenFile(path.name, kind, path.stat().st_size, sha256_of(path), split, rows)
