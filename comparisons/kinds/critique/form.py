"""The plain form of a critique: a box for each principle and one for none, and two text fields."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.safestring import mark_safe

from annotation.kinds import Screen
from annotation.rendering.marks import visible
from comparisons.kinds.criteria import OVERALL
from comparisons.kinds.critique.changes import changes
from comparisons.kinds.texts import plain_lines, shown_text
from comparisons.models.texts import CRITIQUE_MAX, REVISION_MAX

if TYPE_CHECKING:
    from django.http import QueryDict

    from annotation.models import Completion, Criterion

NONE = ""
"""The value of the box that says no principle is broken; no criterion has an empty key."""
DIGITS = 9


def principles_of(screen: Screen) -> list["Criterion"]:
    """The principles asked about, in order: every criterion but the overall one."""
    return [criterion for criterion in screen.criteria if criterion.key != OVERALL]


def original_text(completion: "Completion") -> str:
    """What is revised: the last message, line ends as newlines."""
    return plain_lines(completion.messages[-1]["content"])


def answer_from_form(form: "QueryDict") -> dict[str, Any]:
    """An API answer; what is missing stays missing. "None" alone is the empty list."""
    answer: dict[str, Any] = {name: form[name] for name in ("critique", "revision") if name in form}
    if chosen := form.getlist("principles"):
        answer["principles"] = [] if chosen == [NONE] else chosen
    return answer


def form_context(screen: Screen, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """The boxes, the texts, and once there is an answer the `changes` of its revision (None: nothing to show)."""
    given = answer or {}
    listed = given.get("principles")
    chosen = listed if isinstance(listed, list) else []
    original = original_text(screen.completions[0])
    revision = shown_text(given.get("revision"), original)
    return {
        "principles": [
            {
                "key": principle.key,
                "name": principle.name,
                "question": principle.question,
                "digit": number if number <= DIGITS else "",
                "checked": principle.key in chosen,
            }
            for number, principle in enumerate(principles_of(screen), start=1)
        ],
        "none": NONE in chosen or listed == [],
        "critique": shown_text(given.get("critique")),
        "critique_longest": CRITIQUE_MAX,
        "revision": revision,
        "revision_longest": REVISION_MAX,
        "changes": None if answer is None else shown_changes(original, plain_lines(revision)),
    }


def shown_changes(original: str, revision: str) -> list[dict[str, str]]:
    """{"kind": same | out | in, "html"} for each stretch; empty when nothing changed."""
    if original == revision or len(revision) > REVISION_MAX:
        return []
    return [
        # `visible` escapes; a model's text may hold characters that nobody would see in a difference.
        {"kind": change.kind, "html": mark_safe(visible(change.text))}  # noqa: S308
        for change in changes(original, revision)
    ]
