"""What a chat template would stumble over in the records of a format. Pure; no Django.

The roles are checked here. Whether a template drops or changes words can only be seen by rendering with it, for
which `lost_in` takes the renderer; `rendered` does so with the template of a release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from exporters.chat_template import ChatTemplate, TemplateRefused, TemplateStopped
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
REFUSED = "that the chat template refuses"
LOST = "whose words the chat template leaves out, changes or puts in another order"
STRIPPED = "from which the chat template strips white space at the ends of a message"
ROLES = ("system", "user", "assistant")


def problems_of(conversation: Sequence[Any], *, is_prompt: bool = False) -> list[str]:
    """What is wrong with one conversation, each problem once; empty when a template takes it.

    It may begin with one system message; then user and assistant take turns. The assistant has the last word, in a
    prompt that waits for an answer the user.
    """
    if not conversation:
        return [EMPTY]
    said = [message.get("content") for message in conversation]
    is_blank = any(not isinstance(content, str) or not content or content.isspace() for content in said)
    found = problems_of_roles(tuple(message.get("role") for message in conversation), is_prompt)
    return [BLANK, *found] if is_blank else list(found)


@lru_cache(maxsize=1_000)
def problems_of_roles(roles: tuple[str | None, ...], is_prompt: bool) -> tuple[str, ...]:
    """Of who speaks after whom. A release has few such orders, and asks for each of its rows."""
    found = []
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
    return tuple(found)


def lost_in(conversation: Messages, render: Render) -> list[str]:
    """The contents that `render` leaves out, changes or puts in another order; a template may strip white space."""
    return kept_in(conversation, render(conversation))[0]


def kept_in(conversation: Messages, text: str) -> tuple[list[str], bool]:
    """(contents that are not in `text`, in order and unaltered; whether one lacks white space at its ends).

    Each content is looked for behind the one before it. One so short that the template's own words hold it by chance
    ("a") may be lost unnoticed; one that is there is never told to be lost.
    """
    place, lost, is_stripped = 0, [], False
    for message in conversation:
        content = message.get("content") or ""
        words = content.strip()
        at = text.find(words, place)
        if at < 0:
            lost.append(content)
            continue
        begin = at - content.find(words)
        is_stripped |= text[max(begin, place) : begin + len(content)] != content
        place = at + len(words)
    return lost, is_stripped


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


def rendered(
    records: Iterable[tuple[str, Record]], template: ChatTemplate, warn: Callable[[str, str], None]
) -> Iterator[tuple[str, Record]]:
    """The same records, none left out; `warn` hears each problem of each record with the record's id.

    Raises TemplateStopped, with the record's id, where the template meets a limit.
    """
    for number, (side, record) in enumerate(records, start=1):
        name = str(record.get("id") or f"number {number}, {side}")
        try:
            for problem, detail in template_problems(record, template):
                warn(problem, f"{name}: {detail}" if detail else name)
        except TemplateStopped as error:
            raise TemplateStopped(f"at record {name} {error}") from error
        yield side, record


def template_problems(record: Record, template: ChatTemplate) -> list[tuple[str, str]]:
    """(problem, what the template says of it, or nothing), each problem once."""
    whole, prompts = conversations_of(record)
    found: dict[str, str] = {}
    for conversation, is_prompt in [*((one, False) for one in whole), *((one, True) for one in prompts)]:
        try:
            lost, is_stripped = kept_in(conversation, template.render(conversation, is_prompt=is_prompt))
        except TemplateRefused as error:
            found.setdefault(REFUSED, " ".join(str(error).split()))
            continue
        if lost:
            found.setdefault(LOST, "")
        if is_stripped:
            found.setdefault(STRIPPED, "")
    return list(found.items())
