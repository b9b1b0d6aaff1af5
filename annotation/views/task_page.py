"""What a judging page is drawn from.

Everything an annotator's page shows passes through `task_context`, and nothing else does: completions
arrive as label and text only, so no model name, reference, gold flag or position can reach the page (I13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from annotation.kinds import FieldError, Screen, judgment_kinds
from annotation.models import Assignment, Batch, Item, Judgment, Membership
from annotation.selectors import AnnotatorProgress, current_guideline, own_judgments
from annotation.selectors_staffing import shown_progress, training_feedback, training_of
from annotation.services.leases import PUBLIC_ATTEMPT
from annotation.views.signed_in import SignedInRequest

ROLE_WORDS = {"system": "System", "user": "User", "assistant": "Assistant"}
EXCERPT_MAX = 120


@dataclass(frozen=True)
class Facts:
    """What stands in the form beside the answer: as typed before, or empty."""

    note: str = ""
    confidence: int | None = None
    read_to_end: Sequence[str] = ()


@dataclass(frozen=True)
class TaskPage:
    """One item on one person's screen, with the key under which its answer is sent."""

    annotator: Membership
    assignment: Assignment
    screen: Screen
    attempt: int
    submission_id: UUID | str
    public_id: int | None = None
    """Of the lease; None for a correction, which has an address of its own."""
    answer: Mapping[str, Any] | None = None
    facts: Facts = field(default_factory=Facts)
    errors: Sequence[FieldError] = ()
    correction_of: Judgment | None = None


def turns(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{"role": ROLE_WORDS[m["role"]], "content": m["content"]} for m in messages]


def excerpt(item: Item) -> str:
    """The beginning of the last turn of the prompt, on one line."""
    # Only the head is split: a prompt may have 200,000 characters, and a page shows many items.
    text = " ".join(item.prompt[-1]["content"][: 4 * EXCERPT_MAX].split())
    return text if len(text) <= EXCERPT_MAX else text[:EXCERPT_MAX].rstrip() + "…"


def task_context(page: TaskPage) -> dict[str, Any]:
    """The context of `annotation/task_*.html`."""
    assignment, screen = page.assignment, page.screen
    item = assignment.item
    if page.correction_of is None:
        page_url = reverse("assignment", args=[page.public_id])
        post_url = reverse("submit", args=[page.public_id])
        release_url = reverse("release_assignment", args=[page.public_id])
    else:
        page_url = post_url = release_url = reverse("corrections", args=[page.correction_of.pk])
    prompt = turns(item.prompt)
    newest = next(iter(own_judgments(page.annotator, limit=1)), None)
    training = None
    if assignment.purpose == Assignment.Purpose.TRAINING:
        training = training_of(page.annotator, assignment.batch_id)
        progress = AnnotatorProgress(done=training.done, total=training.items)
    else:
        progress = shown_progress(page.annotator, assignment.batch)
    return {
        "kind": screen.protocol.kind,
        "project": page.annotator.project,
        "batch_name": assignment.batch.name,
        "guideline": current_guideline(page.annotator.project_id),
        "progress": {"done": progress.done, "total": progress.total, "current": progress.done + 1},
        "training": training,
        "told": None if page.correction_of else training_feedback(page.annotator, newest),
        "last_judgment": newest if newest and can_change(newest) else None,
        "correction": page.correction_of is not None,
        "page_url": page_url,
        "post_url": post_url,
        "release_url": release_url,
        "submission_id": page.submission_id,
        "attempt": PUBLIC_ATTEMPT,
        "language": item.language,
        "history": prompt[:-1],
        "prompt": prompt[-1],
        "turn": sum(turn["role"] == "User" for turn in prompt),
        "responses": [
            {"label": label, "side": label.lower(), "messages": turns(completion.messages)}
            for label, completion in screen.by_label.items()
        ],
        "form": judgment_kinds.get(screen.protocol.kind).form_context(screen, page.answer),
        "facts": page.facts,
        "errors": page.errors,
    }


def can_change(judgment: Judgment) -> bool:
    """Whether its author may still change an own answer: what Undo opens."""
    slot = judgment.assignment
    is_final = slot.purpose == Assignment.Purpose.TRAINING or slot.state == Assignment.State.VOID
    return judgment.batch.state == Batch.State.OPEN and not is_final


def render_task(request: SignedInRequest, page: TaskPage, status: int = 200) -> HttpResponseBase:
    """The whole page, or for htmx the content of `#task` with a fresh `#bar`."""
    shell = "annotation/shell_fragment.html" if request.htmx else "annotation/shell_page.html"
    kind = judgment_kinds.get(page.screen.protocol.kind)
    return render(request, kind.template_name, task_context(page) | {"shell": shell}, status=status)
