"""The import format `chat`: conversations with several replies, and logged answers of a chat completion API."""

from typing import Any

import pytest

from annotation.importers import ItemRow
from tests.annotation.importing import DEMONSTRATION, RANKING, only_error, only_item, texts

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+2?"}]


def said(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def choice(content: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "message": said(content, **more), "finish_reason": "stop", "logprobs": None}


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": ASK, **fields}


def item_of(**fields: Any) -> ItemRow:
    return only_item(chat(**fields), format="chat", limits=fields.pop("limits", RANKING))


# A good row


@pytest.mark.parametrize("name", ["replies", "responses", "completions"])
@pytest.mark.parametrize(
    "replies",
    [
        ["4", "5"],
        [{"content": "4"}, {"content": [said("5")]}],
        [said("4"), said("5", refusal=None, tool_calls=[])],
    ],
)
def test_replies_are_text_objects_or_messages(name: str, replies: list[Any]) -> None:
    item = item_of(**{name: replies})
    assert item.prompt == ASK
    assert [one.messages for one in item.completions] == [[said("4")], [said("5")]]
    assert (item.reference, item.metadata) == (None, {})


def test_a_full_row_keeps_everything() -> None:
    row = chat(
        id="c-1",
        replies=[{"content": "4", "model": "m1", "settings": {"temperature": 0}}, said("5", model="m2")],
        language="EN",
        category="sums",
        gold={"preference": -3},
        metadata={"k": 1},
        session="s-9",
    )
    item = only_item(row, format="chat")
    assert (item.external_id, item.language, item.category) == ("c-1", "en", "sums")
    assert [(one.model, one.settings) for one in item.completions] == [("m1", {"temperature": 0}), ("m2", {})]
    assert item.gold is not None and item.gold.preference == -3
    assert item.metadata == {"k": 1, "session": "s-9"}


def test_a_logged_chat_completion_is_taken_with_its_model() -> None:
    messages = [*ASK, said("4", refusal=None, annotations=[]), {"role": "user", "content": "Sure?"}]
    row = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "small-1",
        "messages": messages,
        "choices": [choice("Yes.", refusal=None, annotations=[]), choice("No.", 1), choice("Perhaps.", 2)],
        "usage": {"total_tokens": 12},
    }
    item = only_item(row, format="chat", limits=RANKING)
    assert item.external_id == "chatcmpl-1"
    assert [message["content"] for message in item.prompt] == ["Be brief.", "2+2?", "4", "Sure?"]
    assert [set(message) for message in item.prompt] == [{"role", "content"}] * 4
    assert texts(item) == ["Yes.", "No.", "Perhaps."]
    assert {one.model for one in item.completions} == {"small-1"}
    assert item.metadata == {
        "object": "chat.completion",
        "created": 1741569952,
        "usage": {"total_tokens": 12},
    }


def test_a_kind_without_completions_takes_the_conversation_alone() -> None:
    assert only_item(chat(), format="chat", limits=DEMONSTRATION).completions == []


# What is refused


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        (chat(), "replies", "completions_missing"),
        (chat(replies="4"), "replies", "completions_missing"),
        (chat(responses=["4"]), "responses", "completions_count"),
        (chat(replies=["4", "5"], choices=[]), "choices", "replies_twice"),
        (chat(replies=["4", "4 "]), "replies", "identical_completions"),
        (chat(replies=["4", ""]), "replies[1].content", "empty_completion"),
        (chat(replies=["4", None]), "replies[1]", "not_an_object"),
        (chat(replies=["4", {"content": None}]), "replies[1].content", "content_missing"),
        (chat(replies=["4", {"role": "user", "content": "5"}]), "replies[1].role", "unknown_field"),
        (chat(replies=["4", {"content": "5", "rank": 1}]), "replies[1].rank", "unknown_field"),
        (chat(replies=["4", "5"], langauge="en"), "langauge", "unknown_field"),
        (chat(replies=["4", "5"], replise=["6"]), None, None),
        ({"replies": ["4", "5"]}, "messages", "prompt_missing"),
        (
            chat(messages=[*ASK, said("4")], replies=["4", "5"]),
            "messages[2].role",
            "prompt_ends_with_assistant",
        ),
        (
            chat(messages=[{"role": "tool", "content": "x"}], replies=["4", "5"]),
            "messages[0].role",
            "unknown_role",
        ),
        (
            chat(messages=[{"role": "user", "content": "x", "name": "Ann"}], replies=["4", "5"]),
            "messages[0].name",
            "unknown_field",
        ),
        (chat(choices={"0": 1}), "choices", "completions_missing"),
        (chat(choices=[choice("4")]), "choices", "completions_count"),
        (chat(choices=[choice("4"), choice("4")]), "choices", "identical_completions"),
        (chat(choices=[choice("4"), {"text": "5"}]), "choices[1]", "not_a_message"),
        (chat(choices=[choice("4"), "5"]), "choices[1]", "not_a_message"),
        (chat(choices=[choice("4"), choice(None)]), "choices[1].message.content", "content_missing"),
        (
            chat(choices=[choice("4"), choice("5", tool_calls=[{"id": "t"}])]),
            "choices[1].message.tool_calls",
            "unknown_field",
        ),
        (
            chat(choices=[choice("4"), {"message": {"role": "user", "content": "5"}}]),
            "choices[1].message.role",
            "completion_not_assistant",
        ),
        (chat(choices=[choice("4"), choice("5")], model=7), "model", "not_text"),
        (chat(choices=[choice("4"), choice("5")], model="m" * 201), "model", "name_too_long"),
        (chat(replies=["4", "5"], gold={"preference": 9}), "gold.preference", "out_of_range"),
    ],
)
def test_a_bad_row_is_refused(row: dict[str, Any], field: str | None, code: str | None) -> None:
    if code is None:
        assert only_item(row, format="chat").metadata == {"replise": ["6"]}
        return
    error = only_error(row, format="chat")
    assert (error.field, error.code) == (field, code)
