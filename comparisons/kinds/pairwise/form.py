"""The plain form of a pairwise task: signed radio buttons, one group for each criterion.

Values are the screen side as it is read: negative is left (A), 0 about the same, positive right (B).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext, gettext_noop

from annotation.kinds import Screen
from comparisons.kinds.criteria import OVERALL
from comparisons.kinds.pairwise.turns import branches, turns_asked
from comparisons.models import PairwiseAnswer

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Criterion

BETTER = (gettext_noop("%(label)s better"), gettext_noop("%(label)s is better"))
SLIGHTLY = (gettext_noop("%(label)s slightly better"), gettext_noop("%(label)s is slightly better"))
CLEARLY = (gettext_noop("%(label)s clearly better"), gettext_noop("%(label)s is clearly better"))
MUCH = (gettext_noop("%(label)s much better"), gettext_noop("%(label)s is much better"))
VERY_MUCH = (gettext_noop("%(label)s very much better"), gettext_noop("%(label)s is very much better"))
WORDS = {
    1: [BETTER],
    2: [BETTER, CLEARLY],
    3: [SLIGHTLY, BETTER, MUCH],
    4: [SLIGHTLY, BETTER, MUCH, VERY_MUCH],
}
"""Strongest preference n → for strength 1…n what its segment says to the eye and to the ear. The label comes first in
every language: the badge above a response shows the rest alone."""
SAME = (gettext_noop("About the same"), gettext_noop("About the same"))
TIE_REASONS = [gettext_noop("Both good"), gettext_noop("Both poor"), gettext_noop("Nearly identical")]
OWN_NAMES = [gettext_noop("Overall"), gettext_noop("Which response is better overall?")]
"""What the last criterion is called unless the project says otherwise."""

SHORT = ["", "+", "++", "+++"]
"""Behind the letter on narrow segments: A, A+, A++, A+++ for strength 1…4."""


def answer_from_form(form: "QueryDict", screen: Screen) -> dict[str, Any]:
    """An API answer out of `q-<criterion>` and `tie-<criterion>`, and `q-overall-t<turn>` where turns are asked.

    What is missing stays missing; a turn that is missing is an empty entry, so that the others keep their places.
    """
    answer: dict[str, Any] = {}
    for criterion in screen.criteria:
        entry = _entry_from_form(form, criterion.key)
        if criterion.key == OVERALL:
            answer.update(entry)
        elif entry:
            answer.setdefault("criteria", {})[criterion.key] = entry
    if asked := turns_asked(screen):
        answer["turns"] = [_entry_from_form(form, turn_key(number)) for number in range(1, asked + 1)]
    return answer


def turn_key(number: int) -> str:
    return f"{OVERALL}-t{number}"


def _entry_from_form(form: "QueryDict", key: str) -> dict[str, Any]:
    value = form.get(f"q-{key}", "")
    if not value:
        return {}
    try:
        preference = int(value)
    except ValueError:
        return {"preferred": value}
    if preference == 0:
        return {"tie": form.get(f"tie-{key}", "")}
    return {"preferred": "A" if preference < 0 else "B", "strength": abs(preference)}


def form_context(screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
    """{"questions": […]} in the order of the criteria, with the parts of `answer` that fit chosen.

    Under a protocol that asks by turn also "per_turn", "turns": a question for each, and "branches": what to read.
    """
    context: dict[str, Any] = {"questions": [_question(criterion, answer) for criterion in screen.criteria]}
    if screen.protocol.per_turn:
        asked = turns_asked(screen)
        context |= {
            "per_turn": True,
            "turns": [_turn_question(screen.criteria[-1], number, answer) for number in range(1, asked + 1)],
            "branches": branches(screen) if asked else [],
        }
    return context


def _turn_question(criterion: "Criterion", number: int, answer: Mapping[str, Any]) -> dict[str, Any]:
    turns = answer.get("turns")
    entry = turns[number - 1] if isinstance(turns, list) and len(turns) >= number else {}
    options = _chosen_options(criterion, entry)
    key = turn_key(number)
    return {"number": number, "key": key, "field": f"q-{key}", "n": len(options), "options": options}


def _chosen_options(criterion: "Criterion", entry: Any) -> list[dict[str, Any]]:
    """The segments of the criterion's scale with the one of `entry` checked, if it fits one."""
    if criterion.high is None:
        raise ValueError(f"the pairwise criterion {criterion.key} has no scale")
    options = _options(criterion.high, criterion.ties_allowed)
    for option in options:
        option["checked"] = isinstance(entry, Mapping) and _is_chosen(option, entry)
    return options


def _question(criterion: "Criterion", answer: Mapping[str, Any]) -> dict[str, Any]:
    is_overall = criterion.key == OVERALL
    criteria = answer.get("criteria")
    entry: Any = (
        answer if is_overall else criteria.get(criterion.key) if isinstance(criteria, Mapping) else {}
    )
    entry = entry if isinstance(entry, Mapping) else {}
    options = _chosen_options(criterion, entry)
    return {
        "key": criterion.key,
        "name": gettext(criterion.name) if is_overall else criterion.name,
        "question": gettext(criterion.question) if is_overall else criterion.question,
        "is_overall": is_overall,
        "n": len(options),
        "field": f"q-{criterion.key}",
        "options": options,
        "tie_field": f"tie-{criterion.key}",
        "tie_reasons": [
            {
                "value": reason.value,
                "label": gettext(reason.label),
                "checked": entry.get("tie") == reason.value,
            }
            for reason in PairwiseAnswer.TieReason
        ]
        if is_overall and criterion.ties_allowed
        else [],
    }


def _options(strongest: int, has_tie: bool) -> list[dict[str, Any]]:
    """The segments from left to right: A at its strongest first, B at its strongest last."""
    sides = [("a", "A", strength) for strength in range(strongest, 0, -1)]
    sides += [("t", "", 0)] if has_tie else []
    sides += [("b", "B", strength) for strength in range(1, strongest + 1)]
    options = []
    for digit, (side, label, strength) in enumerate(sides, start=1):
        seen, heard = WORDS[strongest][strength - 1] if strength else SAME
        options.append(
            {
                "value": str(-strength if side == "a" else strength),
                "digit": digit,
                "side": side,
                "strength": strength,
                "label": gettext(seen) % {"label": label},
                "aria": gettext(heard) % {"label": label},
                "short": label + SHORT[strength - 1] if strength else "=",
            }
        )
    return options


def _is_chosen(option: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    if option["side"] == "t":
        return "tie" in entry
    preferred = option["side"].upper()
    return (entry.get("preferred"), entry.get("strength")) == (
        preferred,
        option["strength"],
    )
