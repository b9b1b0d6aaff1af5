"""What a revision took out and put in, word by word. Pure; the cost is bounded whatever the texts hold."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

PRODUCT_MAX = 16_000_000
"""Tokens of one text times tokens of the other that are still compared: 4,000 words each. difflib takes a time of
that order at worst, a second or so. What begins or ends alike is not counted."""

TOKEN = re.compile(r"[぀-ヿ㐀-鿿]|[^\W぀-ヿ㐀-鿿]+|\s+|.", re.DOTALL)
"""A word, an ideograph, white space, or one mark. Together they are the text again."""

Kind = Literal["same", "out", "in"]


@dataclass(frozen=True)
class Change:
    """A stretch of text: in both texts, taken out of the original, or put into the revision."""

    kind: Kind
    text: str


def changes(original: str, revision: str) -> list[Change]:
    """The stretches in reading order; "same" and "out" together are the original, "same" and "in" the revision.

    Words are compared where that is affordable, else lines, else the middle is shown as replaced whole.
    """
    old, new = TOKEN.findall(original), TOKEN.findall(revision)
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    parts = [("same", "".join(old[:start]))]
    parts += _compared(middle_old, middle_new)
    parts.append(("same", "".join(old[len(old) - end :])))
    return list(_joined(parts))


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many tokens both begin with."""
    return next(
        (n for n, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b))
    )


def _compared(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, str]]:
    if len(old) * len(new) > PRODUCT_MAX:
        old, new = "".join(old).splitlines(keepends=True), "".join(new).splitlines(keepends=True)
    if len(old) * len(new) > PRODUCT_MAX:
        return [("out", "".join(old)), ("in", "".join(new))]
    parts = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=True).get_opcodes():
        if tag == "equal":
            parts.append(("same", "".join(old[i1:i2])))
        else:
            parts += [("out", "".join(old[i1:i2])), ("in", "".join(new[j1:j2]))]
    return parts


def _joined(parts: Sequence[tuple[str, str]]) -> Iterator[Change]:
    """Without empty stretches. White space between two changes belongs to them: whole phrases read more easily."""
    filled = [(kind, text) for kind, text in parts if text]
    for at in range(1, len(filled) - 1):
        kind, text = filled[at]
        if kind == "same" and text.isspace() and "\n" not in text:
            filled[at] = ("both", text)
    for is_same, run in groupby(filled, key=lambda part: part[0] == "same"):
        stretch = list(run)
        if is_same:
            yield Change("same", "".join(text for _, text in stretch))
            continue
        taken = "".join(text for kind, text in stretch if kind in ("out", "both"))
        put = "".join(text for kind, text in stretch if kind in ("in", "both"))
        if taken:
            yield Change("out", taken)
        if put:
            yield Change("in", put)
