"""Writing records as sharded JSONL and Parquet, streamed, with the same bytes for the same records. No Django.

JSONL is compressed by gzip at level 1: a third of the time of the usual level, or less, for a sixth more bytes.
Nothing in a file depends on a clock, a host or a folder. Parquet's bytes also depend on the version of pyarrow, which
the lock file pins, and those of gzip on zlib, which comes with Python or the system.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from exporters.checksums import sha256_of

ROWS_PER_SHARD = 100_000
CHUNK = 1_000
"""Records held in memory for each side; also the most rows of a Parquet row group."""
CHUNK_BYTES = 4 << 20
"""Fewer records are held where they are longer than usual."""
SUFFIXES = {"parquet": "parquet", "jsonl": "jsonl.gz"}
"""By file type the end of its names; in the order in which the files are listed."""


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
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    """Bytes of `lines`, which are not written yet."""

    def __post_init__(self) -> None:
        self.raw = self.part("jsonl").open("wb")
        self.jsonl = gzip.GzipFile("", "wb", compresslevel=1, fileobj=self.raw, mtime=0)
        self.parquet = pq.ParquetWriter(
            self.part("parquet"), self.schema, compression="zstd", use_dictionary=False, version="2.6"
        )

    def part(self, kind: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{kind}.part")

    def add(self, record: dict[str, Any]) -> bool:
        """Take a record; whether a chunk is full."""
        self.lines.append(json_line(record))
        self.size += len(self.lines[-1])
        self.rows += 1
        return len(self.lines) >= CHUNK or self.size >= CHUNK_BYTES

    def take(self) -> bytes:
        """The lines that are not written yet; they are the caller's from here on."""
        chunk = b"".join(self.lines)
        self.lines, self.size = [], 0
        return chunk

    def write_jsonl(self, chunk: bytes) -> None:
        self.jsonl.write(chunk)

    def write_parquet(self, chunk: bytes) -> None:
        self.parquet.write_table(table_of(chunk, self.schema), row_group_size=CHUNK)

    def close(self) -> None:
        self.jsonl.close()
        self.raw.close()
        self.parquet.close()


def json_line(record: dict[str, Any]) -> bytes:
    """One record as a line of UTF-8; keys keep the order of the schema."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def table_of(lines: bytes, schema: pa.Schema) -> pa.Table:
    """JSON lines as Arrow's own parser reads them: in one piece, without Python's lock."""
    return pyarrow.json.read_json(
        io.BytesIO(lines),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )


class DatasetWriter:
    """Writes (side, record) pairs below `folder` as `{side}-00000-of-0000N.jsonl.gz` and `.parquet`.

    The two types are written by two threads, a chunk at a time, while the next chunk is made: zlib, zstd and Arrow's
    parser let go of Python's lock. The number of shards is known only at the end, so files get their last name in
    `finish`. Leaving the context without it closes what is open.
    """

    def __init__(self, folder: Path, schema: pa.Schema, rows_per_shard: int = ROWS_PER_SHARD) -> None:
        self.folder = folder
        self.schema = schema
        self.rows_per_shard = rows_per_shard
        self.shards: dict[str, list[Shard]] = {}
        self.pool = ThreadPoolExecutor(len(SUFFIXES), thread_name_prefix="release-files")
        self.writing: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown()
        for shards in self.shards.values():
            shards[-1].close()

    def write(self, side: str, record: dict[str, Any]) -> None:
        shards = self.shards.setdefault(side, [])
        if not shards or shards[-1].rows >= self.rows_per_shard:
            if shards:
                self.close(shards[-1])
            shards.append(Shard(self.folder / f"{side}-{len(shards):05d}", self.schema))
        if shards[-1].add(record):
            self.flush(shards[-1])

    def flush(self, shard: Shard) -> None:
        """Hand what the shard has over to the threads, once they have written what they got before."""
        chunk = shard.take()
        self.wait()
        if chunk:
            self.writing = [
                self.pool.submit(write, chunk) for write in (shard.write_jsonl, shard.write_parquet)
            ]

    def wait(self) -> None:
        """Until nothing is being written. Raises what a thread raised."""
        for written in self.writing:
            written.result()
        self.writing = []

    def close(self, shard: Shard) -> None:
        self.flush(shard)
        self.wait()
        shard.close()

    def finish(self) -> list[WrittenFile]:
        """Close and name the files; sides in alphabetical order, Parquet before JSONL."""
        written = []
        for side, shards in sorted(self.shards.items()):
            self.close(shards[-1])
            for kind, suffix in SUFFIXES.items():
                for number, shard in enumerate(shards):
                    path = self.folder / f"{side}-{number:05d}-of-{len(shards):05d}.{suffix}"
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
