"""The list of completions of a row: how many, each by itself, and whether there is anything to prefer."""

from typing import Any

from annotation.importers.fields import read_completion, read_object, read_text, unknown_fields
from annotation.importers.rows import CompletionRow, Problems, all_the_same, make_completion

FIELDS = ("content", "model", "settings")


def read_completions(value: Any, field: str, problems: Problems) -> list[CompletionRow]:
    """A list of {"content", "model"?, "settings"?}, as long as the protocol wants it."""
    if value is None and problems.limits.completions_min == 0:
        return []
    if not has_right_number(value, field, problems):
        return []
    read = [read_one(one, f"{field}[{index}]", problems) for index, one in enumerate(value)]
    return with_a_difference(read, field, problems)


def has_right_number(value: Any, field: str, problems: Problems) -> bool:
    low, high = problems.limits.completions_min, problems.limits.completions_max
    wanted = "no" if high == 0 else f"{low}" if low == high else f"{low} to {high}"
    if not isinstance(value, list):
        problems.add(
            field,
            "completions_missing",
            value,
            "the row has no list of completions",
            f'write "{field}": [{{"content": "…"}}, …]',
        )
        return False
    if not low <= len(value) <= high:
        problems.add(
            field,
            "completions_count",
            f"{len(value)} completions",
            f"this protocol wants {wanted} completions in an item",
            "add or remove completions, or import under another protocol",
        )
        return False
    return True


def read_one(value: Any, field: str, problems: Problems) -> CompletionRow | None:
    if not isinstance(value, dict):
        problems.add(field, "not_an_object", value, "a completion is an object", 'write {"content": "…"}')
        return None
    unknown_fields(value, FIELDS, field, problems)
    messages = read_completion(value.get("content"), f"{field}.content", problems)
    model = read_text(value, "model", problems, field, problems.limits.name_length)
    settings = read_object(value, "settings", problems, field)
    return None if messages is None else make_completion(messages, model, settings)


def with_a_difference(
    read: list[CompletionRow | None], field: str, problems: Problems
) -> list[CompletionRow]:
    """The completions that could be read; an error when they all say the same."""
    whole = [one for one in read if one is not None]
    if len(whole) == len(read) and all_the_same(one.messages for one in whole):
        problems.add(
            field,
            "identical_completions",
            whole[0].messages[-1]["content"],
            "the completions are all the same text, so there is nothing to prefer",
            "leave the row out, or give different completions",
        )
    return whole
