"""Checks of the fields that several formats share. Each returns the value, or None with an error added."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from annotation.importers.languages import normalise_language
from annotation.importers.rows import GoldRow, Message, Problems, canonical_json, join_path

ROLES = ("system", "user", "assistant")
_OTHER_ROLE_NAMES = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}


def unknown_fields(raw: Mapping[str, Any], known: Collection[str], path: str, problems: Problems) -> None:
    """An error for each key that is not known, with the nearest name that is."""
    for key in raw:
        if key not in known:
            add_unknown_field(key, known, path, problems)


def add_unknown_field(key: str, known: Collection[str], path: str, problems: Problems) -> None:
    near = nearest_name(key, known)
    problems.add(
        join_path(path, key),
        "unknown_field",
        key,
        "this field is not known here" + (f"; did you mean {near!r}?" if near else ""),
        f"use one of {', '.join(sorted(known))}; anything else belongs in metadata",
    )


def nearest_name(key: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    """The known name that `key` is probably a slip of. Long keys are nobody's slip."""
    if len(key) > 40:
        return None
    return next(iter(difflib.get_close_matches(key.lower(), sorted(known), n=1, cutoff=cutoff)), None)


def read_external_id(raw: Mapping[str, Any], problems: Problems) -> str:
    """`id` as text; without one, ``line-<number>``, which a file may not use for another line."""
    own = f"line-{problems.line}"
    value = raw.get("id")
    if value is None:
        return own
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        problems.add(
            "id", "not_text", value, "an id is text or a whole number", "give each row its own id, or none"
        )
    elif len(value) > problems.limits.name_length:
        problems.add(
            "id",
            "name_too_long",
            value,
            f"an id may have at most {problems.limits.name_length} characters",
            "use a shorter id and keep the long one in metadata",
        )
    elif value != own and value.startswith("line-") and value[5:].isdecimal():
        problems.add(
            "id",
            "reserved_id",
            value,
            "ids of the form line-<number> are those of rows without an id",
            "use another id, for example row-<number>",
        )
    else:
        return value
    return own


def read_text(
    raw: Mapping[str, Any], key: str, problems: Problems, path: str = "", max_length: int | None = None
) -> str:
    """An optional text; empty when absent or null."""
    value = raw.get(key)
    if value is None:
        return ""
    field = join_path(path, key)
    if not isinstance(value, str):
        problems.add(field, "not_text", value, "this field is text", "put the value in quotes")
        return ""
    if max_length is not None and len(value) > max_length:
        problems.add(
            field, "name_too_long", value, f"at most {max_length} characters fit here", "use a shorter name"
        )
    return value


def read_object(raw: Mapping[str, Any], key: str, problems: Problems, path: str = "") -> dict[str, Any]:
    """An optional free object within `limits.metadata_bytes`; empty when absent or null."""
    value = raw.get(key)
    if value is None:
        return {}
    field = join_path(path, key)
    if not isinstance(value, dict):
        problems.add(field, "not_an_object", value, "this field is an object", 'write {"name": value, …}')
        return {}
    check_size(value, field, problems)
    return value


def check_size(value: Mapping[str, Any], field: str, problems: Problems) -> None:
    limit = problems.limits.metadata_bytes
    size = len(canonical_json(value))
    if size > limit:
        problems.add(
            field,
            "metadata_too_large",
            sorted(value)[:5],
            f"{size} bytes of JSON, more than {limit}",
            "keep what is needed to find the source again",
        )


def read_language(raw: Mapping[str, Any], problems: Problems) -> str:
    """A BCP 47 tag in its usual capitals ("pt-BR"); empty when absent or null."""
    value = raw.get("language")
    if value is None or value == "":
        return ""
    tag = normalise_language(value) if isinstance(value, str) else None
    if tag is None:
        problems.add(
            "language",
            "unknown_language",
            value,
            "this is not a language tag",
            "use a BCP 47 tag such as en, pt-BR or zh-Hant, or leave it out",
        )
        return ""
    return tag


CATEGORY_LENGTH = 40


def read_category(raw: Mapping[str, Any], problems: Problems) -> str:
    """A kind of harm, as the project's exposure limits name it; empty when absent or null."""
    return read_text(raw, "category", problems, max_length=CATEGORY_LENGTH).strip()


def read_messages(value: Any, field: str, problems: Problems) -> list[Message] | None:
    """A conversation of one message or more with text in each. Order of roles is not judged here."""
    if not isinstance(value, list) or not value:
        problems.add(
            field,
            "not_messages",
            value,
            "this is neither text nor a list of messages",
            'write text, or [{"role": "user", "content": "…"}, …]',
        )
        return None
    if len(value) > problems.limits.messages:
        problems.add(
            field,
            "too_many_messages",
            f"{len(value)} messages",
            f"a conversation may have at most {problems.limits.messages} messages",
            "shorten the conversation",
        )
        return None
    messages = [_read_message(one, f"{field}[{index}]", problems) for index, one in enumerate(value)]
    whole = [message for message in messages if message is not None]
    return whole if len(whole) == len(messages) else None


def _read_message(value: Any, field: str, problems: Problems) -> Message | None:
    if not isinstance(value, dict):
        problems.add(
            field, "not_a_message", value, "a message is an object", 'write {"role": …, "content": …}'
        )
        return None
    before = len(problems.errors)
    unknown_fields(value, ("role", "content"), field, problems)
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        meant = _OTHER_ROLE_NAMES.get(role.lower()) if isinstance(role, str) else None
        problems.add(
            f"{field}.role",
            "unknown_role",
            role,
            "a role is system, user or assistant",
            f"write {meant!r}" if meant else "use one of these three",
        )
    if content is None:
        problems.add(
            f"{field}.content",
            "content_missing",
            content,
            "the message has no text",
            "give its text; a message without one must be left out",
        )
    elif not isinstance(content, str):
        problems.add(
            f"{field}.content",
            "not_text",
            content,
            "the content of a message is text",
            "write the text itself",
        )
    if len(problems.errors) > before or not isinstance(content, str) or not isinstance(role, str):
        return None
    return {"role": role, "content": content}


def read_prompt(value: Any, field: str, problems: Problems) -> list[Message] | None:
    """Text (one user message) or messages that end with the user or system."""
    if value is None:
        problems.add(
            field, "prompt_missing", value, "the row has no prompt", "give the prompt as text or messages"
        )
        return None
    if isinstance(value, str):
        messages: list[Message] | None = [{"role": "user", "content": value}]
    else:
        messages = read_messages(value, field, problems)
    return None if messages is None else check_prompt(messages, field, problems)


def check_prompt(messages: list[Message], field: str, problems: Problems) -> list[Message] | None:
    """The same messages when each has text and the last is not the assistant's."""
    for index, message in enumerate(messages):
        if not message["content"].strip():
            problems.add(
                f"{field}[{index}].content",
                "empty_prompt",
                message["content"],
                "a message of the prompt has no text",
                "give its text, or leave the row out",
            )
            return None
    if messages[-1]["role"] == "assistant":
        problems.add(
            f"{field}[{len(messages) - 1}].role",
            "prompt_ends_with_assistant",
            "assistant",
            "the last message of a prompt is the user's (or the system's)",
            "move the assistant's last message into the completions",
        )
        return None
    return messages


def read_completion(value: Any, field: str, problems: Problems) -> list[Message] | None:
    """Text (one assistant message) or messages that end with the assistant, none of them empty."""
    if value is None:
        problems.add(
            field, "content_missing", value, "the completion has no text", "give its text or messages"
        )
        return None
    if isinstance(value, str):
        messages: list[Message] | None = [{"role": "assistant", "content": value}]
    else:
        messages = read_messages(value, field, problems)
    return None if messages is None else check_completion(messages, field, problems)


def check_completion(
    messages: list[Message], field: str, problems: Problems, *, silence_allowed: bool = False
) -> list[Message] | None:
    """The same messages when the last is the assistant's and each has text.

    With `silence_allowed` the last one may be empty: a model that said nothing, in data that
    carries a verdict on that.
    """
    if not messages:
        problems.add(
            field,
            "empty_completion",
            [],
            "nothing follows the prompt",
            "give the reply, or leave the row out",
        )
        return None
    if messages[-1]["role"] != "assistant" or any(message["role"] == "system" for message in messages):
        problems.add(
            field,
            "completion_not_assistant",
            [message["role"] for message in messages][-3:],
            "a completion holds no system message and ends with the assistant's",
            "end it with the assistant's message; what stands before belongs in the prompt",
        )
        return None
    for index, message in enumerate(messages):
        last = index == len(messages) - 1
        if not message["content"].strip() and not (silence_allowed and last):
            problems.add(
                field if len(messages) == 1 else f"{field}[{index}].content",
                "empty_completion",
                message["content"],
                "the completion has no text",
                "give the reply, or leave the row out",
            )
            return None
    return messages


def read_gold(raw: Mapping[str, Any], problems: Problems) -> GoldRow | None:
    """`gold`: {"preference": −n…n without the screen's order, "tolerance"?: steps, "why"?: text}."""
    value = raw.get("gold")
    if value is None:
        return None
    most = problems.limits.preference_max
    if most is None:
        problems.add(
            "gold",
            "gold_not_taken",
            value,
            "this kind of judgment takes no gold answer",
            "remove the field gold",
        )
        return None
    if not isinstance(value, dict):
        problems.add(
            "gold", "not_an_object", value, "gold is an object", 'write {"preference": -2, "tolerance": 1}'
        )
        return None
    unknown_fields(value, ("preference", "tolerance", "why"), "gold", problems)
    preference = _read_integer(value.get("preference"), -most, most, "gold.preference", problems)
    if preference == 0 and not problems.limits.ties_allowed:
        problems.add(
            "gold.preference",
            "tie_not_allowed",
            0,
            "this protocol has no tie",
            "choose a side, or remove gold",
        )
    tolerance = _read_integer(value.get("tolerance", 0), 0, 2 * most, "gold.tolerance", problems)
    why = read_text(value, "why", problems, "gold")
    return None if preference is None or tolerance is None else GoldRow(preference, tolerance, why)


def _read_integer(value: Any, low: int, high: int, field: str, problems: Problems) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    problems.add(
        field,
        "out_of_range",
        value,
        f"a whole number from {low} to {high} is wanted",
        "use a value of the scale",
    )
    return None
