"""The plain form of a pairwise task: signed radio buttons, one group for each criterion.

Values are the screen side as it is read: negative is left (A), 0 about the same, positive right (B).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from annotation.kinds import Screen
from comparisons.kinds.criteria import OVERALL
from comparisons.models import PairwiseAnswer

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Criterion

WORDS = {
    1: ["better"],
    2: ["better", "clearly better"],
    3: ["slightly better", "better", "much better"],
    4: ["slightly better", "better", "much better", "very much better"],
}
"""Strongest preference n → the words for strength 1…n."""

SHORT = ["", "+", "++", "+++"]
"""Behind the letter on narrow segments: A, A+, A++, A+++ for strength 1…4."""


def answer_from_form(form: "QueryDict", screen: Screen) -> dict[str, Any]:
    """An API answer out of `q-<criterion>` and `tie-<criterion>`; what is missing stays missing."""
    answer: dict[str, Any] = {}
    for criterion in screen.criteria:
        entry = _entry_from_form(form, criterion.key)
        if criterion.key == OVERALL:
            answer.update(entry)
        elif entry:
            answer.setdefault("criteria", {})[criterion.key] = entry
    return answer


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
    """{"questions": […]} in the order of the criteria, with the parts of `answer` that fit chosen."""
    return {"questions": [_question(criterion, answer) for criterion in screen.criteria]}


def _question(criterion: "Criterion", answer: Mapping[str, Any]) -> dict[str, Any]:
    if criterion.high is None:
        raise ValueError(f"the pairwise criterion {criterion.key} has no scale")
    is_overall = criterion.key == OVERALL
    criteria = answer.get("criteria")
    entry: Any = (
        answer if is_overall else criteria.get(criterion.key) if isinstance(criteria, Mapping) else {}
    )
    entry = entry if isinstance(entry, Mapping) else {}
    options = _options(criterion.high, criterion.ties_allowed)
    for option in options:
        option["checked"] = _is_chosen(option, entry)
    return {
        "key": criterion.key,
        "name": criterion.name,
        "question": criterion.question,
        "is_overall": is_overall,
        "n": len(options),
        "field": f"q-{criterion.key}",
        "options": options,
        "tie_field": f"tie-{criterion.key}",
        "tie_reasons": [
            {
                "value": reason.value,
                "label": reason.label,
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
        words = WORDS[strongest][strength - 1] if strength else ""
        options.append(
            {
                "value": str(-strength if side == "a" else strength),
                "digit": digit,
                "side": side,
                "strength": strength,
                "label": f"{label} {words}" if strength else "About the same",
                "aria": f"{label} is {words}" if strength else "About the same",
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
