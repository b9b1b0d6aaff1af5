"""The plain form of a rating task: one group of radio buttons for each completion and criterion."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from annotation.kinds import Screen

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Criterion


def answer_from_form(form: "QueryDict", screen: Screen) -> dict[str, Any]:
    """An API answer out of `rating-<label>-<criterion>`; what is missing stays missing."""
    ratings: dict[str, dict[str, Any]] = {}
    for label in screen.labels:
        ratings[label] = {}
        for criterion in screen.criteria:
            value = form.get(f"rating-{label}-{criterion.key}", "")
            if not value:
                continue
            try:
                ratings[label][criterion.key] = int(value)
            except ValueError:
                ratings[label][criterion.key] = value
    return {"ratings": ratings}


def form_context(screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
    """{"completions": […]} with the questions of each; the parts of `answer` that fit are chosen."""
    ratings = answer.get("ratings")
    given = ratings if isinstance(ratings, Mapping) else {}
    return {
        "completions": [
            {
                "label": label,
                "questions": [_question(label, criterion, given.get(label)) for criterion in screen.criteria],
            }
            for label in screen.labels
        ]
    }


def _question(label: str, criterion: "Criterion", values: Any) -> dict[str, Any]:
    if criterion.low is None or criterion.high is None:
        raise ValueError(f"the rating criterion {criterion.key} has no scale")
    chosen = values.get(criterion.key) if isinstance(values, Mapping) else None
    anchors = list(criterion.anchors) or [""] * (criterion.high - criterion.low + 1)
    points = range(criterion.low, criterion.high + 1)
    return {
        "key": criterion.key,
        "name": criterion.name,
        "question": criterion.question,
        "field": f"rating-{label}-{criterion.key}",
        "options": [
            {"value": value, "anchor": anchor, "checked": chosen == value}
            for value, anchor in zip(points, anchors, strict=True)
        ],
    }
