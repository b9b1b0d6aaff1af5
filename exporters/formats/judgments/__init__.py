"""Every judgment whole, so that another instance can take it in again: nothing but names of people is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC
from typing import Any

import pyarrow as pa

from exporters.formats import MESSAGES, Judged, Record, ReleaseContent

COMPLETIONS = pa.list_(
    pa.struct(
        [
            pa.field("position", pa.int32()),
            pa.field("model", pa.string()),
            pa.field("settings", pa.string()),
            pa.field("messages", MESSAGES),
        ]
    )
)
CRITERIA = pa.list_(
    pa.struct(
        [
            pa.field("key", pa.string()),
            pa.field("name", pa.string()),
            pa.field("question", pa.string()),
            pa.field("low", pa.int32()),
            pa.field("high", pa.int32()),
            pa.field("ties_allowed", pa.bool_()),
            pa.field("anchors", pa.list_(pa.string())),
        ]
    )
)


class JudgmentsFormat:
    """The only format with nulls: where something was not said, nothing is written in its place."""

    key = "judgments"
    title = "Whole judgments, nothing lost"
    trainers = "import into another instance, and your own analysis; no trainer"
    unit = "judgment"
    sample_column = "answers"
    tag = "judgments"
    note = (
        "`answers`, `metadata` and `settings` are JSON in a text, because their fields differ from record to record. "
        'Answers are those of the API: `{"overall": {"preference": -2}}` of a comparison, negative where the first '
        'completion as imported is better, 0 for about the same, with `"tie_reason"` if one was given; one number for '
        "each completion in the order of import for rankings and ratings; `spans` for marks in a text; the texts of "
        "demonstrations and critiques under `overall`."
    )
    refusal = ""
    reads_judgments = True
    holds_words = True
    columns: Mapping[str, str] = {
        "id": "Batch, item and judgment where it was made: the same in every release, here and where it was imported.",
        "judgment": "Its number on the server where it was made.",
        "supersedes": "The judgment that this one corrects; null when it is the first.",
        "batch": "Number of the batch where it was made.",
        "item": "The id that the item was imported with where it was made.",
        "language": "Language of the item as a BCP 47 tag, if the data named one.",
        "category": "Harmful category of the item, if it has one.",
        "reference": "The label that came with the data: -1 first, 1 second completion; null when there was none.",
        "metadata": "What else came with the item, as JSON.",
        "prompt": "The conversation up to the completions, as messages of role and content.",
        "completions": "All completions in the order of import: model, sampling settings as JSON, messages.",
        "annotator": "Pseudonym of the person who judged.",
        "is_simulated": "Whether a program judged in a person's place.",
        "kind": "pairwise, ranking, rating, demonstration or critique.",
        "points": "Points of the protocol's scale; null where it has none.",
        "protocol_version": "Version of the protocol under which it was judged.",
        "guideline_version": "Version of the guideline that was shown.",
        "criteria": "What was asked: each criterion with its wording, bounds and anchors.",
        "answers": "What was answered to each criterion, as JSON.",
        "display_order": "Positions of the completions as they were shown: the first was called A.",
        "active_seconds": "Seconds of activity on the page; null when they were not measured.",
        "confidence": "1 to 3 as the person said; null when they did not.",
        "note": "What the person noted; empty when there is nothing, or when it was erased.",
        "read_to_end": "Labels of the completions that were scrolled to their end.",
        "created_at": "When it was submitted, RFC 3339 in UTC.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("judgment", pa.int64()),
            pa.field("supersedes", pa.int64()),
            pa.field("batch", pa.int32()),
            pa.field("item", pa.string()),
            pa.field("language", pa.string()),
            pa.field("category", pa.string()),
            pa.field("reference", pa.int32()),
            pa.field("metadata", pa.string()),
            pa.field("prompt", MESSAGES),
            pa.field("completions", COMPLETIONS),
            pa.field("annotator", pa.string()),
            pa.field("is_simulated", pa.bool_()),
            pa.field("kind", pa.string()),
            pa.field("points", pa.int32()),
            pa.field("protocol_version", pa.int32()),
            pa.field("guideline_version", pa.int32()),
            pa.field("criteria", CRITERIA),
            pa.field("answers", pa.string()),
            pa.field("display_order", pa.list_(pa.int32())),
            pa.field("active_seconds", pa.float64()),
            pa.field("confidence", pa.int32()),
            pa.field("note", pa.string()),
            pa.field("read_to_end", pa.list_(pa.string())),
            pa.field("created_at", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        group, shared = "", dict[str, Any]()
        criteria: dict[int, list[Record]] = {}
        for judged in content.judgments():
            if judged.group != group:
                group, shared = judged.group, item_columns(judged)
            if judged.protocol_version not in criteria:
                criteria[judged.protocol_version] = [asdict(scale) for scale in judged.criteria]
            record = {name: getattr(judged, name) for name in self.schema.names}
            yield (
                judged.split,
                record
                | shared
                | (asdict(judged.origin) if judged.origin else {})
                | {
                    "criteria": criteria[judged.protocol_version],
                    "answers": as_text(judged.answers),
                    "created_at": judged.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                },
            )


def item_columns(judged: Judged) -> Record:
    """What is the same in all records of an item, which follow one another."""
    completions = [
        {
            "position": completion.position,
            "model": completion.model,
            "settings": as_text(completion.settings),
            "messages": completion.messages,
        }
        for completion in judged.completions
    ]
    return {"metadata": as_text(judged.metadata), "completions": completions}


def as_text(value: dict[str, Any]) -> str:
    """JSON with its keys in alphabetical order: the same value is the same text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


judgments = JudgmentsFormat()
