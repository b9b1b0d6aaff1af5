"""The plain form of a ranking task: one number for each completion; equal numbers are a tie."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext, gettext_noop

from annotation.kinds import Screen
from comparisons.kinds.criteria import OVERALL

if TYPE_CHECKING:
    from django.http import QueryDict


OWN_NAMES = [gettext_noop("Overall"), gettext_noop("Put the responses in order, best first.")]
"""What the last criterion is called unless the project says otherwise."""


def answer_from_form(form: "QueryDict", screen: Screen) -> dict[str, Any]:
    """An API answer out of `rank-<criterion>-<label>`; a label without a number stays out."""
    answer: dict[str, Any] = {}
    for criterion in screen.criteria:
        tiers: dict[int, list[str]] = {}
        for label in screen.labels:
            try:
                rank = int(form.get(f"rank-{criterion.key}-{label}", ""))
            except ValueError:
                continue
            tiers.setdefault(rank, []).append(label)
        ranking = [tiers[rank] for rank in sorted(tiers)]
        if criterion.key == OVERALL:
            answer["ranking"] = ranking
        else:
            answer.setdefault("criteria", {})[criterion.key] = {"ranking": ranking}
    return answer


def form_context(screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
    """{"questions": […], "wanted": …} with one number for each completion; what fits of `answer` is chosen.

    `wanted` completions have to be placed; below their number the rest may stay open.
    """
    places = list(range(1, len(screen.completions) + 1))
    questions = []
    for criterion in screen.criteria:
        chosen = _ranks(answer, criterion.key)
        questions.append(
            {
                "key": criterion.key,
                "name": gettext(criterion.name) if criterion.key == OVERALL else criterion.name,
                "question": gettext(criterion.question) if criterion.key == OVERALL else criterion.question,
                "ties": criterion.ties_allowed,
                "ranks": [
                    {
                        "label": label,
                        "field": f"rank-{criterion.key}-{label}",
                        "options": places,
                        "value": chosen.get(label),
                    }
                    for label in screen.labels
                ],
            }
        )
    return {"questions": questions, "wanted": wanted(screen), "is_partial": wanted(screen) < len(places)}


def wanted(screen: Screen) -> int:
    """How many of the completions shown have to be placed: all, or the protocol's best few."""
    shown = len(screen.completions)
    return min(screen.protocol.top or shown, shown)


def _ranks(answer: Mapping[str, Any], key: str) -> dict[str, int]:
    """Label → number to show. Places are counted as competition ranks, so that they read as printed."""
    entry: Any = answer
    if key != OVERALL:
        criteria = answer.get("criteria")
        entry = criteria.get(key) if isinstance(criteria, Mapping) else None
    tiers = entry.get("ranking") if isinstance(entry, Mapping) else None
    ranks: dict[str, int] = {}
    for tier in tiers if isinstance(tiers, list) else []:
        labels = [label for label in tier if isinstance(label, str)] if isinstance(tier, list) else []
        ranks.update(dict.fromkeys(labels, len(ranks) + 1))
    return ranks
