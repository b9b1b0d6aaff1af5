"""The import format `jsonl`: every answer that is defined for odd input, and what a good row becomes."""

from typing import Any

import pytest

from annotation.importers import ItemRow, Limits, RowError
from tests.annotation.importing import (
    DEMONSTRATION,
    PAIR,
    RANKING,
    RATING,
    as_line,
    check,
    good_row,
    only_error,
    only_item,
    texts,
)

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
