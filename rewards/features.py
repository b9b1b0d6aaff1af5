"""Surface features of a completion given its prompt: cheap to compute and easy to read.

A reward model on these features alone shows how much of the preference is explained by length, form and
phrases rather than by content. Each feature is a number for one completion; a pair is described by the
difference chosen − rejected, so swapping the two sides flips the sign of every feature.

Counts enter as log(1 + count): the second list item says more than the twentieth. Shares lie in [0, 1].
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rewards.pairs import PreferencePair

FloatArray = npt.NDArray[np.float64]

TICK_PAIRS = 5_000

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?。！？؟]+(?=\s|$)")
_PARAGRAPH = re.compile(r"\n\s*\n")
_LIST_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
_CODE = re.compile(r"```|`[^`\n]+`")
# Matched on the lower-cased text with straight apostrophes.
_REFUSAL = re.compile(
    r"\bi(?: can't| cannot| can not| won't| will not|(?:'m| am) (?:not able|unable)"
    r"| (?:don't|do not) (?:think|feel comfortable|want to))\b"
    r"|\bunable to (?:help|assist)\b|\bnot (?:appropriate|comfortable)\b|\bas an ai\b"
)
_APOLOGY = frozenset({"sorry", "apologize", "apologise", "apologies", "unfortunately", "forgive"})
_HEDGE = frozenset(
    {"maybe", "perhaps", "might", "may", "could", "possibly", "probably", "likely"}
    | {"depends", "unsure", "think", "guess", "seem", "seems"}
)
_WARNING = frozenset(
    {"illegal", "dangerous", "harm", "harmful", "unsafe", "law", "risk", "risky"}
    | {"unethical", "wrong", "offensive", "careful"}
)
_FINISHED = re.compile(r"[.!?:;)\]}\"'”’»`*。！？؟…]\s*$")
_FIRST_PERSON = frozenset({"i", "i'm", "i'd", "i'll", "i've", "me", "my", "mine", "myself"})
_SECOND_PERSON = frozenset({"you", "you're", "you'd", "you'll", "you've", "your", "yours", "yourself"})


class Text:
    """A text and the parts of it that several features need, each computed at most once."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lower(self) -> str:
        return self.text.lower().replace("’", "'")

    @cached_property
    def words(self) -> list[str]:
        return _WORD.findall(self.lower)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def sentences(self) -> int:
        return max(len(_SENTENCE_END.findall(self.text)), 1 if self.words else 0)


@dataclass(frozen=True)
class Feature:
    """One number for a completion; ``meaning`` is the sentence that reports and data cards print."""

    name: str
    meaning: str
    compute: Callable[[Text, Text], float]
    """(prompt, completion) → value"""


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _log_matches(pattern: re.Pattern[str], text: str) -> float:
    return math.log1p(len(pattern.findall(text)))


def _log_words(words: frozenset[str], text: Text) -> float:
    return math.log1p(sum(map(words.__contains__, text.words)))


def _character_share(text: Text, is_counted: Callable[[str], bool]) -> float:
    return _share(sum(map(is_counted, text.text)), len(text.text))


def _word_share(text: Text, words: frozenset[str]) -> float:
    return _share(sum(map(words.__contains__, text.words)), len(text.words))


FEATURES: tuple[Feature, ...] = (
    Feature("log_characters", "length in characters, log(1 + n)", lambda _, c: math.log1p(len(c.text))),
    Feature("log_words", "length in words, log(1 + n)", lambda _, c: math.log1p(len(c.words))),
    Feature("log_sentences", "number of sentences, log(1 + n)", lambda _, c: math.log1p(c.sentences)),
    Feature(
        "words_per_sentence",
        "mean sentence length, log(1 + words)",
        lambda _, c: math.log1p(_share(len(c.words), c.sentences)),
    ),
    Feature(
        "letters_per_word",
        "mean word length in letters",
        lambda _, c: _share(sum(map(len, c.words)), len(c.words)),
    ),
    Feature(
        "log_paragraphs",
        "blank lines between paragraphs, log(1 + n)",
        lambda _, c: _log_matches(_PARAGRAPH, c.text),
    ),
    Feature("log_list_items", "list items, log(1 + n)", lambda _, c: _log_matches(_LIST_ITEM, c.text)),
    Feature("log_headings", "markdown headings, log(1 + n)", lambda _, c: _log_matches(_HEADING, c.text)),
    Feature("log_emphasis", "bold phrases, log(1 + n)", lambda _, c: _log_matches(_EMPHASIS, c.text)),
    Feature("log_code", "code fences and inline code, log(1 + n)", lambda _, c: _log_matches(_CODE, c.text)),
    Feature("log_questions", "question marks, log(1 + n)", lambda _, c: math.log1p(c.text.count("?"))),
    Feature("log_exclamations", "exclamation marks, log(1 + n)", lambda _, c: math.log1p(c.text.count("!"))),
    Feature(
        "digit_share", "share of characters that are digits", lambda _, c: _character_share(c, str.isdigit)
    ),
    Feature(
        "capital_share",
        "share of characters that are capitals",
        lambda _, c: _character_share(c, str.isupper),
    ),
    Feature(
        "type_token_ratio",
        "different words over all words",
        lambda _, c: _share(len(c.vocabulary), len(c.words)),
    ),
    Feature(
        "log_refusals",
        "phrases of refusal (I can't, unable to help), log(1 + n)",
        lambda _, c: _log_matches(_REFUSAL, c.lower),
    ),
    Feature("log_apologies", "words of apology, log(1 + n)", lambda _, c: _log_words(_APOLOGY, c)),
    Feature("log_hedges", "words of doubt (maybe, think), log(1 + n)", lambda _, c: _log_words(_HEDGE, c)),
    Feature(
        "log_warnings",
        "words of warning (illegal, harmful), log(1 + n)",
        lambda _, c: _log_words(_WARNING, c),
    ),
    Feature(
        "first_person_share",
        "share of words that mean the speaker",
        lambda _, c: _word_share(c, _FIRST_PERSON),
    ),
    Feature(
        "second_person_share",
        "share of words that mean the reader",
        lambda _, c: _word_share(c, _SECOND_PERSON),
    ),
    Feature(
        "prompt_overlap",
        "share of the different words that occur in the prompt",
        lambda p, c: _share(len(c.vocabulary & p.vocabulary), len(c.vocabulary)),
    ),
    Feature(
        "prompt_coverage",
        "share of the prompt's different words that the completion uses",
        lambda p, c: _share(len(c.vocabulary & p.vocabulary), len(p.vocabulary)),
    ),
    Feature(
        "is_finished",
        "1 if the text ends with a closing mark, 0 if it breaks off",
        lambda _, c: float(_FINISHED.search(c.text) is not None),
    ),
)

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def surface_features(prompt: str, completion: str) -> FloatArray:
    """The features of one completion, shape (F,), in the order of ``FEATURE_NAMES``. Always finite."""
    return _features_of(Text(prompt), completion)


def surface_differences(
    pairs: Sequence[PreferencePair], *, tick: Callable[[], None] = lambda: None
) -> FloatArray:
    """Features of the chosen completion minus those of the rejected one, shape (P, F).

    ``tick`` is called every few thousand pairs: a caller that has to show that it is alive can.
    """
    differences = np.zeros((len(pairs), len(FEATURES)))
    prompts: dict[str, Text] = {}
    for row, pair in enumerate(pairs):
        prompt = prompts.setdefault(pair.prompt, Text(pair.prompt))
        differences[row] = _features_of(prompt, pair.chosen) - _features_of(prompt, pair.rejected)
        if row % TICK_PAIRS == TICK_PAIRS - 1:
            tick()
    return differences


def _features_of(prompt: Text, completion: str) -> FloatArray:
    text = Text(completion)
    return np.array([feature.compute(prompt, text) for feature in FEATURES])
