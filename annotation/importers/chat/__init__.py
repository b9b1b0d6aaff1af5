"""`chat`: logged conversations with several replies to the last message, in two shapes.

    {"messages": messages, "replies": [text | {"content": text | messages, "model"?, "settings"?}, …]}
    {"messages": messages, "choices": [{"message": {"role": "assistant", "content": text}}, …], "model"?}

The first may call its replies `responses` or `completions`, and a reply may be a message of the assistant. The second
is the answer of a chat completion API beside the messages it was asked with: the model is that of all choices, and
what else a choice has (`index`, `finish_reason`, `logprobs`) is left out. Both take `id`, `language`, `category`,
`gold` and `metadata` as in `jsonl`; other columns are kept in metadata. Keys of a message that hold null or an empty
list are passed over: clients log them. The replies are stored in the order of the file.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from annotation.importers.base import SourceRow, read_json_lines
from annotation.importers.completions import has_right_number, read_completions, with_a_difference
from annotation.importers.fields import (
    read_category,
    read_completion,
    read_external_id,
    read_gold,
    read_language,
    read_prompt,
    read_text,
    unknown_fields,
)
from annotation.importers.pairs import read_metadata
from annotation.importers.rows import (
    CompletionRow,
    ItemRow,
    Limits,
    Problems,
    RowError,
    make_completion,
    make_item,
)

FIELDS = ("id", "messages", "language", "category", "gold", "metadata")
REPLIES = ("replies", "responses", "completions", "choices")


class ChatImporter:
    key = "chat"
    name = "Logged conversations (messages, replies)"
    holds_judgments = False

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        return read_json_lines(stream, limits)

    def item(self, raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
        used = [name for name in REPLIES if raw.get(name) is not None]
        if len(used) > 1:
            problems.add(
                used[1],
                "replies_twice",
                None,
                f"the row has {used[0]} and {used[1]}, and both are for the replies",
                "keep one of the two",
            )
            return None
        (name,) = used or REPLIES[:1]
        is_logged = name == "choices"
        known = (*FIELDS, name, *(["model"] if is_logged else []))
        external_id = read_external_id(raw, problems)
        prompt = read_prompt(_plain(raw.get("messages")), "messages", problems)
        completions = _choices(raw, problems) if is_logged else _replies(raw.get(name), name, problems)
        language = read_language(raw, problems)
        category = read_category(raw, problems)
        gold = read_gold(raw, problems)
        metadata = read_metadata(raw, known, problems)
        if problems or prompt is None:
            return None
        return make_item(
            line=problems.line,
            external_id=external_id,
            prompt=prompt,
            completions=completions,
            language=language,
            category=category,
            gold=gold,
            metadata=metadata,
        )


def _replies(value: Any, field: str, problems: Problems) -> list[CompletionRow]:
    replies = [_reply(one) for one in value] if isinstance(value, list) else value
    return read_completions(replies, field, problems)


def _reply(value: Any) -> Any:
    """A reply that is text, or a message of the assistant, as an object with its content."""
    if isinstance(value, str):
        return {"content": value}
    if not isinstance(value, dict):
        return value
    reply = {key: inner for key, inner in value.items() if key != "role" or inner != "assistant"}
    return _without_empty(reply) | {"content": _plain(value.get("content"))}


def _choices(raw: Mapping[str, Any], problems: Problems) -> list[CompletionRow]:
    model = read_text(raw, "model", problems, max_length=problems.limits.name_length)
    choices = raw["choices"]
    if not has_right_number(choices, "choices", problems):
        return []
    read = [_choice(one, f"choices[{index}]", model, problems) for index, one in enumerate(choices)]
    return with_a_difference(read, "choices", problems)


def _choice(value: Any, field: str, model: str, problems: Problems) -> CompletionRow | None:
    message = value.get("message") if isinstance(value, dict) else None
    if not isinstance(message, dict):
        problems.add(
            field,
            "not_a_message",
            value,
            "a choice holds a message",
            'write {"message": {"role": "assistant", "content": "…"}}',
        )
        return None
    plain = _without_empty(message)
    unknown_fields(plain, ("role", "content"), f"{field}.message", problems)
    if plain.get("role", "assistant") != "assistant":
        problems.add(
            f"{field}.message.role",
            "completion_not_assistant",
            plain["role"],
            "the message of a choice is the assistant's",
            "leave the choice out",
        )
    messages = read_completion(plain.get("content"), f"{field}.message.content", problems)
    return None if messages is None else make_completion(messages, model)


def _plain(value: Any) -> Any:
    """Messages without the keys that say nothing; anything else as it is."""
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


def _without_empty(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    return {key: value for key, value in message.items() if value is not None and value != []}
