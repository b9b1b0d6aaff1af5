"""What a chat template would stumble over in the records of a format. Pure; no Django.

The roles are checked here. Whether a template drops or changes words can only be seen by rendering with it, for
which `lost_in` takes the renderer: the product has no Jinja.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from exporters.formats import Messages, Record

Render = Callable[[Messages], str]
"""A conversation as the text that a model would read: a tokenizer's `apply_chat_template`, without tokens."""

EMPTY = "without any message"
BLANK = "with a message that has no text"
ROLE = "with a role other than system, user and assistant"
SYSTEM = "with a system message that is not the first"
FIRST = "that do not begin with the user"
ORDER = "in which one role speaks twice in a row"
LAST = "that do not end with the assistant"
PROMPT_LAST = "whose prompt does not end with the user"
ROLES = ("system", "user", "assistant")


def problems_of(conversation: Sequence[Any], *, is_prompt: bool = False) -> list[str]:
    """What is wrong with one conversation, each problem once; empty when a template takes it.

    It may begin with one system message; then user and assistant take turns. The assistant has the last word, in a
    prompt that waits for an answer the user.
    """
    if not conversation:
        return [EMPTY]
    found = []
    if any(not isinstance(m.get("content"), str) or not m["content"].strip() for m in conversation):
        found.append(BLANK)
    roles = [message.get("role") for message in conversation]
    if any(role not in ROLES for role in roles):
        found.append(ROLE)
    turns = roles[1:] if roles[0] == "system" else roles
    if "system" in turns:
        found.append(SYSTEM)
    if turns and turns[0] == "assistant":
        found.append(FIRST)
    if any(one == other for one, other in pairwise(turns)):
        found.append(ORDER)
    if roles[-1] != ("user" if is_prompt else "assistant"):
        found.append(PROMPT_LAST if is_prompt else LAST)
    return found


def lost_in(conversation: Messages, render: Render) -> list[str]:
    """The contents that `render` leaves out, changes or puts in another order; a template may strip white space."""
    text, place, lost = render(conversation), 0, []
    for message in conversation:
        words = message["content"].strip()
        at = text.find(words, place)
        if at < 0:
            lost.append(message["content"])
        else:
            place = at + len(words)
    return lost


def conversations_of(record: Record) -> tuple[list[Messages], list[Messages]]:
    """(whole conversations, prompts that wait for an answer) of one record, by the names of its columns."""
    if "messages" in record:
        return [record["messages"]], []
    if "input" in record:
        prompt = record["input"]["messages"]
        return [[*prompt, *record[side]] for side in ("preferred_output", "non_preferred_output")], []
    # Argilla keeps a record's texts one level down.
    columns = record.get("fields", record)
    prompt = columns.get("prompt", [])
    names = ("chosen", "rejected", "completion", "response_1", "response_2")
    answers = [columns[name] for name in names if name in columns]
    answers += [entry["messages"] for entry in columns.get("completions", [])]
    if answers:
        return [[*prompt, *answer] for answer in answers], []
    return [], [prompt]


def record_problems(record: Record) -> list[str]:
    """The problems of all conversations of a record, each once, in the order of their first appearance."""
    whole, prompts = conversations_of(record)
    found = [problem for conversation in whole for problem in problems_of(conversation)]
    found += [problem for prompt in prompts for problem in problems_of(prompt, is_prompt=True)]
    return list(dict.fromkeys(found))


def checked(
    records: Iterable[tuple[str, Record]], warn: Callable[[str], None]
) -> Iterator[tuple[str, Record]]:
    """The same records, none left out; `warn` hears each problem of each record."""
    for side, record in records:
        for problem in record_problems(record):
            warn(problem)
        yield side, record
