"""The import format `csv`: the columns of a table, its quotes and lines, and what is refused by line and column."""

import csv
import gzip
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.importers import FILE_CODES, ItemRow, Limits, RowError, RowResult, check_rows
from tests.annotation.importing import DEMONSTRATION, PAIR, RANKING, only_item, texts

HEADER = "id,prompt,completion_1,completion_2"


def read(*lines: str | bytes, limits: Limits = PAIR) -> list[RowResult]:
    content = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return list(check_rows(io.BytesIO(content), "csv", limits))


def item_of(*lines: str, limits: Limits = PAIR) -> ItemRow:
    (result,) = read(*lines, limits=limits)
    assert isinstance(result, ItemRow), result
    return result


def errors_of(*lines: str | bytes, limits: Limits = PAIR) -> list[tuple[int, str, str]]:
    results = read(*lines, limits=limits)
    assert all(isinstance(result, RowError) and result.detail and result.fix for result in results)
    return [(result.line, result.field, result.code) for result in results if isinstance(result, RowError)]


# What a row becomes


def test_a_full_row_is_the_same_item_as_in_jsonl() -> None:
    header = (
        "id,prompt,language,category,completion_1,model_1,completion_2,model_2,"
        "gold_preference,gold_tolerance,gold_why,metadata.source,metadata.a.b"
    )
    row = "row-17,Hi,PT-br,tone,Olá,m1,Oi,m2,-2,1,warmer,forum,7"
    same: dict[str, Any] = {
        "id": "row-17",
        "prompt": "Hi",
        "language": "pt-BR",
        "category": "tone",
        "completions": [{"content": "Olá", "model": "m1"}, {"content": "Oi", "model": "m2"}],
        "gold": {"preference": -2, "tolerance": 1, "why": "warmer"},
        "metadata": {"source": "forum", "a.b": "7"},
    }
    item = item_of(header, row)
    assert item.line == 2
    assert item == only_item(b"", same)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separator_and_line_ends_are_told_from_the_file(separator: str, end: str) -> None:
    rows = [["id", "prompt", "completion_a", "completion_b"], ["a", "1, 2; 3\t4", 'say "x"', "y\n\nz"]]
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    item = item_of(text.getvalue())
    assert (item.prompt[0]["content"], texts(item)) == ("1, 2; 3\t4", ['say "x"', "y\n\nz"])


def test_a_byte_order_mark_and_gzip_are_taken() -> None:
    content = b"\xef\xbb\xbf" + f"{HEADER}\na,b,c,d\n".encode()
    for stored in (content, gzip.compress(content)):
        (item,) = check_rows(io.BytesIO(stored), "csv")
        assert isinstance(item, ItemRow) and item.external_id == "a"


def test_a_row_is_named_after_the_line_on_which_it_starts() -> None:
    first, second, third = read(HEADER, '"",p,"one\ntwo","three\n\nfour"', "", ",,,", ",p,x,y", "z,p,,y")
    assert isinstance(first, ItemRow) and isinstance(second, ItemRow) and isinstance(third, RowError)
    assert (first.line, first.external_id) == (2, "line-2")
    assert (second.line, second.external_id) == (8, "line-8")  # behind a blank line, and a row of empty cells
    assert third.line == 9


def test_empty_cells_are_no_values() -> None:
    header = "prompt,language,completion_1,completion_2,completion_3,model_3,gold_why,gold_preference"
    item = item_of(header, "p,,x,y,,,,", limits=Limits(completions_max=8))
    assert (item.language, texts(item), item.gold) == ("", ["x", "y"], None)
    assert texts(item_of(header, "p,,x,y,z,m,,", limits=Limits(completions_max=8))) == ["x", "y", "z"]
    assert item_of("prompt", "p", limits=DEMONSTRATION).completions == []


@pytest.mark.parametrize(
    ("cell", "preference"), [("-2", -2), (" 2 ", 2), ("-2.0", -2), ("'-2", -2), ("0", 0)]
)
def test_gold_is_a_whole_number_as_tools_write_it(cell: str, preference: int) -> None:
    item = item_of(f"{HEADER},gold_preference", f"a,b,c,d,{cell}")
    assert item.gold is not None
    assert (item.gold.preference, item.gold.tolerance) == (preference, 0)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("'=1+1", "=1+1"),
        ("'+", "+"),
        ("'- a list", "- a list"),
        ("'@name", "@name"),
        ("'\tx", "\tx"),
        ("'\rx", "\rx"),
        ("''=1", "'=1"),
        ("=1+1", "=1+1"),
        ("'tis", "'tis"),
        ("'", "'"),
        ("x'=", "x'="),
    ],
)
def test_the_mark_before_a_formula_is_no_text(cell: str, text: str) -> None:
    assert texts(item_of(HEADER, f'a,b,"{cell}",other'))[0] == text


# What is refused


@pytest.mark.parametrize(
    ("header", "field", "code"),
    [
        (HEADER + ",Notes", "Notes", "unknown_column"),
        (HEADER + ",metadata", "metadata", "unknown_column"),
        (HEADER + ",metadata.", "metadata.", "unknown_column"),
        (HEADER + ",completion_9", "completion_9", "unknown_column"),
        (HEADER + ",", "''", "unknown_column"),
        (HEADER + ",id", "id", "duplicate_column"),
        (HEADER + ",completion_a", "completion_a", "duplicate_column"),
        (HEADER + ",model_3", "completion_3", "column_missing"),
        (HEADER + ",completion_4", "completion_3", "column_missing"),
        (HEADER + ",gold_why", "gold_preference", "column_missing"),
        ("id,completion_1,completion_2", "prompt", "column_missing"),
        ("prompt,completion_1", "completion_2", "column_missing"),
        (HEADER + ",x\0", "'x\\x00'", "unknown_column"),
        (",".join(f"metadata.{n}" for n in range(1001)), "", "too_many_columns"),
    ],
)
def test_a_wrong_header_refuses_the_file(header: str, field: str, code: str) -> None:
    assert errors_of("", header, *["a,b,c,d"] * 3) == [(2, field, code)]
    assert code in FILE_CODES


def test_an_unknown_column_is_told_its_probable_name() -> None:
    (error,) = read("id,promt,completion_1,completion_2,prompt")
    assert isinstance(error, RowError)
    assert "did you mean 'prompt'" in error.detail and "metadata.NAME" in error.fix


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ("a,b,c", "", "ragged_row"),
        ("a,b,c,d,e", "", "ragged_row"),
        ("a,,c,d", "prompt", "prompt_missing"),
        ("a,  ,c,d", "prompt", "empty_prompt"),
        ("a,b,c,", "completion_b", "content_missing"),
        ("a,b,  ,d", "completion_1", "empty_completion"),
        ("a,b,c\0,d", "completion_1", "nul"),
        ("line-7,b,c,d", "id", "reserved_id"),
        ("a,b,c,c ", "completions", "identical_completions"),
        ("\ufeffa,b,c,d", "id", "byte_order_mark"),
        ("a,b,c," + "x" * 200_001, "completion_b", "text_too_long"),
    ],
)
def test_a_bad_row_is_refused_and_the_next_one_read(row: str, field: str, code: str) -> None:
    error, after = read("id,prompt,completion_1,completion_b", row, "z,b,c,d")
    assert isinstance(error, RowError) and isinstance(after, ItemRow)
    assert (error.line, error.field, error.code) == (2, field, code) and code not in FILE_CODES


def test_two_rows_of_one_id_are_refused_with_the_line_of_the_first() -> None:
    _, error = read(HEADER, 'a,"b\n",c,d', "a,b,c,d")
    assert isinstance(error, RowError) and (error.line, error.code) == (4, "duplicate_id")
    assert "line 2" in error.detail


@pytest.mark.parametrize(
    ("cell", "field", "code", "limits"),
    [
        ("much", "gold_preference", "out_of_range", PAIR),
        ("2.5", "gold_preference", "out_of_range", PAIR),
        ("9", "gold_preference", "out_of_range", PAIR),
        ("1", "gold", "gold_not_taken", RANKING),
    ],
)
def test_gold_that_does_not_fit_names_its_column(cell: str, field: str, code: str, limits: Limits) -> None:
    assert errors_of(f"{HEADER},gold_preference", f"a,b,c,d,{cell}", limits=limits) == [(2, field, code)]


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b'b,"p,c,d\ne,f,g,h\n', "not_csv"),
        (b'b,"p"x,c,d\ne,f,g,h\n', "not_csv"),
        (b"b,p\rq,c,d\ne,f,g,h\n", "not_csv"),
        ("b,Straße,c,d\ne,f,g,h\n".encode("cp1252"), "file_not_utf8"),
        (b'b,"' + b"x\n" * 2_000 + b'"\ne,f,g,h\n', "row_too_long"),
        (b"b," + b"x" * 4_000 + b",c,d\ne,f,g,h\n", "row_too_long"),
    ],
)
def test_where_no_row_can_be_told_the_file_ends_with_an_error_of_its_own(rest: bytes, code: str) -> None:
    good, error = read(HEADER, "a,b,c,d", rest, limits=Limits(line_bytes=1_000))
    assert isinstance(good, ItemRow) and isinstance(error, RowError)
    assert (error.line, error.code) == (3, code) and code in FILE_CODES


def test_a_spreadsheets_unicode_text_is_refused() -> None:
    assert errors_of(f"{HEADER}\na,b,c,d".encode("utf-16")) == [(1, "", "file_not_utf8")]


def test_lines_rows_and_bytes_are_bounded() -> None:
    rows = [f"{number},b,c,d" for number in range(5)]
    assert read(HEADER, *rows, limits=Limits(rows=5))[-1].line == 6
    last = read(HEADER, *rows, limits=Limits(rows=4))[-1]
    assert isinstance(last, RowError) and (last.line, last.code) == (6, "too_many_rows")
    bomb = gzip.compress(f"{HEADER}\n".encode() + b",,,\n" * 1_000)
    (error,) = check_rows(io.BytesIO(bomb), "csv", Limits(rows=100))
    assert isinstance(error, RowError) and error.code == "too_many_lines"
    (error,) = check_rows(io.BytesIO(bomb), "csv", Limits(file_bytes=2_000))
    assert isinstance(error, RowError) and error.code == "file_too_large"
    (error,) = check_rows(io.BytesIO(bomb[:-20]), "csv")
    assert isinstance(error, RowError) and error.code == "gzip_damaged"
    assert errors_of(HEADER) == [(1, "", "empty_file")]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    str.strip
)


@given(prompt=TEXT, first=TEXT, second=TEXT, separator=st.sampled_from(",;\t"))
@settings(max_examples=200, deadline=None)
def test_text_comes_through_as_it_was(prompt: str, first: str, second: str, separator: str) -> None:
    cells = [prompt, first + "1", second + "2"]
    marked = [f"'{cell}" if cell.lstrip("'")[:1] in tuple("=+-@\t\r") else cell for cell in cells]
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
    table.writerows([["prompt", "completion_1", "completion_2"], marked])
    (item,) = check_rows(io.BytesIO(text.getvalue().encode()), "csv")
    if prompt.startswith("\ufeff"):
        assert isinstance(item, RowError) and item.code == "byte_order_mark"
    else:
        assert isinstance(item, ItemRow)
        assert [item.prompt[0]["content"], *texts(item)] == cells
