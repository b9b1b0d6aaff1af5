"""Where two texts differ, word by word, at a cost that is known beforehand.

Lines are compared first and words only inside the lines that changed. Both comparisons share one budget of
steps (Myers' greedy algorithm: about the square of the number of differences); where it runs out, the rest
of the lines is marked as a whole. Marking too much is clumsy, but it is never wrong.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.safestring import SafeString

from annotation.rendering.marks import visible
from annotation.rendering.sanitise import clean
from annotation.rendering.text import normalised

LENGTH_LIMIT: Final = 20_000
"""Characters of each text. Of longer ones the differences are not offered."""
LEAST_OVERLAP: Final = 0.55
"""Share of common words below which marks would cover everything."""
STEP_BUDGET: Final = 200_000

_IDEOGRAPH: Final = "\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_VARIANT: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Not \w+: vowel signs, joiners and what an emoji is put together from stay in one piece.
_WORD: Final = f"[{_IDEOGRAPH}][{_VARIANT}]?|[^\\s!-/:-@\\[-`{{-~{_IDEOGRAPH}]+"
_words = re.compile(_WORD).findall
_tokens = re.compile(f"{_WORD}|\\s+|.").findall

Span = tuple[int, int, int, int]
"""a[i1:i2] stands where b[j1:j2] does, and they differ."""


@dataclass
class Budget:
    left: int = STEP_BUDGET


def word_overlap(a: str, b: str) -> float:
    """Common words as a share of all, in [0, 1]: 2 |A ∩ B| / (|A| + |B|) over multisets. Two empty texts: 1."""
    words_a, words_b = Counter(_words(a)), Counter(_words(b))
    total = words_a.total() + words_b.total()
    return 2 * (words_a & words_b).total() / total if total else 1.0


def is_comparable(a: str, b: str) -> bool:
    """Whether marking the differences of two texts helps to read them; quick, for each time a page is drawn."""
    return a != b and max(len(a), len(b)) <= LENGTH_LIMIT and word_overlap(a, b) >= LEAST_OVERLAP


def marked_differences(a: str, b: str) -> tuple[SafeString, SafeString]:
    """Both texts as `pre.plain`, what only one of them has in `mark`. Same marks on both: neither is the original."""
    a, b, budget = normalised(a), normalised(b), Budget()
    parts_a: list[str] = []
    parts_b: list[str] = []
    for common_a, common_b, only_a, only_b in _pieces(a.splitlines(True), b.splitlines(True), budget):
        parts_a.append(visible(common_a))
        parts_b.append(visible(common_b))
        for same_a, same_b, changed_a, changed_b in _pieces(_tokens(only_a), _tokens(only_b), budget):
            parts_a += [visible(same_a), _mark(changed_a)]
            parts_b += [visible(same_b), _mark(changed_b)]
    return _whole(parts_a), _whole(parts_b)


def _mark(text: str) -> str:
    return f"<mark>{visible(text)}</mark>" if text else ""


def _whole(parts: Sequence[str]) -> SafeString:
    return clean(f'<pre class="plain" dir="auto"><span>{"".join(parts)}</span></pre>')


def _pieces(a: Sequence[str], b: Sequence[str], budget: Budget) -> list[tuple[str, str, str, str]]:
    """(common in a, common in b, only in a, only in b) from the start to the end of both."""
    found = []
    i = j = 0
    for i1, i2, j1, j2 in [*changes(a, b, budget), (len(a), len(a), len(b), len(b))]:
        found.append(("".join(a[i:i1]), "".join(b[j:j1]), "".join(a[i1:i2]), "".join(b[j1:j2])))
        i, j = i2, j2
    return found


def changes(a: Sequence[str], b: Sequence[str], budget: Budget) -> list[Span]:
    """The stretches in which `a` and `b` differ, in order; one for everything in between when it gets too dear."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    middle_a, middle_b = a[start : len(a) - end], b[start : len(b) - end]
    if not middle_a and not middle_b:
        return []
    matches = _matches(middle_a, middle_b, budget) if middle_a and middle_b else []
    spans: list[Span] = []
    i = j = 0
    for match_i, match_j in [*matches, (len(middle_a), len(middle_b))]:
        if match_i > i or match_j > j:
            spans.append((start + i, start + match_i, start + j, start + match_j))
        i, j = match_i + 1, match_j + 1
    return spans


def _matches(a: Sequence[str], b: Sequence[str], budget: Budget) -> list[tuple[int, int]]:
    """Pairs of equal elements on a shortest edit path, in order. Empty when the budget does not reach."""
    furthest = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(len(a) + len(b) + 1):
        # Kept for the way back: only the diagonals that this round can have come from.
        trail.append({k: furthest[k] for k in range(-edits - 1, edits + 2) if k in furthest})
        for k in range(-edits, edits + 1, 2):
            is_down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
            x = furthest[k + 1] if is_down else furthest[k - 1] + 1
            y = x - k
            begin = x
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            furthest[k] = x
            budget.left -= 1 + x - begin
            if x >= len(a) and y >= len(b):
                return _way_back(trail, x, y)
        if budget.left <= 0:
            return []
    raise AssertionError("an edit path ends after len(a) + len(b) edits at the latest")


def _way_back(trail: Sequence[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for edits in range(len(trail) - 1, -1, -1):
        furthest, k = trail[edits], x - y
        is_down = k == -edits or (k != edits and furthest[k - 1] < furthest[k + 1])
        before = k + 1 if is_down else k - 1
        x_before = furthest[before] if edits else 0
        y_before = x_before - before if edits else 0
        while x > x_before and y > y_before:
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = x_before, y_before
    return found[::-1]
