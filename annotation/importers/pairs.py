"""Rows that come with a known label: chosen and rejected → two completions and a reference."""

from collections.abc import Collection, Mapping
from typing import Any

from annotation.importers.fields import (
    add_unknown_field,
    check_size,
    nearest_name,
    read_external_id,
    read_language,
    read_object,
)
from annotation.importers.rows import (
    ItemRow,
    Message,
    Problems,
    all_the_same,
    hash_of,
    make_completion,
    make_item,
)

CHOSEN_FIRST, REJECTED_FIRST = -1, 1


def split_common_start(
    chosen: list[Message], rejected: list[Message]
) -> tuple[list[Message], list[Message], list[Message]]:
    """(prompt, rest of chosen, rest of rejected). The prompt is the longest common start that does
    not end with the assistant: what both sides answer."""
    shared = 0
    while shared < min(len(chosen), len(rejected)) and chosen[shared] == rejected[shared]:
        shared += 1
    while shared and chosen[shared - 1]["role"] == "assistant":
        shared -= 1
    return chosen[:shared], chosen[shared:], rejected[shared:]


def labelled_item(
    raw: Mapping[str, Any],
    known: Collection[str],
    prompt: list[Message],
    chosen: list[Message],
    rejected: list[Message],
    problems: Problems,
) -> ItemRow | None:
    """The item, with its two completions in an order which depends on their text alone.

    The order is that of a hash over prompt and completion, so which side is the chosen one cannot be
    read from the position, and the same pair is stored alike whichever way it was labelled.
    Columns that are not known are kept in `metadata`.
    """
    if all_the_same([chosen, rejected]):
        problems.add(
            "rejected",
            "identical_completions",
            rejected[-1]["content"],
            "chosen and rejected are the same text, so the row holds no preference",
            "leave the row out",
        )
    metadata = read_metadata(raw, known, problems)
    external_id = read_external_id(raw, problems)
    language = read_language(raw, problems)
    if problems:
        return None
    chosen_first = hash_of([prompt, chosen]) < hash_of([prompt, rejected])
    ordered = [chosen, rejected] if chosen_first else [rejected, chosen]
    return make_item(
        line=problems.line,
        external_id=external_id,
        prompt=prompt,
        completions=[make_completion(messages) for messages in ordered],
        language=language,
        reference=CHOSEN_FIRST if chosen_first else REJECTED_FIRST,
        metadata=metadata,
    )


def read_metadata(raw: Mapping[str, Any], known: Collection[str], problems: Problems) -> dict[str, Any]:
    """Other people's files have columns of their own: kept, unless the name looks like a slip."""
    missing = [name for name in known if name not in raw]
    extra = {}
    for key, value in raw.items():
        if key in known:
            continue
        if nearest_name(key, missing, cutoff=0.8):
            add_unknown_field(key, known, "", problems)
        extra[key] = value
    metadata = {**extra, **read_object(raw, "metadata", problems)}
    if extra:
        check_size(metadata, "metadata", problems)
    return metadata
