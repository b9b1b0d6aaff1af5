"""Traits of a text that are not its content, as numbers whose difference between two texts enters the regression.

Units are chosen so that one unit is a difference people can picture: twice as long, twice as much markup, one more
sure phrase in a hundred words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
import numpy.typing as npt

_MARKUP = re.compile(
    r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+|^#{1,6}\s|\*\*[^*\n]+\*\*|__[^_\n]+__|```|`[^`\n]+`|^\|.+\|$",
    re.MULTILINE,
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# K. Hyland, Metadiscourse (2005), appendix: boosters and hedges that are common in answers of models.
_BOOSTER = re.compile(
    r"\b(?:absolutely|always|certainly|clearly|definitely|indeed|never|obviously|of course|surely|truly"
    r"|undoubtedly|without (?:a )?doubt|in fact|must)\b"
)
_HEDGE = re.compile(
    r"\b(?:about|almost|apparently|approximately|could|generally|in general|likely|may|maybe|might|mostly|often"
    r"|perhaps|possibly|presumably|probably|seems?|sometimes|suggests?|usually|i (?:think|believe|guess))\b"
)


@dataclass(frozen=True)
class Trait:
    """`unit` says in words what a difference of 1 is."""

    key: str
    name: str
    unit: str
    measure: Callable[[str], float]


def _length(text: str) -> float:
    return log2(1 + len(text.strip()))


def _markup(text: str) -> float:
    return log2(1 + len(_MARKUP.findall(text)))


def _confidence(text: str) -> float:
    low = text.lower()
    words = len(_WORD.findall(low))
    return 100 * (len(_BOOSTER.findall(low)) - len(_HEDGE.findall(low))) / words if words else 0.0


TRAITS: Mapping[str, Trait] = {
    trait.key: trait
    for trait in (
        Trait("length", "Length", "twice as long", _length),
        Trait("markdown", "Markdown", "twice as many marks (lists, headings, bold, code, tables)", _markup),
        Trait(
            "confidence",
            "Confident tone",
            "one more sure phrase, less hedges, in 100 words (English)",
            _confidence,
        ),
    )
}


def trait_differences(
    pairs: Sequence[tuple[str, str]], keys: Sequence[str] = tuple(TRAITS)
) -> npt.NDArray[np.float64]:
    """Shape (R, len(keys)): what the first text of each pair has more than the second. A text that comes often is
    measured once. Raises KeyError for an unknown trait."""
    measures = [TRAITS[key].measure for key in keys]
    known: dict[str, npt.NDArray[np.float64]] = {}
    for text in {text for pair in pairs for text in pair}:
        known[text] = np.array([measure(text) for measure in measures])
    if not pairs:
        return np.zeros((0, len(measures)))
    return np.array([known[first] - known[second] for first, second in pairs])
