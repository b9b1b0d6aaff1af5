"""`judgments`: whole judgments of another project, as a release in the format `judgments` holds them.

One judgment a line, with its item: the columns are those of `exporters/formats/judgments`, and every one must be there.
`metadata`, `settings` and `answers` are JSON in a text. The judgments of one item stand together. Whether answers,
criteria and people fit the project is for the caller to say (`check_rows`); here a line is checked by itself.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

from annotation.importers.base import SourceRow, read_json_lines
from annotation.importers.fields import (
    check_completion,
    check_prompt,
    check_size,
    read_category,
    read_language,
    read_messages,
    read_text,
    unknown_fields,
)
from annotation.importers.judgments.values import (
    INT32_MAX,
    INT64_MAX,
    labels_of,
    read_integer,
    read_json_text,
    read_list,
)
from annotation.importers.rows import (
    CompletionRow,
    ItemRow,
    JudgmentRow,
    Limits,
    Message,
    Problems,
    RowError,
    make_completion,
    make_item,
)

FIELDS = (
    "id",
    "judgment",
    "supersedes",
    "batch",
    "item",
    "language",
    "category",
    "reference",
    "metadata",
    "prompt",
    "completions",
    "annotator",
    "is_simulated",
    "kind",
    "points",
    "protocol_version",
    "guideline_version",
    "criteria",
    "answers",
    "display_order",
    "active_seconds",
    "confidence",
    "note",
    "read_to_end",
    "created_at",
)
NULLABLE = ("supersedes", "reference", "points", "active_seconds", "confidence")
COMPLETION_FIELDS = ("position", "model", "settings", "messages")
RECORD = re.compile(r"([1-9][0-9]{0,9})-([1-9][0-9]{0,9})-([1-9][0-9]{0,18})")
PSEUDONYM = re.compile(r"[-a-zA-Z0-9_]{1,16}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
JSON_LENGTH = 1_500_000
"""Characters of `answers`: a revision of the longest kind, every character escaped, and its critique."""
READ_MAX = 100
"""Entries of `read_to_end`."""


class JudgmentsImporter:
    key = "judgments"
    name = "Judgments of another project (its lossless release)"
    holds_judgments = True

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        # A line is an item's line with its answers and the criteria beside it.
        room = replace(limits, line_bytes=2 * limits.line_bytes, text_length=JSON_LENGTH)
        return read_json_lines(stream, room)

    def item(self, raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
        """The item of this line with the one judgment."""
        unknown_fields(raw, FIELDS, "", problems)
        _check_present(raw, problems)
        if problems:
            return None
        prompt = _read_conversation(raw["prompt"], "prompt", problems)
        if prompt is not None:
            check_prompt(prompt, "prompt", problems)
        completions = _read_completions(raw["completions"], problems)
        language = read_language(raw, problems)
        category = read_category(raw, problems)
        if raw["reference"] not in (None, -1, 1) or isinstance(raw["reference"], bool | float):
            problems.add(
                "reference",
                "out_of_range",
                raw["reference"],
                "a reference is -1, 1 or null",
                "use -1 when the first completion is the preferred one, 1 when the second is",
            )
        metadata = read_json_text(raw["metadata"], "metadata", problems)
        check_size(metadata, "metadata", problems)
        judgment = _read_judgment(raw, len(completions), problems)
        if problems or prompt is None or judgment is None:
            return None
        item = make_item(
            line=problems.line,
            external_id=judgment.item,
            prompt=prompt,
            completions=completions,
            language=language,
            category=category,
            reference=raw["reference"],
            metadata=metadata,
        )
        return replace(item, judgments=[judgment])


def _check_present(raw: Mapping[str, Any], problems: Problems) -> None:
    for name in FIELDS:
        if name not in raw or (raw[name] is None and name not in NULLABLE):
            problems.add(
                name,
                "field_missing",
                raw.get(name, ""),
                "every line of a release of judgments has a value here",
                "send the release's file as it is, or add the field",
            )


def _read_conversation(value: Any, field: str, problems: Problems) -> list[Message] | None:
    messages = read_messages(value, field, problems)
    for index, message in enumerate(messages or []):
        if len(message["content"]) > problems.limits.text_length:
            problems.add(
                f"{field}[{index}].content",
                "text_too_long",
                message["content"],
                f"the text has {len(message['content'])} characters, more than {problems.limits.text_length}",
                "leave the judgments of this item out",
            )
    return messages


def _read_completions(value: Any, problems: Problems) -> list[CompletionRow]:
    """What has been judged is there to be taken: equal completions too, and a model that said nothing."""
    low, high = problems.limits.completions_min, problems.limits.completions_max
    if not isinstance(value, list) or not low <= len(value) <= high:
        problems.add(
            "completions",
            "completions_count",
            value if not isinstance(value, list) else f"{len(value)} completions",
            f"this protocol wants a list of {low} to {high} completions",
            "import into a project whose protocol is of the kind that was judged",
        )
        return []
    found = [_read_completion(one, index, problems) for index, one in enumerate(value)]
    return [one for one in found if one is not None]


def _read_completion(value: Any, index: int, problems: Problems) -> CompletionRow | None:
    field = f"completions[{index}]"
    if not isinstance(value, dict) or set(value) != set(COMPLETION_FIELDS):
        problems.add(
            field,
            "not_a_completion",
            value,
            f"a completion is an object with {', '.join(COMPLETION_FIELDS)}",
            "send the release's file as it is",
        )
        return None
    if value["position"] != index or isinstance(value["position"], bool):
        problems.add(
            f"{field}.position",
            "wrong_position",
            value["position"],
            "completions stand in the order of import and are numbered from 0",
            f"this one has position {index}",
        )
    messages = _read_conversation(value["messages"], f"{field}.messages", problems)
    if messages is not None:
        check_completion(messages, f"{field}.messages", problems, silence_allowed=True)
    model = read_text(value, "model", problems, field, problems.limits.name_length)
    settings = read_json_text(value["settings"], f"{field}.settings", problems)
    check_size(settings, f"{field}.settings", problems)
    return None if messages is None else make_completion(messages, model, settings)


def _read_judgment(raw: Mapping[str, Any], completions: int, problems: Problems) -> JudgmentRow | None:
    numbers = _read_numbers(raw, problems)
    item = read_text(raw, "item", problems, max_length=problems.limits.name_length)
    if not isinstance(raw["is_simulated"], bool):
        problems.add(
            "is_simulated", "not_a_boolean", raw["is_simulated"], "this is true or false", "write one"
        )
    pseudonym = raw["annotator"]
    if not isinstance(pseudonym, str) or not PSEUDONYM.fullmatch(pseudonym):
        problems.add(
            "annotator",
            "not_a_pseudonym",
            pseudonym,
            "a pseudonym has 1 to 16 Latin letters, digits, - and _",
            "give each person a pseudonym of that form, the same on every line",
        )
    answers = read_json_text(raw["answers"], "answers", problems)
    order = read_list(raw["display_order"], "display_order", int, problems)
    if sorted(order) != list(range(completions)):
        problems.add(
            "display_order",
            "not_an_order",
            order,
            "this holds the position of every completion once",
            "give the positions in the order in which they were shown",
        )
    shown = read_list(raw["read_to_end"], "read_to_end", str, problems)
    if not set(shown) <= set(labels_of(completions)) or len(shown) > READ_MAX:
        problems.add(
            "read_to_end",
            "not_a_label",
            shown,
            f"the labels here are {', '.join(labels_of(completions)) or 'none'}",
            "name completions by their labels on the screen",
        )
    created_at = _read_time(raw["created_at"], problems)
    _check_side_facts(raw, problems)
    if problems or numbers is None or created_at is None:
        return None
    return JudgmentRow(
        line=problems.line,
        item=item,
        annotator=pseudonym,
        is_simulated=raw["is_simulated"],
        kind=raw["kind"],
        points=raw["points"],
        criteria=raw["criteria"],
        answers=answers,
        display_order=order,
        active_seconds=None if raw["active_seconds"] is None else float(raw["active_seconds"]),
        confidence=raw["confidence"],
        note=raw["note"],
        read_to_end=shown,
        created_at=created_at,
        size=len(raw["answers"]) + len(raw["note"]),
        **numbers,
    )


def _read_numbers(raw: Mapping[str, Any], problems: Problems) -> dict[str, Any] | None:
    """The numbers that name the judgment, its item and its versions where it was made."""
    found = {
        "judgment": read_integer(raw["judgment"], "judgment", 1, INT64_MAX, problems),
        "batch": read_integer(raw["batch"], "batch", 1, INT32_MAX, problems),
        "supersedes": None
        if raw["supersedes"] is None
        else read_integer(raw["supersedes"], "supersedes", 1, INT64_MAX, problems),
        "protocol_version": read_integer(raw["protocol_version"], "protocol_version", 1, INT32_MAX, problems),
        "guideline_version": read_integer(
            raw["guideline_version"], "guideline_version", 1, INT32_MAX, problems
        ),
    }
    if problems:
        return None
    match = RECORD.fullmatch(raw["id"]) if isinstance(raw["id"], str) else None
    parts = [int(part) for part in match.groups()] if match else [0, 0, 0]
    if (parts[0], parts[2]) != (found["batch"], found["judgment"]) or not 0 < parts[1] <= INT32_MAX:
        problems.add(
            "id",
            "wrong_id",
            raw["id"],
            "an id is batch, number of the item and judgment, joined by -",
            f"for example {found['batch']}-1-{found['judgment']}",
        )
        return None
    return found | {"item_number": parts[1]}


def _check_side_facts(raw: Mapping[str, Any], problems: Problems) -> None:
    for name in ("kind", "note"):
        if not isinstance(raw[name], str):
            problems.add(name, "not_text", raw[name], "this field is text", "put the value in quotes")
    if raw["points"] is not None:
        read_integer(raw["points"], "points", 1, INT32_MAX, problems)
    if raw["confidence"] is not None:
        read_integer(raw["confidence"], "confidence", 1, 3, problems)
    read_list(raw["criteria"], "criteria", dict, problems)
    seconds = raw["active_seconds"]
    if seconds is not None and (
        isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0
    ):
        problems.add(
            "active_seconds",
            "out_of_range",
            seconds,
            "this is a number of seconds from 0, or null",
            "write null when the time was not measured",
        )


def _read_time(value: Any, problems: Problems) -> datetime | None:
    if isinstance(value, str) and TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # a day or an hour that there is not: told below
    problems.add(
        "created_at",
        "not_a_time",
        value,
        "this is no time with its offset",
        "write RFC 3339 with at most six decimals, such as 2026-03-02T09:00:10Z",
    )
    return None
