"""Stored answers in words, for pages that show how people judged.

Reads the shapes of api.md ("Answers on a lease"), which every kind's `answer` gives. A shape that is not
known here is shown as it is stored.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.models import Criterion

ERASED = "Erased at its author’s wish"


@dataclass(frozen=True)
class Words:
    """One criterion of one judgment. `side` is "a", "b" or "tie" where the answer prefers one, else ""."""

    criterion: str
    text: str
    side: str = ""
    is_written: bool = False
    """Whether `text` is what a person wrote at length, line ends and all."""


def answer_words(answer: Mapping[str, Any], criteria: Sequence[Criterion]) -> list[Words]:
    """`answer` for each criterion, the overall one first."""
    if "revision" in answer:
        return _critique_words(answer, criteria)
    if "text" in answer:
        return [_written("Message", answer["text"])]
    ordered = sorted(criteria, key=lambda criterion: (criterion.key != Criterion.OVERALL, criterion.position))
    return [_words(answer, criterion) for criterion in ordered]


def _critique_words(answer: Mapping[str, Any], criteria: Sequence[Criterion]) -> list[Words]:
    names = [criterion.name for criterion in criteria if criterion.key in answer["principles"]]
    return [
        Words("Principles broken", ", ".join(names) or "None"),
        _written("Critique", answer["critique"]),
        _written("Revision", answer["revision"]),
    ]


def _written(what: str, text: str) -> Words:
    return Words(what, text, is_written=True) if text else Words(what, ERASED)


def _words(answer: Mapping[str, Any], criterion: Criterion) -> Words:
    entry = answer
    if criterion.key != Criterion.OVERALL and criterion.key in answer.get("criteria", {}):
        entry = answer["criteria"][criterion.key]
    if "ratings" in answer:
        values = [f"{label} {marks[criterion.key]}" for label, marks in answer["ratings"].items()]
        return Words(criterion.name, ", ".join(values))
    if "ranking" in entry:
        return Words(criterion.name, " > ".join(" = ".join(tied) for tied in entry["ranking"]))
    if "tie" in entry:
        reason = str(entry["tie"]).replace("_", " ")
        return Words(criterion.name, f"About the same, {reason}" if reason else "About the same", "tie")
    if "preferred" in entry:
        strength, most = entry["strength"], criterion.high or 1
        grade = f", {strength} of {most}" if most > 1 else ""
        return Words(criterion.name, f"{entry['preferred']} better{grade}", str(entry["preferred"]).lower())
    return Words(criterion.name, json.dumps(entry, ensure_ascii=False, sort_keys=True))
