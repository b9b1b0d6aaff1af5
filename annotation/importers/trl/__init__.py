"""`trl`: preference rows as TRL's trainers take them.

    {"prompt": text | messages, "chosen": text | messages, "rejected": text | messages}    explicit
    {"chosen": messages, "rejected": messages}                  implicit: the common first messages
    {"chosen": text, "rejected": text}                          implicit: transcripts as in `hh`, else
                                                                the common first words

A prompt that chosen and rejected repeat (both start with it, as in some published sets) is taken off.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from annotation.importers.base import SourceRow, read_json_lines
from annotation.importers.fields import (
    check_completion,
    check_prompt,
    read_completion,
    read_messages,
    read_prompt,
)
from annotation.importers.hh import is_transcript, item_of_transcripts, read_transcript
from annotation.importers.pairs import labelled_item, split_common_start
from annotation.importers.rows import ItemRow, Limits, Message, Problems, RowError

FIELDS = ("prompt", "chosen", "rejected", "id", "language", "metadata")


class TrlImporter:
    key = "trl"
    name = "TRL preference rows (prompt, chosen, rejected)"
    holds_judgments = False

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        return read_json_lines(stream, limits)

    def item(self, raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
        for name in ("chosen", "rejected"):
            if raw.get(name) is None:
                problems.add(
                    name, "content_missing", None, f"the row has no {name}", "give it as text or messages"
                )
        if problems:
            return None
        chosen, rejected = raw["chosen"], raw["rejected"]
        if raw.get("prompt") is not None:
            return _explicit(raw, problems)
        if isinstance(chosen, str) and isinstance(rejected, str):
            if is_transcript(chosen) and is_transcript(rejected):
                return _transcripts(raw, problems)
            return _common_words(raw, chosen, rejected, problems)
        return _common_messages(raw, problems)


def _explicit(raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
    prompt = read_prompt(raw["prompt"], "prompt", problems)
    if prompt is None:
        return None
    sides = [_without_prompt(raw[name], prompt) for name in ("chosen", "rejected")]
    chosen = read_completion(sides[0], "chosen", problems)
    rejected = read_completion(sides[1], "rejected", problems)
    if chosen is None or rejected is None:
        return None
    return labelled_item(raw, FIELDS, prompt, chosen, rejected, problems)


def _without_prompt(side: Any, prompt: list[Message]) -> Any:
    """The messages after the prompt when the side repeats it; anything else as it is."""
    if isinstance(side, list) and len(side) > len(prompt) and side[: len(prompt)] == prompt:
        return side[len(prompt) :]
    return side


def _common_messages(raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
    chosen = read_messages(raw["chosen"], "chosen", problems)
    rejected = read_messages(raw["rejected"], "rejected", problems)
    if chosen is None or rejected is None:
        return None
    prompt, chosen, rejected = split_common_start(chosen, rejected)
    if not prompt:
        _no_prompt(raw["chosen"], problems)
        return None
    check_prompt(prompt, "chosen", problems)
    check_completion(chosen, "chosen", problems)
    check_completion(rejected, "rejected", problems)
    return None if problems else labelled_item(raw, FIELDS, prompt, chosen, rejected, problems)


def _transcripts(raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
    chosen = read_transcript(raw["chosen"], "chosen", problems)
    rejected = read_transcript(raw["rejected"], "rejected", problems)
    if chosen is None or rejected is None:
        return None
    return item_of_transcripts(raw, FIELDS, chosen, rejected, problems)


def _common_words(raw: Mapping[str, Any], chosen: str, rejected: str, problems: Problems) -> ItemRow | None:
    """As TRL does it, but never inside a word: the prompt ends before the space that precedes the
    first difference."""
    shared = 0
    while shared < min(len(chosen), len(rejected)) and chosen[shared] == rejected[shared]:
        shared += 1
    while shared and not chosen[shared - 1].isspace():
        shared -= 1
    shared -= shared > 0
    if not chosen[:shared].strip():
        _no_prompt(chosen, problems)
        return None
    first = read_completion(chosen[shared:], "chosen", problems)
    second = read_completion(rejected[shared:], "rejected", problems)
    if first is None or second is None:
        return None
    return labelled_item(raw, FIELDS, [{"role": "user", "content": chosen[:shared]}], first, second, problems)


def _no_prompt(value: Any, problems: Problems) -> None:
    problems.add(
        "prompt",
        "prompt_missing",
        value,
        "the row has no prompt, and chosen and rejected do not start alike",
        "add the field prompt, as text or messages",
    )
