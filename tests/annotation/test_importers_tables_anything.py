"""Tables under anything at all: cells and files made of the marks that matter, and Parquet files with changed bytes."""

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.importers import FILE_CODES, RowError, RowResult, check_rows
from tests.annotation.importing import RATING
from tests.annotation.test_importers_anything import assert_sound

COLUMNS = [
    "id",
    "prompt",
    "language",
    "completion_1",
    "completion_a",
    "completion_2",
    "model_1",
    "metadata.x",
]
COLUMNS += ["gold_preference", "gold_why", "promt", ""]
MARKS = st.sampled_from(
    [",", ";", "\t", '"', "\n", "\r", "\r\n", "\0", "\ufeff", "'=", " ", "en", "-1", "x", "\xff"]
)


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """A header that is mostly right, over rows of cells and marks; some bytes that are not UTF-8."""
    header = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=6) | st.just(COLUMNS[:4]))
    rows = draw(st.lists(st.lists(st.lists(MARKS, max_size=4), max_size=6), max_size=6))
    separator = draw(st.sampled_from(",;\t"))
    lines = [separator.join(header), *(separator.join("".join(cell) for cell in row) for row in rows)]
    return "\n".join(lines).encode(
        draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "latin-1"])), "replace"
    )


@given(content=csv_files())
@settings(max_examples=500, deadline=None)
def test_any_table_of_text_gives_items_or_errors_in_order(content: bytes) -> None:
    results = list(check_rows(io.BytesIO(content), "csv", RATING))
    assert results
    assert_sound(results, content.count(b"\n") + 1)
    assert results == list(check_rows(io.BytesIO(gzip.compress(content)), "csv", RATING))
    refused = [result for result in results if isinstance(result, RowError) and result.code in FILE_CODES]
    assert not refused or results[-1] in refused


ROW = {
    "id": "r",
    "prompt": [{"role": "user", "content": "Hi"}],
    "completions": [{"content": "a", "model": "m"}, {"content": "b", "model": None}],
    "metadata": {"n": 1.5},
}


def whole_file(compression: str) -> bytes:
    file = io.BytesIO()
    rows = [ROW | {"id": f"r{number}"} for number in range(50)]
    pq.write_table(pa.Table.from_pylist(rows), file, compression=compression)
    return file.getvalue()


FILES = [whole_file("none"), whole_file("snappy"), whole_file("zstd")]


def sound_as_rows(results: list[RowResult]) -> None:
    assert results
    assert [result.line for result in results] == sorted(result.line for result in results)
    for result in results:
        if isinstance(result, RowError):
            json.dumps(result.as_dict(), ensure_ascii=False).encode()


@given(
    whole=st.sampled_from(FILES),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
)
@settings(max_examples=25, deadline=None)
def test_a_parquet_file_with_changed_bytes_gives_items_or_errors(
    whole: bytes, changes: list[tuple[float, int]]
) -> None:
    content = bytearray(whole)
    for share, byte in changes:
        content[4 + int(share * (len(content) - 8))] = byte
    sound_as_rows(list(check_rows(io.BytesIO(bytes(content)), "parquet")))


VALUES: Any = st.none() | st.text(max_size=3) | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.booleans()


@given(
    columns=st.dictionaries(
        st.sampled_from(COLUMNS), st.tuples(VALUES, VALUES, st.booleans()), min_size=1, max_size=6
    )
)
@settings(max_examples=25, deadline=None)
def test_a_parquet_file_of_any_values_gives_items_or_errors(
    columns: dict[str, tuple[Any, Any, bool]],
) -> None:
    arrays = {}
    for name, (value, other, is_list) in columns.items():
        pair = [value, other if type(other) is type(value) else None]
        arrays[name] = pa.array([[one] for one in pair] if is_list else pair)
    file = io.BytesIO()
    pq.write_table(pa.table(arrays), file)
    sound_as_rows(list(check_rows(file, "parquet", RATING)))
