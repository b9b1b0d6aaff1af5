"""Import formats under anything at all, and within bounds of memory and time."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.importers import ItemRow, RowError, RowResult, check_rows
from tests.annotation.importing import (
    RATING,
    check,
    texts,
)

# Anything at all


FIELD_NAMES = [
    "id",
    "prompt",
    "completions",
    "language",
    "gold",
    "metadata",
    "chosen",
    "rejected",
    "content",
    "role",
]
FIELD_NAMES += ["model", "settings", "preference", "tolerance", "why", "promt"]
FIELD_NAMES += ["messages", "replies", "responses", "choices", "message"]
JSON_LINES = ["jsonl", "hh", "trl", "chat", "judgments"]
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["user", "assistant", "en", "\ud800", "\n\nHuman: a\n\nAssistant: b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)
ROWS = st.dictionaries(st.sampled_from(FIELD_NAMES), JSON_VALUES, max_size=6) | JSON_VALUES


def assert_sound(results: list[RowResult], lines: int) -> None:
    """Each line gives one item or errors, in order, and everything can be stored as JSON in PostgreSQL."""
    items = [result.line for result in results if isinstance(result, ItemRow)]
    errors = {result.line for result in results if isinstance(result, RowError)}
    assert len(items) == len(set(items)) and not errors & set(items)
    assert [result.line for result in results] == sorted(result.line for result in results)
    assert all(1 <= result.line <= max(lines, 1) for result in results)
    for result in results:
        if isinstance(result, RowError):
            stored = json.dumps(result.as_dict(), ensure_ascii=False)
        else:
            stored = json.dumps(
                [result.prompt, result.metadata, [one.messages for one in result.completions]]
            )
            assert "\\u0000" not in stored
        stored.encode("utf-8")
        assert "\0" not in stored


@given(content=st.binary(max_size=300), format=st.sampled_from([*JSON_LINES, "csv", "parquet"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_results_and_never_an_exception(content: bytes, format: str) -> None:
    for stored in (content, gzip.compress(content), b"\x1f\x8b" + content):
        results = list(check_rows(io.BytesIO(stored), format))
        assert results
        if not any(isinstance(result, RowError) and result.code == "gzip_damaged" for result in results):
            assert_sound(results, content.count(b"\n") + 1)


@given(rows=st.lists(ROWS, min_size=1, max_size=4), format=st.sampled_from(JSON_LINES))
@settings(max_examples=400, deadline=None)
def test_any_json_gives_exactly_one_item_or_errors_a_line(rows: list[Any], format: str) -> None:
    content = b"\n".join(json.dumps(row).encode() for row in rows)
    results = list(check_rows(io.BytesIO(content), format, RATING))
    assert_sound(results, len(rows))
    assert {result.line for result in results} == set(range(1, len(rows) + 1))
    assert results == list(check_rows(io.BytesIO(content), format, RATING))


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    first=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    second=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
)
@settings(max_examples=200, deadline=None)
def test_text_comes_through_as_it_was(prompt: str, first: str, second: str) -> None:
    row = {"prompt": prompt, "completions": [{"content": first}, {"content": second}]}
    result, *_ = check(row)
    if prompt.strip() and first.strip() and second.strip() and first.strip() != second.strip():
        assert isinstance(result, ItemRow)
        assert [result.prompt[0]["content"], *texts(result)] == [prompt, first, second]
    else:
        assert isinstance(result, RowError)


# Bounds


class Generated(io.RawIOBase):
    """A file of pairs that is written while it is read, so that the test itself holds no rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.lines = self._lines()
        self.rest = b""

    def _lines(self) -> Iterator[bytes]:
        for number in range(self.rows):
            text = f"{number} words " * 50
            yield (
                b'{"id": "row-%d", "prompt": "%s", "completions": [{"content": "%s"}, {"content": "no"}]}\n'
                % (number, text.encode(), text.encode())
            )

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = 0) -> int:
        self.lines, self.rest = self._lines(), b""
        return position

    def readinto(self, buffer: Any) -> int:
        self.rest = self.rest or next(self.lines, b"")
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size


def peak_bytes(rows: int) -> int:
    stream = cast(BinaryIO, io.BufferedReader(Generated(rows)))
    tracemalloc.start()
    try:
        assert sum(isinstance(result, ItemRow) for result in check_rows(stream, "jsonl")) == rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_rows() -> None:
    few, many = peak_bytes(1_000), peak_bytes(10_000)
    assert many < few + 100_000
    assert many < 4_000_000


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":[' + b"[]," * 130_000 + b"[]]}",
        b'{"a":[' + b"{}," * 130_000 + b"{}]}",
        b"{" + b",".join(b'"%d":1' % number for number in range(40_000)) + b"}",
        b'"' + b'\\"' * 190_000,
        b'{"a":"' + b"\\\\" * 190_000 + b'"}',
        b'{"a":' + b"9" * 400_000 + b"}",
    ],
    ids=["lists", "objects", "keys", "open string", "escapes", "digits"],
)
def test_a_line_made_to_hurt_costs_at_most_sixty_times_its_size(line: bytes) -> None:
    """At the limit of 4 MiB a line that is below 256 MiB."""
    tracemalloc.start()
    try:
        results = check(line)
        assert all(isinstance(result, RowError) for result in results)
        assert tracemalloc.get_traced_memory()[1] < 60 * len(line)
    finally:
        tracemalloc.stop()
