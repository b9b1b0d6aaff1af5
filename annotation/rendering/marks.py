"""Escapes text and shows the characters that nobody can see.

A reader must judge what a model wrote, so invisible, control and bidirectional-control characters become
marks such as ``U+202E``. Ordinary right-to-left letters, spaces of every width and combining marks are text
and stay. So do the invisible characters that a script or an emoji needs:

- zero-width joiner and non-joiner between two letters of Arabic, Syriac, Indic, Myanmar or Khmer script,
  where they choose the letter's shape (Persian and Hindi are misspelt without them);
- zero-width joiner between two emoji, and the emoji or text variation selector after a symbol;
- variation selectors after a CJK ideograph, and the tag sequences of the three subdivision flags.

Anywhere else the same characters carry nothing a reader could see, and are shown.
"""

import re
import unicodedata
from typing import Final

from django.utils.html import escape

LISTED_IN_MARK: Final = 6
"""A run of invisible characters becomes one mark, which names this many of them and counts the rest."""
MARKS_WITH_NAMES: Final = 1000
"""After so many marks in one text the rest go without their names, which keeps the page small."""

# Ranges that a regular expression can hold. Spaces (Zs), tab and newline are not in it.
_INVISIBLE: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\ud800-\udfff"  # raw, for the expression to read: mypy cannot store half of a surrogate pair
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_JOINING: Final = "\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\ufb50-\ufdff\ufe70-\ufefc"
_PICTURE: Final = "\xa9\xae\u203c-\u3299\U0001f000-\U0001faff#*0-9"
_IDEOGRAPH: Final = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_FLAG_TAGS: Final = ("gbeng", "gbsct", "gbwls")

_flags = "|".join("".join(chr(0xE0000 + ord(c)) for c in name) + "\U000e007f" for name in _FLAG_TAGS)
_NEEDED: Final = (
    f"(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
    f"|(?<=[{_PICTURE}])[\ufe0e\ufe0f]\u200d(?=[{_PICTURE}])"
    f"|(?<=[{_PICTURE}])(?:\u200d(?=[{_PICTURE}])|[\ufe0e\ufe0f])"
    f"|(?<=[{_IDEOGRAPH}])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
    f"|(?<=\U0001f3f4)(?:{_flags})"
)
_RUN: Final = re.compile(f"(?P<needed>{_NEEDED})|[{_INVISIBLE}]+?(?={_NEEDED}|[^{_INVISIBLE}]|\\Z)")


def _name(character: str) -> str:
    fallback = "SURROGATE" if "\ud800" <= character <= "\udfff" else "CONTROL"
    return f"U+{ord(character):04X} {unicodedata.name(character, fallback)}"


def _summary(run: str, *, names: bool) -> str:
    shown = [_name(c) if names else f"U+{ord(c):04X}" for c in run[:LISTED_IN_MARK]]
    more = len(run) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def visible(text: str) -> str:
    """`text` escaped for HTML, each run of invisible characters replaced by a `span.ctl` naming them."""
    marks = 0
    parts: list[str] = []
    position = 0
    for match in _RUN.finditer(text):
        if match["needed"] is not None:
            continue
        marks += 1
        title = f' title="{escape(_summary(match[0], names=True))}"' if marks <= MARKS_WITH_NAMES else ""
        parts.append(escape(text[position : match.start()]))
        parts.append(f'<span class="ctl"{title}>{_summary(match[0], names=False)}</span>')
        position = match.end()
    parts.append(escape(text[position:]))
    return "".join(parts)


def visible_attribute(text: str) -> str:
    """`text` for the inside of a double-quoted attribute: escaped, invisible characters in brackets."""
    return escape(
        _RUN.sub(
            lambda match: match["needed"] or f"[{_summary(match[0], names=False)}]",
            text,
        )
    )


def has_invisible(text: str) -> bool:
    """Whether `text` holds a character that `visible` would mark."""
    return any(match["needed"] is None for match in _RUN.finditer(text))
