"""What the check of conversations finds in the records of a format."""

from typing import Any

import pytest

from exporters.chat_check import (
    BLANK,
    EMPTY,
    FIRST,
    LAST,
    ORDER,
    PROMPT_LAST,
    ROLE,
    SYSTEM,
    checked,
    lost_in,
    problems_of,
    record_problems,
)
from exporters.formats import Messages

S, U, A = ({"role": role, "content": f"I am the {role}."} for role in ("system", "user", "assistant"))


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        ([U, A], []),
        ([S, U, A, U, A], []),
        ([], [EMPTY]),
        ([U, {"role": "assistant", "content": " \n"}], [BLANK]),
        ([U, {"role": "assistant", "content": None}], [BLANK]),
        ([U, {"role": "assistant"}], [BLANK]),
        ([U, {"role": "tool", "content": "x"}, A], [ROLE]),
        ([U, S, A], [SYSTEM]),
        ([S, S, U, A], [SYSTEM]),
        ([A, U, A], [FIRST]),
        ([S, A], [FIRST]),
        ([U, U, A], [ORDER]),
        ([U, A, A], [ORDER]),
        ([U], [LAST]),
        ([S], [LAST]),
        ([U, A, U], [LAST]),
        ([A, A, U], [FIRST, ORDER, LAST]),
    ],
)
def test_roles_take_turns_and_the_assistant_ends(conversation: list[Any], expected: list[str]) -> None:
    assert problems_of(conversation) == expected


def test_a_prompt_ends_with_the_user() -> None:
    assert problems_of([S, U], is_prompt=True) == []
    assert problems_of([U, A], is_prompt=True) == [PROMPT_LAST]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": [U], "chosen": [A], "rejected": [U]},
        {"prompt": [U], "chosen": [U], "rejected": [A]},
        {"chosen": [U, A], "rejected": [U, U]},
        {"prompt": [U], "completion": [U], "label": True},
        {"messages": [U, U], "source": "revision"},
        {"prompt": [U], "completions": [{"model": "m", "messages": [A]}, {"model": "m", "messages": [U]}]},
        {"input": {"messages": [U]}, "preferred_output": [A], "non_preferred_output": [U]},
        {"id": "1", "fields": {"prompt": [U], "response_1": [A], "response_2": [U]}},
    ],
)
def test_every_conversation_of_a_record_is_looked_at(record: dict[str, Any]) -> None:
    assert record_problems(record) == [ORDER, LAST]


def test_a_prompt_alone_is_held_to_the_rule_of_prompts() -> None:
    assert record_problems({"prompt": [S, U]}) == []
    assert record_problems({"prompt": [U, A], "completions": []}) == [PROMPT_LAST]


def test_nothing_is_dropped_and_each_record_counts_once() -> None:
    heard: list[str] = []
    rows = [("train", {"chosen": [U], "rejected": [U]}), ("test", {"messages": [U, A]})]
    assert list(checked(rows, heard.append)) == rows
    assert heard == [LAST]


def chatml(conversation: Messages) -> str:
    return "".join(f"<{m['role']}>{m['content'].strip()}</{m['role']}>" for m in conversation)


def without_system(conversation: Messages) -> str:
    return chatml([message for message in conversation if message["role"] != "system"])


def reversed_chat(conversation: Messages) -> str:
    return chatml(conversation[::-1])


def test_a_template_that_drops_changes_or_turns_words_around_is_caught() -> None:
    conversation = [S, U, {"role": "assistant", "content": " Yes.\n"}]
    assert lost_in(conversation, chatml) == []
    assert lost_in(conversation, without_system) == ["I am the system."]
    assert lost_in(conversation, lambda said: chatml(said).lower()) == [
        "I am the system.",
        "I am the user.",
        " Yes.\n",
    ]
    assert lost_in([U, A], reversed_chat) == ["I am the assistant."]
