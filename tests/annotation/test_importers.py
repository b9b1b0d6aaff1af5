"""Import formats: every answer that is defined for odd input, and what a good file becomes."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.importers import FILE_CODES, ItemRow, Limits, RowError, RowResult, check_rows, importers
from annotation.importers.languages import normalise_language

PAIR = Limits()
RANKING = Limits(completions_min=2, completions_max=8, preference_max=None)
RATING = Limits(completions_min=1, completions_max=8, preference_max=None)
DEMONSTRATION = Limits(completions_min=0, completions_max=0, preference_max=None)


def good_row(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "row-17",
        "prompt": [{"role": "user", "content": "Why is the sky blue?"}],
        "completions": [
            {"content": "Rayleigh scattering.", "model": "m1"},
            {"content": "It is not.", "model": "m2"},
        ],
    }
    return {key: value for key, value in {**row, **changes}.items() if value is not ...}


def as_line(row: Any) -> bytes:
    return row if isinstance(row, bytes) else json.dumps(row).encode()


def check(*lines: Any, format: str = "jsonl", limits: Limits = PAIR) -> list[RowResult]:
    """Results for a file with these lines: bytes as they are, anything else as JSON."""
    return list(check_rows(io.BytesIO(b"\n".join(map(as_line, lines))), format, limits))


def only_item(*lines: Any, format: str = "jsonl", limits: Limits = PAIR) -> ItemRow:
    (result,) = check(*lines, format=format, limits=limits)
    assert isinstance(result, ItemRow), result
    return result


def only_error(*lines: Any, format: str = "jsonl", limits: Limits = PAIR) -> RowError:
    (result,) = check(*lines, format=format, limits=limits)
    assert isinstance(result, RowError), result
    assert result.detail and result.fix
    return result


def texts(item: ItemRow) -> list[str]:
    return [one.messages[-1]["content"] for one in item.completions]


# jsonl: a good file


def test_a_full_row_keeps_everything() -> None:
    item = only_item(
        {
            "id": "row-17",
            "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "language": "PT-br",
            "completions": [
                {"content": "Olá", "model": "m1", "settings": {"temperature": 0.7}},
                {"content": [{"role": "assistant", "content": "Oi"}], "model": "m2"},
            ],
            "gold": {"preference": -2, "tolerance": 1, "why": "warmer"},
            "metadata": {"source": "forum", "nested": {"n": [1, 2.5, None, True]}},
        }
    )
    assert (item.line, item.external_id, item.language, item.reference) == (1, "row-17", "pt-BR", None)
    assert item.prompt == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert texts(item) == ["Olá", "Oi"]
    assert [one.model for one in item.completions] == ["m1", "m2"]
    assert item.completions[0].settings == {"temperature": 0.7}
    assert item.gold is not None
    assert (item.gold.preference, item.gold.tolerance, item.gold.why) == (-2, 1, "warmer")
    assert item.metadata == {"source": "forum", "nested": {"n": [1, 2.5, None, True]}}


def test_text_is_a_prompt_and_a_row_without_id_is_named_after_its_line() -> None:
    first, second = check(good_row(id=..., prompt="Hi"), good_row(id=7))
    assert isinstance(first, ItemRow) and isinstance(second, ItemRow)
    assert first.prompt == [{"role": "user", "content": "Hi"}]
    assert (first.external_id, second.external_id) == ("line-1", "7")


def test_null_in_an_optional_field_is_the_same_as_leaving_it_out() -> None:
    nulls = {"id": None, "language": None, "gold": None, "metadata": None}
    assert only_item(good_row(**nulls)) == only_item(good_row(id=...))


def test_hashes_cover_the_text_and_its_order_but_not_who_wrote_it() -> None:
    item = only_item(good_row())
    other_model = only_item(
        good_row(completions=[{"content": "Rayleigh scattering.", "model": "x"}, {"content": "It is not."}])
    )
    swapped = only_item(
        good_row(completions=[{"content": "It is not."}, {"content": "Rayleigh scattering."}])
    )
    # SHA-256 of [{"content":"It is not.","role":"assistant"}], computed with sha256sum.
    assert (
        item.completions[1].content_hash == "85bb9b8eaf15b4a4d150eae1cb29a89a61866cf80a5cb6970b4592db600f7c02"
    )
    assert item.content_hash == other_model.content_hash
    assert item.content_hash != swapped.content_hash
    assert item.prompt_hash == swapped.prompt_hash
    assert only_item(good_row(prompt="other")).prompt_hash != item.prompt_hash


def test_odd_but_valid_text_is_kept_as_it_is() -> None:
    text = "\u202eright to left\u202c zero\u200bwidth 🙂 \U0010ffff \x07 é"
    assert only_item(good_row(prompt=text)).prompt[0]["content"] == text
    escaped = as_line(good_row(prompt="🙂"))
    assert b"\\ud83d\\ude42" in escaped
    assert only_item(escaped).prompt[0]["content"] == "🙂"


def test_numbers_at_the_edge_are_kept() -> None:
    edge = {"low": -(2**63), "high": 2**63 - 1, "real": -9.2e18, "tiny": 5e-324}
    assert only_item(good_row(metadata=edge)).metadata == edge


@pytest.mark.parametrize(
    ("limits", "count", "fits"),
    [
        (PAIR, 1, False),
        (PAIR, 2, True),
        (PAIR, 3, False),
        (RANKING, 1, False),
        (RANKING, 8, True),
        (RANKING, 9, False),
        (RATING, 1, True),
        (RATING, 0, False),
        (DEMONSTRATION, 0, True),
        (DEMONSTRATION, 1, False),
    ],
)
def test_the_kind_says_how_many_completions(limits: Limits, count: int, fits: bool) -> None:
    row = good_row(completions=[{"content": f"reply {number}"} for number in range(count)])
    if fits:
        assert len(only_item(row, limits=limits).completions) == count
    else:
        assert only_error(row, limits=limits).code == "completions_count"


def test_completions_may_be_left_out_where_none_are_wanted() -> None:
    row = good_row()
    del row["completions"]
    assert only_item(row, limits=DEMONSTRATION).completions == []
    assert only_error(row, limits=RATING).code == "completions_missing"


# jsonl: each refused line has a field, a code, a value and a fix

MANY_DIGITS = b"9" * 5000


@pytest.mark.parametrize(
    ("line", "field", "code"),
    [
        (b"{not json}", "", "not_json"),
        (b'{"a": 1} {"b": 2}', "", "not_json"),
        (b'{"a": "\x01"}', "", "not_json"),
        (b"[1, 2]", "", "not_an_object"),
        (b"3", "", "not_an_object"),
        (b'"text"', "", "not_an_object"),
        (b'{"prompt": "\xff\xfe"}', "", "not_utf8"),
        (b'{"prompt": "\xed\xa0\x80"}', "", "not_utf8"),
        (b"[" * 100_000, "", "too_deep"),
        (b'{"a":' * 100_000, "", "too_deep"),
        (as_line(good_row(metadata={"x": 1})).replace(b"1}", b"NaN}"), "metadata.x", "not_finite"),
        (as_line(good_row(metadata={"x": 1})).replace(b"1}", b"-Infinity}"), "metadata.x", "not_finite"),
        (as_line(good_row(metadata={"x": 1})).replace(b"1}", b"1e999}"), "metadata.x", "not_finite"),
        (good_row(metadata={"x": [0, 2**63]}), "metadata.x[1]", "number_too_large"),
        (good_row(metadata={"x": -(2**63) - 1}), "metadata.x", "number_too_large"),
        (good_row(metadata={"x": 1e20}), "metadata.x", "number_too_large"),
        (
            as_line(good_row(metadata={"x": 1})).replace(b"1}", MANY_DIGITS + b"}"),
            "metadata.x",
            "number_too_long",
        ),
        (
            as_line(good_row(metadata={"x": 1})).replace(b"1}", b"1." + MANY_DIGITS + b"}"),
            "metadata.x",
            "number_too_long",
        ),
        (as_line(good_row()).replace(b'"id"', b'"prompt": "x", "id"'), "prompt", "duplicate_key"),
        (b'{"metadata": {"a": {"b": 1, "b": 2}}}', "metadata.a.b", "duplicate_key"),
        (good_row(prompt="a\0b"), "prompt", "nul"),
        (good_row(metadata={"a\0b": 1}), "metadata.'a\\x00b'", "nul"),
        (
            good_row(completions=[{"content": "x"}, {"content": "y\ud800"}]),
            "completions[1].content",
            "lone_surrogate",
        ),
        (good_row(metadata={"k" * 201: 1}), f"metadata.'{'k' * 27}...{'k' * 28}'", "name_too_long"),
        (good_row(metadata={str(number): 1 for number in range(1001)}), "metadata", "too_many_keys"),
        (good_row(metadata={"a": "x" * 70_000}), "metadata", "metadata_too_large"),
        (good_row(metadata=[1]), "metadata", "not_an_object"),
        (good_row(prompt="x" * 200_001), "prompt", "text_too_long"),
        (good_row(promt="x"), "promt", "unknown_field"),
        (good_row(zzz=1), "zzz", "unknown_field"),
        (
            good_row(completions=[{"content": "x", "modle": "m"}, {"content": "y"}]),
            "completions[0].modle",
            "unknown_field",
        ),
        (good_row(prompt=...), "prompt", "prompt_missing"),
        (good_row(prompt=None), "prompt", "prompt_missing"),
        (good_row(prompt=3), "prompt", "not_messages"),
        (good_row(prompt=[]), "prompt", "not_messages"),
        (good_row(prompt=" \n"), "prompt[0].content", "empty_prompt"),
        (good_row(prompt=["x"]), "prompt[0]", "not_a_message"),
        (good_row(prompt=[{"role": "user", "content": None}]), "prompt[0].content", "content_missing"),
        (good_row(prompt=[{"role": "user", "content": [{"type": "text"}]}]), "prompt[0].content", "not_text"),
        (good_row(prompt=[{"role": "human", "content": "x"}]), "prompt[0].role", "unknown_role"),
        (good_row(prompt=[{"role": ["user"], "content": "x"}]), "prompt[0].role", "unknown_role"),
        (good_row(prompt=[{"role": "user", "content": "x", "name": "y"}]), "prompt[0].name", "unknown_field"),
        (
            good_row(prompt=[{"role": "assistant", "content": "x"}]),
            "prompt[0].role",
            "prompt_ends_with_assistant",
        ),
        (good_row(prompt=[{"role": "user", "content": "x"}] * 201), "prompt", "too_many_messages"),
        (good_row(completions=...), "completions", "completions_missing"),
        (good_row(completions=["x", "y"]), "completions[0]", "not_an_object"),
        (
            good_row(completions=[{"content": "x"}, {"content": " "}]),
            "completions[1].content",
            "empty_completion",
        ),
        (
            good_row(completions=[{"content": "x"}, {"content": None}]),
            "completions[1].content",
            "content_missing",
        ),
        (good_row(completions=[{"content": "x"}, {}]), "completions[1].content", "content_missing"),
        (
            good_row(completions=[{"content": "x"}, {"content": [{"role": "user", "content": "y"}]}]),
            "completions[1].content",
            "completion_not_assistant",
        ),
        (
            good_row(completions=[{"content": "same"}, {"content": "same "}]),
            "completions",
            "identical_completions",
        ),
        (
            good_row(completions=[{"content": "x", "model": 3}, {"content": "y"}]),
            "completions[0].model",
            "not_text",
        ),
        (
            good_row(completions=[{"content": "x", "model": "m" * 201}, {"content": "y"}]),
            "completions[0].model",
            "name_too_long",
        ),
        (
            good_row(completions=[{"content": "x", "settings": "hot"}, {"content": "y"}]),
            "completions[0].settings",
            "not_an_object",
        ),
        (good_row(language="english"), "language", "unknown_language"),
        (good_row(language="xx"), "language", "unknown_language"),
        (good_row(language=1), "language", "unknown_language"),
        (good_row(id=True), "id", "not_text"),
        (good_row(id=" "), "id", "not_text"),
        (good_row(id="i" * 201), "id", "name_too_long"),
        (good_row(id="line-9"), "id", "reserved_id"),
        (good_row(gold=-2), "gold", "not_an_object"),
        (good_row(gold={}), "gold.preference", "out_of_range"),
        (good_row(gold={"preference": 5}), "gold.preference", "out_of_range"),
        (good_row(gold={"preference": True}), "gold.preference", "out_of_range"),
        (good_row(gold={"preference": 1, "tolerance": -1}), "gold.tolerance", "out_of_range"),
        (good_row(gold={"preference": 1, "reason": "x"}), "gold.reason", "unknown_field"),
    ],
)
def test_a_bad_line_is_refused_with_its_field_and_a_fix(line: Any, field: str, code: str) -> None:
    results = check(good_row(id="before"), line, good_row(id="after"))
    errors = [result for result in results if isinstance(result, RowError)]
    assert (errors[0].line, errors[0].field, errors[0].code) == (2, field, code)
    assert errors[0].detail and errors[0].fix
    assert all(len(error.value) <= 120 and error.value.isprintable() for error in errors)
    assert [result.external_id for result in results if isinstance(result, ItemRow)] == ["before", "after"]


def test_the_nearest_known_field_is_named_and_metadata_offered() -> None:
    error = only_error(good_row(promt="x"))
    assert "'prompt'" in error.detail and "metadata" in error.fix


def test_the_role_that_was_meant_is_named() -> None:
    assert "'user'" in only_error(good_row(prompt=[{"role": "Human", "content": "x"}])).fix


def test_several_errors_of_one_line_are_told_at_once_but_not_without_end() -> None:
    both = check(good_row(prompt="", language="english"))
    assert {error.code for error in both if isinstance(error, RowError)} == {
        "empty_prompt",
        "unknown_language",
    }
    assert len(check({f"x{number}": 1 for number in range(500)})) == PAIR.errors_per_row


def test_values_in_errors_are_safe_to_show() -> None:
    error = only_error(good_row(language="\u202e\x1b[31m" + "x" * 100))
    assert "\u202e" not in error.value and "\x1b" not in error.value and len(error.value) <= 120


def test_the_same_reply_from_two_models_can_be_ranked_beside_a_third() -> None:
    row = good_row(completions=[{"content": "Paris."}, {"content": "Paris."}, {"content": "Lyon."}])
    assert len(only_item(row, limits=RANKING).completions) == 3
    same = good_row(completions=[{"content": "Paris."}] * 3)
    assert only_error(same, limits=RANKING).code == "identical_completions"


def test_gold_follows_the_protocol() -> None:
    row = good_row(gold={"preference": 0})
    assert only_item(row).gold is not None
    assert only_error(row, limits=Limits(ties_allowed=False)).code == "tie_not_allowed"
    assert only_error(row, limits=Limits(preference_max=None)).code == "gold_not_taken"
    assert (
        only_error(good_row(gold={"preference": 2}), limits=Limits(preference_max=1)).code == "out_of_range"
    )


# ids


def test_an_id_used_twice_names_the_first_line() -> None:
    results = check(good_row(id="a"), good_row(id="b"), b"", good_row(id="a"))
    assert isinstance(results[2], RowError)
    assert (results[2].line, results[2].field, results[2].code) == (4, "id", "duplicate_id")
    assert "line 1" in results[2].detail


def test_an_id_of_a_refused_row_is_free() -> None:
    results = check(good_row(id="a", prompt=""), good_row(id="a"))
    assert isinstance(results[0], RowError) and isinstance(results[1], ItemRow)


def test_the_name_of_its_own_line_is_an_id_that_a_row_may_carry() -> None:
    assert only_item(b"", b"", good_row(id="line-3")).external_id == "line-3"


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


# hh


def hh(chosen: str, rejected: str, **more: Any) -> dict[str, Any]:
    return {"chosen": chosen, "rejected": rejected, **more}


def preferred(item: ItemRow) -> list[dict[str, str]]:
    """Messages of the completion which the reference prefers."""
    assert item.reference in (-1, 1)
    return item.completions[0 if item.reference == -1 else 1].messages


def other(item: ItemRow) -> list[dict[str, str]]:
    return item.completions[1 if item.reference == -1 else 0].messages


START = "\n\nHuman: Hi there\n\nAssistant: Hello!\n\nHuman: Tell me\n\nmore"


def test_a_transcript_is_split_into_turns() -> None:
    item = only_item(hh(START + "\n\nAssistant: Gladly. ", START + "\n\nAssistant:  No"), format="hh")
    assert item.prompt == [
        {"role": "user", "content": "Hi there"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Tell me\n\nmore"},
    ]
    assert preferred(item) == [{"role": "assistant", "content": "Gladly. "}]
    assert other(item) == [{"role": "assistant", "content": " No"}]


def test_sides_that_part_early_have_several_messages() -> None:
    item = only_item(
        hh(
            START + "\n\nAssistant: One\n\nAssistant: Two",
            START + "\n\nAssistant: One\n\nHuman: And\n\nAssistant: Three",
        ),
        format="hh",
    )
    assert item.prompt[-1] == {"role": "user", "content": "Tell me\n\nmore"}
    assert [message["content"] for message in preferred(item)] == ["One", "Two"]
    assert [message["role"] for message in other(item)] == ["assistant", "user", "assistant"]


def test_an_empty_last_turn_is_kept_in_transcripts() -> None:
    item = only_item(hh(START + "\n\nAssistant: ", START + "\n\nAssistant: No"), format="hh")
    assert preferred(item) == [{"role": "assistant", "content": ""}]


def test_the_stored_order_depends_on_the_text_and_not_on_the_label() -> None:
    firsts = set()
    for number in range(40):
        one, two = START + f"\n\nAssistant: one {number}", START + f"\n\nAssistant: two {number}"
        item, flipped = only_item(hh(one, two), format="hh"), only_item(hh(two, one), format="hh")
        assert item.completions == flipped.completions
        assert item.content_hash == flipped.content_hash
        assert (item.reference, flipped.reference) in ((-1, 1), (1, -1))
        assert preferred(item)[0]["content"] == f"one {number}"
        firsts.add(item.reference)
    assert firsts == {-1, 1}


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        (hh(START + "\n\nAssistant: a", START + "\n\nAssistant: a "), "rejected", "identical_completions"),
        (hh(START + "\n\nAssistant: ", START + "\n\nAssistant: "), "rejected", "identical_completions"),
        ({"chosen": START + "\n\nAssistant: a"}, "rejected", "transcript_missing"),
        (hh("Once upon a time", START), "chosen", "not_a_transcript"),
        (hh("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: c\n\nAssistant: d"), "rejected", "prompt_missing"),
        (hh(START, START + "\n\nAssistant: a"), "chosen", "empty_completion"),
        (
            hh(START + "\n\nAssistant: a\n\nHuman: b", START + "\n\nAssistant: a"),
            "chosen",
            "completion_not_assistant",
        ),
        (
            hh("\n\nHuman: \n\nAssistant: a", "\n\nHuman: \n\nAssistant: b"),
            "chosen[0].content",
            "empty_prompt",
        ),
        (hh("\n\nHuman: x" * 201, START + "\n\nAssistant: b"), "chosen", "too_many_messages"),
        (
            hh(START + "\n\nAssistant: a", START + "\n\nAssistant: b", langage="en"),
            "langage",
            "unknown_field",
        ),
    ],
)
def test_a_bad_transcript_is_refused(row: dict[str, Any], field: str, code: str) -> None:
    error = only_error(row, format="hh")
    assert (error.field, error.code) == (field, code)


def test_columns_of_the_source_are_kept_as_metadata() -> None:
    row = hh(
        START + "\n\nAssistant: a",
        START + "\n\nAssistant: b",
        tags=["x"],
        metadata={"k": 1},
        language="en",
        id="q",
    )
    item = only_item(row, format="hh")
    assert item.metadata == {"tags": ["x"], "k": 1}
    assert (item.language, item.external_id) == ("en", "q")
    huge = only_error({**row, "blob": "x" * 70_000}, format="hh")
    assert (huge.field, huge.code) == ("metadata", "metadata_too_large")


@pytest.mark.data
def test_all_real_transcripts_are_taken_and_lose_no_byte(shared_data: Path) -> None:
    path = shared_data / "hh_harmless" / "test.jsonl.gz"
    with path.open("rb") as stream:
        results = list(check_rows(stream, "hh"))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        source = [json.loads(line) for line in lines]
    assert len(results) == len(source) == 2312
    assert [result for result in results if isinstance(result, RowError)] == []
    items = [result for result in results if isinstance(result, ItemRow)]
    speaker = {"user": "Human", "assistant": "Assistant"}

    def transcript(messages: Iterable[dict[str, str]]) -> str:
        return "".join(f"\n\n{speaker[message['role']]}: {message['content']}" for message in messages)

    for item, row in zip(items, source, strict=True):
        assert transcript(item.prompt + preferred(item)) == row["chosen"]
        assert transcript(item.prompt + other(item)) == row["rejected"]
    # Four rows have a chosen reply without text; five part before the last turn.
    assert sum(not preferred(item)[-1]["content"] for item in items) == 4
    assert sum(max(len(one.messages) for one in item.completions) > 1 for item in items) == 5
    # A fair coin over 2,312 rows stays within four standard deviations (96) of half.
    assert abs(sum(item.reference == 1 for item in items) - 1156) < 96


# trl

ASK = [{"role": "user", "content": "2+2?"}]
FOUR, FIVE = {"role": "assistant", "content": "4"}, {"role": "assistant", "content": "5"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        {"prompt": ASK, "chosen": [FOUR], "rejected": [FIVE]},
        {"chosen": [*ASK, FOUR], "rejected": [*ASK, FIVE]},
        {"prompt": "2+2?", "chosen": [*ASK, FOUR], "rejected": [*ASK, FIVE]},
        {"prompt": "2+2?", "chosen": [FOUR], "rejected": [FIVE]},
        {"prompt": None, "chosen": "2+2? 4", "rejected": "2+2? 5"},
        {"chosen": "\n\nHuman: 2+2?\n\nAssistant: 4", "rejected": "\n\nHuman: 2+2?\n\nAssistant: 5"},
    ],
)
def test_every_shape_of_trl_gives_the_same_pair(row: dict[str, Any]) -> None:
    item = only_item(row, format="trl")
    assert item.prompt == ASK
    assert [message["content"].strip() for message in preferred(item)] == ["4"]
    assert [message["content"].strip() for message in other(item)] == ["5"]


def test_an_implicit_prompt_of_words_ends_between_words() -> None:
    item = only_item({"chosen": "The sky is blue.", "rejected": "The sky is black."}, format="trl")
    assert item.prompt == [{"role": "user", "content": "The sky is"}]
    assert preferred(item)[0]["content"] == " blue."


def test_a_system_message_and_earlier_turns_stay_in_the_prompt() -> None:
    start = [{"role": "system", "content": "s"}, *ASK, FOUR, {"role": "user", "content": "sure?"}]
    item = only_item({"chosen": [*start, FOUR], "rejected": [*start, FIVE]}, format="trl")
    assert item.prompt == start


def test_other_columns_of_a_trl_row_are_kept_as_metadata() -> None:
    row = {"prompt": "2+2?", "chosen": "4", "rejected": "5", "score_chosen": 9.5, "source": "x"}
    assert only_item(row, format="trl").metadata == {"score_chosen": 9.5, "source": "x"}


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ({"prompt": "x", "chosen": "a", "rejected": "a"}, "rejected", "identical_completions"),
        ({"prompt": "x", "chosen": "a"}, "rejected", "content_missing"),
        ({"prompt": "x", "chosen": "a", "rejected": ""}, "rejected", "empty_completion"),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "prompt[0].content", "empty_prompt"),
        ({"prompt": [FOUR], "chosen": "a", "rejected": "b"}, "prompt[0].role", "prompt_ends_with_assistant"),
        ({"chosen": "yes", "rejected": "no"}, "prompt", "prompt_missing"),
        ({"chosen": [FOUR], "rejected": [FIVE]}, "prompt", "prompt_missing"),
        ({"chosen": [*ASK, FOUR], "rejected": "5"}, "rejected", "not_messages"),
        ({"prompt": "x", "chosen": [], "rejected": "b"}, "chosen", "not_messages"),
        ({"prompt": "x", "chosen": 4, "rejected": "b"}, "chosen", "not_messages"),
        ({"prompt": ASK, "chosen": [*ASK], "rejected": [FIVE]}, "chosen", "completion_not_assistant"),
        ({"prompt": "x", "chosen": "a", "rejected": "b", "langauge": "en"}, "langauge", "unknown_field"),
    ],
)
def test_a_bad_trl_row_is_refused(row: dict[str, Any], field: str, code: str) -> None:
    error = only_error(row, format="trl")
    assert (error.field, error.code) == (field, code)


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


@given(content=st.binary(max_size=300), format=st.sampled_from(["jsonl", "hh", "trl"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_results_and_never_an_exception(content: bytes, format: str) -> None:
    for stored in (content, gzip.compress(content), b"\x1f\x8b" + content):
        results = list(check_rows(io.BytesIO(stored), format))
        assert results
        if not any(isinstance(result, RowError) and result.code == "gzip_damaged" for result in results):
            assert_sound(results, content.count(b"\n") + 1)


@given(rows=st.lists(ROWS, min_size=1, max_size=4), format=st.sampled_from(["jsonl", "hh", "trl"]))
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
