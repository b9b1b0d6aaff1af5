"""What an import file is turned into: checked items, or errors which say where, what and how to mend it."""

import hashlib
import json
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}, as it is stored."""

MEBIBYTE = 1024 * 1024

FILE_CODES = frozenset(
    {
        "column_missing",
        "column_type",
        "duplicate_column",
        "empty_file",
        "file_not_utf8",
        "file_too_large",
        "gzip_damaged",
        "not_csv",
        "not_parquet",
        "not_unpacked",
        "parquet_encrypted",
        "row_too_long",
        "too_many_columns",
        "too_many_lines",
        "too_many_rows",
        "unknown_column",
    }
)
"""Errors of the file as a whole: skipping rows does not mend them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold. Sizes in bytes are bytes of UTF-8, lengths of text are code points."""

    file_bytes: int = 1024 * MEBIBYTE
    """After decompression: a small gzip file can hold a very large one."""
    line_bytes: int = 4 * MEBIBYTE
    rows: int = 1_000_000
    depth: int = 32
    """Nesting of lists and objects in one row."""
    number_length: int = 64
    text_length: int = 200_000
    keys: int = 1_000
    """In one object."""
    name_length: int = 200
    """Ids, model names and keys."""
    messages: int = 200
    """In one conversation."""
    metadata_bytes: int = 65_536
    """Of `metadata`, and of the `settings` of one completion."""
    errors_per_row: int = 10
    judgments_per_item: int = 1_000
    judgment_characters: int = 32_000_000
    """Of all answers and notes on one item: they are held together."""
    completions_min: int = 2
    completions_max: int = 2
    preference_max: int | None = 4
    """n of the signed scale −n…n for gold answers; None: the kind of judgment takes no gold."""
    ties_allowed: bool = True
    """Whether a gold preference may be 0."""
    gold_required: bool = False
    """A training batch needs the expected answer to every row."""

    @property
    def lines(self) -> int:
        """Blank ones included: a blank line after each row, and a few. They unpack from next to nothing."""
        return 2 * self.rows + 100


@dataclass(frozen=True, slots=True)
class CompletionRow:
    messages: list[Message]
    model: str
    settings: dict[str, Any]
    content_hash: str


@dataclass(frozen=True, slots=True)
class GoldRow:
    """The expected answer to `overall`: right within `tolerance` steps of the signed scale."""

    preference: int
    tolerance: int
    why: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One checked row. `completions` are in the order in which they are stored.

    `category` names a kind of harm (for exposure limits), or is empty.
    `reference` is −1 when the first completion is the preferred one by the label that came with the
    data, +1 when the second is, None without a label. `language` is a BCP 47 tag, or empty.
    """

    line: int
    external_id: str
    prompt: list[Message]
    prompt_hash: str
    language: str
    category: str
    completions: list[CompletionRow]
    reference: int | None
    gold: GoldRow | None
    metadata: dict[str, Any]
    content_hash: str
    judgments: "list[JudgmentRow]" = field(default_factory=list)
    """Of a format that holds judgments: those of this item, in the order of the file."""


@dataclass(frozen=True, slots=True)
class JudgmentRow:
    """One judgment that was made in another project, with its names and numbers there.

    `answers` are those of an export: signed, by position of import. `criteria` are what was asked, as objects.
    `size` counts the characters that somebody wrote or that stand for an answer.
    """

    line: int
    judgment: int
    supersedes: int | None
    batch: int
    item_number: int
    item: str
    annotator: str
    is_simulated: bool
    kind: str
    points: int | None
    protocol_version: int
    guideline_version: int
    criteria: list[dict[str, Any]]
    answers: dict[str, Any]
    display_order: list[int]
    active_seconds: float | None
    confidence: int | None
    note: str
    read_to_end: list[str]
    created_at: datetime
    size: int

    @property
    def group(self) -> str:
        return f"{self.batch}-{self.item_number}"

    @property
    def record(self) -> str:
        """Its `id` in the file."""
        return f"{self.group}-{self.judgment}"


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong. `field` is a path as in ``completions[1].content``, empty for the whole line.

    Every text is printable and short, whatever the file held: safe for a log, a page and PostgreSQL.
    """

    line: int
    field: str
    code: str
    value: str
    detail: str
    fix: str

    def as_dict(self) -> dict[str, Any]:
        """The form in which the API and a job's result carry it."""
        return {
            "line": self.line,
            "field": self.field,
            "code": self.code,
            "value": self.value,
            "detail": self.detail,
            "fix": self.fix,
        }


RowResult = ItemRow | RowError


class Problems:
    """Collects the errors of one row, at most `limits.errors_per_row` of them."""

    def __init__(self, line: int, limits: Limits) -> None:
        self.line = line
        self.limits = limits
        self.errors: list[RowError] = []

    def add(self, field: str, code: str, value: Any, detail: str, fix: str) -> None:
        if not self.is_full:
            self.errors.append(RowError(self.line, field, code, shorten(value), detail, fix))

    @property
    def is_full(self) -> bool:
        return len(self.errors) >= self.limits.errors_per_row

    def __bool__(self) -> bool:
        return bool(self.errors)


_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict, _short.maxstring, _short.maxother = 2, 3, 3, 60, 60
VALUE_LENGTH = 120


def shorten(value: Any) -> str:
    """A short printable form of any parsed value; control and bidi characters come out escaped."""
    text = _short.repr(value)
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"


def printable_key(key: str) -> str:
    """A key of the file as part of a field path."""
    return key if key.isprintable() and 0 < len(key) <= 60 else shorten(key)


def join_path(path: str, key: str) -> str:
    return f"{path}.{printable_key(key)}" if path else printable_key(key)


_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces: equal values give equal bytes."""
    return _encoder.encode(value).encode()


def hash_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def make_completion(
    messages: list[Message], model: str = "", settings: Mapping[str, Any] | None = None
) -> CompletionRow:
    """A completion with its hash. The hash covers the text only: who wrote it does not change it."""
    return CompletionRow(messages, model, dict(settings or {}), hash_of(messages))


def make_item(
    *,
    line: int,
    external_id: str,
    prompt: list[Message],
    completions: Sequence[CompletionRow],
    language: str = "",
    category: str = "",
    reference: int | None = None,
    gold: GoldRow | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ItemRow:
    """An item with its hashes. `content_hash` covers prompt and completions, in their stored order."""
    return ItemRow(
        line=line,
        external_id=external_id,
        prompt=prompt,
        prompt_hash=hash_of(prompt),
        language=language,
        category=category,
        completions=list(completions),
        reference=reference,
        gold=gold,
        metadata=dict(metadata or {}),
        content_hash=hash_of({"prompt": prompt, "completions": [one.messages for one in completions]}),
    )


def all_the_same(completions: Iterable[Sequence[Message]]) -> bool:
    """Whether two or more completions read alike, spaces at the ends of a message aside."""
    seen = [[(message["role"], message["content"].strip()) for message in one] for one in completions]
    return len(seen) > 1 and all(one == seen[0] for one in seen[1:])
