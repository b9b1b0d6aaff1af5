"""The plain form of a rating task: a group of radio buttons for each completion and criterion, and the marks."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext, gettext_noop

from annotation.kinds import Screen
from annotation.rendering.source import render_source
from comparisons.kinds.criteria import CHOICE, OVERALL
from comparisons.models import SpanMark

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Completion, Criterion


OWN_NAMES = [gettext_noop("Overall"), gettext_noop("How good is this response overall?")]
"""What the last criterion is called unless the project says otherwise."""
ROLES = [gettext_noop("System"), gettext_noop("User"), gettext_noop("Assistant")]
SPAN_TYPES = [
    gettext_noop("Wrong fact"),
    gettext_noop("Unsupported"),
    gettext_noop("Unsafe"),
    gettext_noop("Off task"),
]


NOT_APPLICABLE = "na"
NO_CHOICE = "none"
"""What the form sends; labels are capital letters and values numbers."""


def asks_choice(screen: Screen) -> bool:
    """Whether `screen` ends with the overall choice: never where there is only one response."""
    return screen.protocol.has_choice and len(screen.completions) > 1


def not_applicable_key(low: int, high: int) -> str:
    """The key for "not applicable" on a scale low…high: 0 on one from 1, unless it is the key of a 10; else -."""
    return "0" if low == 1 and high < 10 else "-"


def span_text(completion: "Completion") -> str:
    """The text that span offsets count in: the messages in order, a blank line between them."""
    return "\n\n".join(message["content"] for message in completion.messages)


def answer_from_form(form: "QueryDict", screen: Screen) -> dict[str, Any]:
    """An API answer out of `rating-<label>-<criterion>`, `choice` and `spans`, a JSON list; what is missing stays
    missing."""
    ratings: dict[str, dict[str, Any]] = {}
    for label in screen.labels:
        ratings[label] = {}
        for criterion in screen.criteria:
            value = form.get(f"rating-{label}-{criterion.key}", "")
            if not value:
                continue
            if value == NOT_APPLICABLE:
                ratings[label][criterion.key] = None
                continue
            try:
                ratings[label][criterion.key] = int(value)
            except ValueError:
                ratings[label][criterion.key] = value
    answer: dict[str, Any] = {"ratings": ratings}
    text = form.get("spans", "")
    if text:
        try:
            spans = json.loads(text)
        except (ValueError, RecursionError):
            spans = text  # not JSON: `parse` says that marks are a list
        if spans != []:
            answer["spans"] = spans
    choice = form.get(CHOICE, "")
    if choice not in ("", NO_CHOICE):
        answer[CHOICE] = choice
    return answer


def form_context(screen: Screen, answer: Mapping[str, Any]) -> dict[str, Any]:
    """{"completions": […], "spans": JSON, "span_types": […], "choice": […]}; the parts of `answer` that fit are
    filled in.

    `source` is the text of each message to mark in: two line feeds between them make it `span_text`. `choice` is
    empty where none is asked for.
    """
    ratings = answer.get("ratings")
    given = ratings if isinstance(ratings, Mapping) else {}
    spans = answer.get("spans")
    fitting = [span for span in spans if _fits(span, screen)] if isinstance(spans, list) else []
    return {
        "completions": [
            {
                "label": label,
                "questions": [_question(label, criterion, given.get(label)) for criterion in screen.criteria],
                "source": [
                    {"role": gettext(message["role"].capitalize()), "text": render_source(message["content"])}
                    for message in completion.messages
                ],
            }
            for label, completion in screen.by_label.items()
        ],
        "spans": json.dumps(fitting),
        "span_types": [{"value": value, "name": gettext(name)} for value, name in SpanMark.Type.choices],
        "has_optional": any(criterion.is_optional for criterion in screen.criteria),
        "choice": [
            {"value": label, "digit": digit, "checked": answer.get(CHOICE) == label}
            for digit, label in enumerate(screen.labels if asks_choice(screen) else [], start=1)
        ],
    }


def _fits(span: Any, screen: Screen) -> bool:
    if not isinstance(span, Mapping) or set(span) != {"label", "start", "end", "type"}:
        return False
    start, end = span["start"], span["end"]
    if span["label"] not in screen.labels or span["type"] not in SpanMark.Type.values:
        return False
    if type(start) is not int or type(end) is not int:
        return False
    return 0 <= start < end <= len(span_text(screen.by_label[span["label"]]))


def _question(label: str, criterion: "Criterion", values: Any) -> dict[str, Any]:
    if criterion.low is None or criterion.high is None:
        raise ValueError(f"the rating criterion {criterion.key} has no scale")
    given = values if isinstance(values, Mapping) else {}
    chosen = given.get(criterion.key)
    anchors = list(criterion.anchors) or [""] * (criterion.high - criterion.low + 1)
    points = range(criterion.low, criterion.high + 1)
    return {
        "key": criterion.key,
        "name": gettext(criterion.name) if criterion.key == OVERALL else criterion.name,
        "question": gettext(criterion.question) if criterion.key == OVERALL else criterion.question,
        "field": f"rating-{label}-{criterion.key}",
        "low": criterion.low,
        "high": criterion.high,
        "options": [
            # Digits are the values. There is no key for ten but 0, and a scale up to ten starts at 1.
            {"value": value, "digit": value % 10, "anchor": anchor, "checked": chosen == value}
            for value, anchor in zip(points, anchors, strict=True)
        ],
        "not_applicable": {
            "value": NOT_APPLICABLE,
            "key": not_applicable_key(criterion.low, criterion.high),
            "checked": criterion.key in given and chosen is None,
        }
        if criterion.is_optional
        else None,
    }
