"""The shapes that people have, `hh` and `trl`: what a good row becomes, and what is refused."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from annotation.importers import ItemRow, RowError, check_rows
from tests.annotation.importing import (
    only_error,
    only_item,
)

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
