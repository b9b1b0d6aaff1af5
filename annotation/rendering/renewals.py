"""What a later version of a text says differently: struck out and added words, with a little of what stands around."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.safestring import SafeString

from annotation.rendering.differences import Budget, changes, word_overlap
from annotation.rendering.marks import visible
from annotation.rendering.sanitise import clean
from annotation.rendering.text import normalised

NO_TEXT: Final = SafeString("")
LINES_AROUND: Final = 2
LEAST_OVERLAP: Final = 0.3
"""Share of common words below which changed lines are shown whole, old before new: single words would be noise."""

_tokens = re.compile(r"\w+|\s+|.").findall


@dataclass(frozen=True)
class Part:
    """A stretch of text that is `same`, `added` or `removed`, or `lines` unchanged lines left out (`gap`)."""

    kind: str
    html: SafeString = NO_TEXT
    lines: int = 0


def renewal(old: str, new: str) -> list[Part]:
    """The way from `old` to `new`, in order; empty when they say the same."""
    a, b = normalised(old).splitlines(True), normalised(new).splitlines(True)
    budget = Budget()
    spans = changes(a, b, budget)
    found: list[Part] = []
    end = 0
    for number, (a1, a2, b1, b2) in enumerate(spans):
        found += _between(a[end:a1], is_first=number == 0)
        found += _changed("".join(a[a1:a2]), "".join(b[b1:b2]), budget)
        end = a2
    return found + list(_between(a[end:], is_last=True)) if spans else []


def _between(lines: Sequence[str], *, is_first: bool = False, is_last: bool = False) -> Iterator[Part]:
    """Unchanged lines: those next to a change, and how many are left out."""
    head = 0 if is_first else LINES_AROUND
    tail = 0 if is_last else LINES_AROUND
    left_out = len(lines) - head - tail
    if left_out <= 1:  # a note about one line takes as much room as the line
        yield from _part("same", "".join(lines))
        return
    yield from _part("same", "".join(lines[:head]))
    yield Part("gap", lines=left_out)
    yield from _part("same", "".join(lines[len(lines) - tail :]))


def _changed(old: str, new: str, budget: Budget) -> Iterator[Part]:
    if word_overlap(old, new) < LEAST_OVERLAP:
        yield from _part("removed", old)
        yield from _part("added", new)
        return
    a, b = _tokens(old), _tokens(new)
    end = 0
    for a1, a2, b1, b2 in changes(a, b, budget):
        yield from _part("same", "".join(a[end:a1]))
        yield from _part("removed", "".join(a[a1:a2]))
        yield from _part("added", "".join(b[b1:b2]))
        end = a2
    yield from _part("same", "".join(a[end:]))


def _part(kind: str, text: str) -> Iterator[Part]:
    if text:
        yield Part(kind, clean(visible(text)))
