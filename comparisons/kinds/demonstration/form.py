"""The plain form of a demonstration: one text field."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comparisons.kinds.texts import shown_text
from comparisons.models.texts import TEXT_MAX

if TYPE_CHECKING:
    from django.http import QueryDict


def answer_from_form(form: "QueryDict") -> dict[str, Any]:
    """An API answer out of the field `text`."""
    return {"text": form["text"]} if "text" in form else {}


def form_context(answer: Mapping[str, Any]) -> dict[str, Any]:
    """{"text", "longest"}: what was written so far, and how many characters it may have."""
    return {"text": shown_text(answer.get("text")), "longest": TEXT_MAX}
