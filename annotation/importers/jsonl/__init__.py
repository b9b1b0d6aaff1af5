"""`jsonl`: Concord's own batch file, one JSON object a line.

    {"id"?, "prompt": text | messages, "language"?, "category"?, "completions": [{"content": text | messages,
     "model"?, "settings"?}, …], "gold"?: {"preference", "tolerance"?, "why"?}, "metadata"?}

Strict: a field that is not known is an error, since in our own format it can only be a slip. `completions` may be left
out where the kind of judgment wants none.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from annotation.importers.base import SourceRow, read_json_lines
from annotation.importers.fields import (
    read_category,
    read_completion,
    read_external_id,
    read_gold,
    read_language,
    read_object,
    read_prompt,
    read_text,
    unknown_fields,
)
from annotation.importers.rows import (
    CompletionRow,
    ItemRow,
    Limits,
    Problems,
    RowError,
    all_the_same,
    make_completion,
    make_item,
)

FIELDS = ("id", "prompt", "language", "category", "completions", "gold", "metadata")
COMPLETION_FIELDS = ("content", "model", "settings")


class JsonlImporter:
    key = "jsonl"
    name = "Concord batch file (JSON lines)"
    holds_judgments = False

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        return read_json_lines(stream, limits)

    def item(self, raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
        unknown_fields(raw, FIELDS, "", problems)
        external_id = read_external_id(raw, problems)
        prompt = read_prompt(raw.get("prompt"), "prompt", problems)
        completions = _read_completions(raw.get("completions"), problems)
        language = read_language(raw, problems)
        category = read_category(raw, problems)
        gold = read_gold(raw, problems)
        metadata = read_object(raw, "metadata", problems)
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


def _read_completions(value: Any, problems: Problems) -> list[CompletionRow]:
    low, high = problems.limits.completions_min, problems.limits.completions_max
    wanted = "no" if high == 0 else f"{low}" if low == high else f"{low} to {high}"
    if value is None and low == 0:
        return []
    if not isinstance(value, list):
        problems.add(
            "completions",
            "completions_missing",
            value,
            "the row has no list of completions",
            'write "completions": [{"content": "…"}, …]',
        )
        return []
    if not low <= len(value) <= high:
        problems.add(
            "completions",
            "completions_count",
            f"{len(value)} completions",
            f"this protocol wants {wanted} completions in an item",
            "add or remove completions, or import under another protocol",
        )
        return []
    read = [_read_one(one, f"completions[{index}]", problems) for index, one in enumerate(value)]
    whole = [one for one in read if one is not None]
    if len(whole) == len(read) and all_the_same(one.messages for one in whole):
        problems.add(
            "completions",
            "identical_completions",
            whole[0].messages[-1]["content"],
            "the completions are all the same text, so there is nothing to prefer",
            "leave the row out, or give different completions",
        )
    return whole


def _read_one(value: Any, field: str, problems: Problems) -> CompletionRow | None:
    if not isinstance(value, dict):
        problems.add(field, "not_an_object", value, "a completion is an object", 'write {"content": "…"}')
        return None
    unknown_fields(value, COMPLETION_FIELDS, field, problems)
    messages = read_completion(value.get("content"), f"{field}.content", problems)
    model = read_text(value, "model", problems, field, problems.limits.name_length)
    settings = read_object(value, "settings", problems, field)
    return None if messages is None else make_completion(messages, model, settings)
