"""Files to import, whatever their format: lines, compression, limits, tags of languages."""

import gzip
import io

import pytest

from annotation.importers import FILE_CODES, ItemRow, Limits, RowError, check_rows, importers
from annotation.importers.languages import normalise_language
from tests.annotation.importing import (
    as_line,
    check,
    good_row,
    only_error,
    only_item,
)

# lines and files


def test_blank_lines_count_as_lines_and_nothing_else() -> None:
    results = check(b"", good_row(id=...), b"  \r", good_row(id=...), b"")
    assert [result.line for result in results] == [2, 4]
    assert all(isinstance(result, ItemRow) for result in results)


@pytest.mark.parametrize("content", [b"", b"\n\n \r\n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_is_an_error(content: bytes) -> None:
    assert only_error(content).code == "empty_file"


def test_a_byte_order_mark_is_taken_at_the_start_only() -> None:
    marked = b"\xef\xbb\xbf" + as_line(good_row())
    assert only_item(marked).external_id == "row-17"
    _, second = check(good_row(id="a"), marked)
    assert isinstance(second, RowError) and second.code == "byte_order_mark"


def test_gzip_is_recognised_whatever_the_file_is_called_even_in_several_members() -> None:
    one, two = as_line(good_row(id="a")) + b"\n", as_line(good_row(id="b")) + b"\n"
    results = list(check_rows(io.BytesIO(gzip.compress(one) + gzip.compress(two)), "jsonl"))
    assert [result.external_id for result in results if isinstance(result, ItemRow)] == ["a", "b"]


@pytest.mark.parametrize("damage", ["cut", "flip", "trailing"])
def test_a_damaged_gzip_file_is_an_error_not_a_crash(damage: str) -> None:
    whole = bytearray(gzip.compress(b"".join(as_line(good_row(id=f"r{n}")) + b"\n" for n in range(500))))
    if damage == "cut":
        whole = whole[: len(whole) // 2]
    elif damage == "flip":
        whole[len(whole) // 2] ^= 0xFF
    else:
        whole += b"PK\x03\x04"
    last = list(check_rows(io.BytesIO(bytes(whole)), "jsonl"))[-1]
    assert isinstance(last, RowError) and last.code == "gzip_damaged"


def test_a_small_file_that_unpacks_to_a_large_one_is_stopped() -> None:
    bomb = gzip.compress(b"\n" * 1_000_000 + b" " * 50_000_000)
    assert len(bomb) < 60_000
    limits = Limits(file_bytes=20_000_000, line_bytes=1_000_000)
    results = list(check_rows(io.BytesIO(bomb), "jsonl", limits))
    assert isinstance(results[-1], RowError) and results[-1].code == "file_too_large"


def test_blank_lines_are_counted_too() -> None:
    """A few bytes of gzip hold millions of them, and none of them is a row."""
    limits = Limits(rows=50)
    assert limits.lines == 200
    fits = check(good_row(), *[b""] * 198, good_row(id="last"), limits=limits)
    assert [type(result) for result in fits] == [ItemRow, ItemRow]
    bomb = gzip.compress(as_line(good_row()) + b"\n" * 1_000)
    item, error = check_rows(io.BytesIO(bomb), "jsonl", limits)
    assert isinstance(item, ItemRow) and isinstance(error, RowError)
    assert (error.line, error.code, error.code in FILE_CODES) == (201, "too_many_lines", True)


def test_a_line_that_is_too_long_is_skipped_and_the_next_one_read() -> None:
    limits = Limits(line_bytes=400)
    long, after = check(good_row(prompt="x" * 3000), good_row(id="after"), limits=limits)
    assert isinstance(long, RowError) and (long.line, long.code) == (1, "line_too_long")
    assert isinstance(after, ItemRow) and (after.line, after.external_id) == (2, "after")


def test_a_line_of_exactly_the_limit_fits() -> None:
    line = as_line(good_row())
    limits = Limits(line_bytes=len(line))
    assert only_item(line + b"\n", limits=limits).line == 1
    assert only_item(line, limits=limits).line == 1
    assert only_error(line + b" ", limits=limits).code == "line_too_long"


def test_rows_over_the_limit_stop_the_file_bad_rows_included() -> None:
    results = check(good_row(id="a"), b"bad", good_row(id="c"), good_row(id="d"), limits=Limits(rows=2))
    assert [type(result) for result in results] == [ItemRow, RowError, RowError]
    assert isinstance(results[-1], RowError) and (results[-1].line, results[-1].code) == (3, "too_many_rows")


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"jsonl"):
        check_rows(io.BytesIO(b""), "docx")
    assert {key for key, _ in importers} >= {"jsonl", "hh", "trl"}


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("en", "en"),
        ("EN-us", "en-US"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("gsw", "gsw"),
        ("de-1996", "de-1996"),
        ("pt_BR", None),
        ("e", None),
        ("qq", None),
        ("en-", None),
        ("", None),
        ("еn", None),
    ],
)
def test_language_tags(text: str, tag: str | None) -> None:
    assert normalise_language(text) == tag
