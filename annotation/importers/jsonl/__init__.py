"""`jsonl`: Concord's own batch file, one JSON object a line.

    {"id"?, "prompt": text | messages, "language"?, "category"?, "completions": [{"content": text | messages,
     "model"?, "settings"?}, …], "gold"?: {"preference", "tolerance"?, "why"?}, "metadata"?}

Strict: a field that is not known is an error, since in our own format it can only be a slip. `completions` may be left
out where the kind of judgment wants none.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from annotation.importers.base import SourceRow, read_json_lines
from annotation.importers.completions import read_completions
from annotation.importers.fields import (
    read_category,
    read_external_id,
    read_gold,
    read_language,
    read_object,
    read_prompt,
    unknown_fields,
)
from annotation.importers.rows import ItemRow, Limits, Problems, RowError, make_item

FIELDS = ("id", "prompt", "language", "category", "completions", "gold", "metadata")


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
        completions = read_completions(raw.get("completions"), "completions", problems)
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
