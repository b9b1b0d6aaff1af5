"""Stored answers in words, for pages that show how people judged.

Reads the shapes of api.md ("Answers on a lease"), which every kind's `answer` gives. A shape that is not
known here is shown as it is stored.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.models import Criterion

ERASED = gettext_noop("Erased at its author’s wish")
TIE_REASONS = [gettext_noop("both good"), gettext_noop("both poor"), gettext_noop("nearly identical")]


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
        return [_written(_("Message"), answer["text"])]
    ordered = sorted(criteria, key=lambda criterion: (criterion.key != Criterion.OVERALL, criterion.position))
    chosen = [Words(_("Choice"), str(answer["choice"]))] if "choice" in answer else []
    words = [*chosen, *(_words(answer, criterion) for criterion in ordered)]
    return words + _turn_words(answer.get("turns", []), ordered[0])


def _turn_words(turns: Sequence[Mapping[str, Any]], overall: Criterion) -> list[Words]:
    """What was said of each turn of two conversations, on the scale of the overall criterion."""
    name = _("Turn %(number)s of %(total)s")
    return [
        replace(_words(entry, overall), criterion=name % {"number": number, "total": len(turns)})
        for number, entry in enumerate(turns, start=1)
    ]


def _critique_words(answer: Mapping[str, Any], criteria: Sequence[Criterion]) -> list[Words]:
    names = [criterion.name for criterion in criteria if criterion.key in answer["principles"]]
    return [
        Words(_("Principles broken"), ", ".join(names) or _("None")),
        _written(_("Critique"), answer["critique"]),
        _written(_("Revision"), answer["revision"]),
    ]


def _written(what: str, text: str) -> Words:
    return Words(what, text, is_written=True) if text else Words(what, _(ERASED))


def _words(answer: Mapping[str, Any], criterion: Criterion) -> Words:
    entry = answer
    if criterion.key != Criterion.OVERALL and criterion.key in answer.get("criteria", {}):
        entry = answer["criteria"][criterion.key]
    if "ratings" in answer:
        given = {label: marks[criterion.key] for label, marks in answer["ratings"].items()}
        values = [f"{label} {_('n/a') if value is None else value}" for label, value in given.items()]
        return Words(criterion.name, ", ".join(values))
    if "ranking" in entry:
        return Words(criterion.name, " > ".join(" = ".join(tied) for tied in entry["ranking"]))
    if "tie" in entry:
        reason = str(entry["tie"]).replace("_", " ")
        about = _("About the same, %(reason)s") % {"reason": _(reason)} if reason else _("About the same")
        return Words(criterion.name, about, "tie")
    if "preferred" in entry:
        strength, most = entry["strength"], criterion.high or 1
        text = _("%(label)s better, %(strength)s of %(most)s") if most > 1 else _("%(label)s better")
        label = str(entry["preferred"])
        better = text % {"label": label, "strength": strength, "most": most}
        return Words(criterion.name, better, label.lower())
    return Words(criterion.name, json.dumps(entry, ensure_ascii=False, sort_keys=True))
