"""A program of its own: the Parquet file on standard input → lines on standard output, with bounded memory.

    python -I unpack.py BYTES

It imports nothing of ours, and is called by `__init__.py` alone. Lines are JSON behind a letter:

    C{"columns": [name, …], "rows": number}      first
    R{column: value, …}                          each row; null inside a column is left out
    E{"code", "row", "column", "value"}          last, when the file can be read no further

Status 0: everything was said. Any other, without a line E: the file broke the library, or the bounds.
"""

import json
import resource
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

BATCH_ROWS = 32
"""Unpacked together. A text may stand once in the file and in each row of a batch."""
BUFFER_BYTES = 1024 * 1024
CPU_SECONDS = 3600
HOLDERS = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_dictionary)
LEAVES = (
    types.is_string,
    types.is_large_string,
    types.is_integer,
    types.is_floating,
    types.is_boolean,
    types.is_null,
)


class Refused(Exception):
    def __init__(self, code: str, *, row: int = 1, column: str = "", value: str = "") -> None:
        super().__init__(code)
        self.said = {"code": code, "row": row, "column": column[:200], "value": value[:200]}


def main() -> None:
    set_limits(int(sys.argv[1]))
    out = sys.stdout.buffer
    try:
        unpack(sys.stdin.buffer, out)
        said = None
    except Refused as refusal:
        said = refusal.said
    except (
        MemoryError
    ):  # Arrow's too. Short of memory it may as well abort, so both are the same to the parent.
        sys.exit(1)
    except (pa.ArrowException, OSError) as error:
        is_encrypted = "crypt" in str(error).lower()
        said = Refused("parquet_encrypted" if is_encrypted else "not_parquet", value=str(error)).said
    if said is not None:
        say(out, "E", said)
    out.flush()


def set_limits(memory_bytes: int) -> None:
    """Where the system knows no bound of address space (macOS), there is none."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def unpack(stream: BinaryIO, out: BinaryIO) -> None:
    # With a buffer a column is read page by page, without one whole.
    file = pq.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False)
    names = list(file.schema_arrow.names)
    say(out, "C", {"columns": names, "rows": file.metadata.num_rows})
    out.flush()
    for field in file.schema_arrow:
        check_type(field.type, field.name)
    row = 0
    for batch in file.iter_batches(BATCH_ROWS):
        for values in rows_of(batch, row):
            row += 1
            say(out, "R", dict(zip(names, values, strict=True)))
    if row != file.metadata.num_rows:
        raise Refused("not_parquet", row=row + 1, value=f"{row} of {file.metadata.num_rows} rows")


def check_type(kind: pa.DataType, path: str) -> None:
    if types.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        if len({field.name for field in fields}) < len(fields):
            raise Refused("column_type", column=path, value="two fields of one name")
        for field in fields:
            check_type(field.type, f"{path}.{field.name}")
    elif any(holds(kind) for holds in HOLDERS):
        check_type(kind.value_type, path)
    elif not any(is_one(kind) for is_one in LEAVES):
        raise Refused("column_type", column=path, value=str(kind))


def rows_of(batch: pa.RecordBatch, before: int) -> Iterator[tuple[Any, ...]]:
    """The values of each row, in the order of the columns. `before`: so many rows came before this batch."""
    try:
        columns = [column.to_pylist() for column in batch.columns]
    except UnicodeDecodeError:
        raise not_utf8(batch, before) from None
    for values in zip(*columns, strict=True):
        yield tuple(without_nulls(value) for value in values)


def not_utf8(batch: pa.RecordBatch, before: int) -> Refused:
    for index in range(batch.num_rows):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column[index].as_py()
            except UnicodeDecodeError as error:
                bad = error.object[max(0, error.start - 10) : error.start + 10]
                return Refused("file_not_utf8", row=before + index + 1, column=name, value=repr(bad))
    raise RuntimeError("a batch that could not be decoded has no bad value")


def without_nulls(value: Any) -> Any:
    """A struct has all its fields in every row; those without a value are not there in JSON."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def say(out: BinaryIO, letter: str, value: dict[str, Any]) -> None:
    out.write(f"{letter}{json.dumps(value, ensure_ascii=False)}\n".encode())


if __name__ == "__main__":
    main()
