r"""`hh`: transcripts as in Anthropic's HH sets, {"chosen": text, "rejected": text}.

A transcript is ``\n\nHuman: …\n\nAssistant: …`` and ends with the assistant. The turns which both
sides share are the prompt; the rest of each side is its completion. In nearly all rows that is the
last turn; where the sides part earlier, the completion has several messages. One space after
the colon is the format's, everything else is text and kept byte for byte.

A last turn without text is kept: a model that said nothing, and people who preferred that. It is the
only place where an empty completion is taken.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from annotation.importers.base import SourceRow, read_json_lines
from annotation.importers.fields import check_completion, check_prompt
from annotation.importers.pairs import labelled_item, split_common_start
from annotation.importers.rows import ItemRow, Limits, Message, Problems, RowError

FIELDS = ("chosen", "rejected", "id", "language", "metadata")
_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


class HhImporter:
    key = "hh"
    name = "Anthropic transcripts (chosen, rejected)"
    holds_judgments = False

    def rows(self, stream: BinaryIO, limits: Limits) -> Iterator[SourceRow | RowError]:
        return read_json_lines(stream, limits)

    def item(self, raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
        chosen = read_transcript(raw.get("chosen"), "chosen", problems)
        rejected = read_transcript(raw.get("rejected"), "rejected", problems)
        if chosen is None or rejected is None:
            return None
        return item_of_transcripts(raw, FIELDS, chosen, rejected, problems)


def is_transcript(text: str) -> bool:
    return text.lstrip("\n").startswith("Human:") and "\n\nAssistant:" in text


def item_of_transcripts(
    raw: Mapping[str, Any],
    known: tuple[str, ...],
    chosen: list[Message],
    rejected: list[Message],
    problems: Problems,
) -> ItemRow | None:
    prompt, chosen_rest, rejected_rest = split_common_start(chosen, rejected)
    if not prompt:
        problems.add(
            "rejected",
            "prompt_missing",
            rejected[0]["content"],
            "chosen and rejected do not start with the same turn, so there is no common prompt",
            "give two replies to the same conversation",
        )
        return None
    check_prompt(prompt, "chosen", problems)
    check_completion(chosen_rest, "chosen", problems, silence_allowed=True)
    check_completion(rejected_rest, "rejected", problems, silence_allowed=True)
    if problems:
        return None
    return labelled_item(raw, known, prompt, chosen_rest, rejected_rest, problems)


def read_transcript(value: Any, field: str, problems: Problems) -> list[Message] | None:
    """The turns of one transcript, oldest first."""
    if not isinstance(value, str):
        problems.add(
            field, "transcript_missing", value, f"{field} is not text", "give the whole transcript as text"
        )
        return None
    start, *rest = _TURN.split("\n\n" + value.lstrip("\n"))
    if start or not rest:
        problems.add(
            field,
            "not_a_transcript",
            value,
            "the text does not start with a turn",
            r'start it with "\n\nHuman: " and each reply with "\n\nAssistant: "',
        )
        return None
    if len(rest) // 2 > problems.limits.messages:
        problems.add(
            field,
            "too_many_messages",
            f"{len(rest) // 2} turns",
            f"a conversation may have at most {problems.limits.messages} messages",
            "shorten the conversation",
        )
        return None
    return [
        {"role": _ROLES[speaker], "content": content.removeprefix(" ")}
        for speaker, content in zip(rest[::2], rest[1::2], strict=True)
    ]
