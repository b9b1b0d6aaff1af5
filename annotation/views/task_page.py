"""What a judging page is drawn from.

Everything an annotator's page shows of an item passes through `item_context`, and nothing else does: completions
arrive as label and text only, so no model name, reference, gold flag or position can reach the page (I13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from annotation.kinds import FieldError, Screen, judgment_kinds
from annotation.models import Assignment, Batch, Item, Judgment, Membership, Report
from annotation.selectors import AnnotatorProgress, current_guideline, own_judgments
from annotation.selectors_drafts import current_draft
from annotation.selectors_staffing import shown_progress, training_feedback, training_of
from annotation.services.leases import PUBLIC_ATTEMPT
from annotation.views.differences import has_differences
from annotation.views.said import said
from annotation.views.signed_in import SignedInRequest

ROLE_WORDS = {"system": _("System"), "user": _("User"), "assistant": _("Assistant")}
PLURAL_SAMPLES = (0, 1, 2, 3, 11, 100)
"""A number of each plural category, in the order of CLDR: zero, one, two, few, many, other."""
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
    seconds_left: int | None = None
    """Until its lease ends."""


def typed_facts(form: QueryDict, screen: Screen) -> Facts:
    """What stands beside the answer, out of the fields of a form; what does not fit is left out."""
    confidence = form.get("confidence", "")
    return Facts(
        note=form.get("note", ""),
        confidence=int(confidence) if confidence in ("1", "2", "3") else None,
        read_to_end=[label for label in form.getlist("read_to_end") if label in screen.labels],
    )


def with_draft(page: TaskPage) -> TaskPage:
    """The page with the text that this person wrote for the item earlier, if there is any and the kind writes text."""
    kind = judgment_kinds.get(page.screen.protocol.kind)
    draft = current_draft(page.annotator, page.assignment.item_id) if kind.writes_text else None
    if draft is None:
        return page
    form = QueryDict(mutable=True)
    for name, values in draft.answer.items():
        form.setlist(name, values)
    answer = kind.answer_from_form(form, page.screen)
    return replace(page, answer=answer, facts=typed_facts(form, page.screen))


def turns(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{"role": str(ROLE_WORDS[m["role"]]), "content": m["content"]} for m in messages]


def excerpt(item: Item) -> str:
    """The beginning of the last turn of the prompt, on one line."""
    # Only the head is split: a prompt may have 200,000 characters, and a page shows many items.
    text = " ".join(item.prompt[-1]["content"][: 4 * EXCERPT_MAX].split())
    return text if len(text) <= EXCERPT_MAX else text[:EXCERPT_MAX].rstrip() + "…"


def desk_context(
    annotator: Membership, assignment: Assignment, *, is_correction: bool = False
) -> dict[str, Any]:
    """What stands around the item: the bar, and feedback from training."""
    newest = next(iter(own_judgments(annotator, limit=1)), None)
    training = None
    if assignment.purpose == Assignment.Purpose.TRAINING:
        training = training_of(annotator, assignment.batch_id)
        progress = AnnotatorProgress(done=training.done, total=training.items)
    else:
        progress = shown_progress(annotator, assignment.batch)
    return {
        "project": annotator.project,
        "batch_name": assignment.batch.name,
        "progress": {"done": progress.done, "total": progress.total, "current": progress.done + 1},
        "training": training,
        "told": None if is_correction else training_feedback(annotator, newest),
        "last_judgment": newest if newest and can_change(newest) else None,
        "correction": is_correction,
    }


def item_context(page: TaskPage) -> dict[str, Any]:
    """What `#task` shows: the item and the form for its answer."""
    assignment, screen = page.assignment, page.screen
    item = assignment.item
    kind = judgment_kinds.get(screen.protocol.kind)
    if page.correction_of is None:
        page_url = reverse("assignment", args=[page.public_id])
        preview_url = reverse("preview", args=[page.public_id])
        post_url = reverse("submit", args=[page.public_id])
        release_url = reverse("release_assignment", args=[page.public_id])
    else:
        page_url = post_url = release_url = reverse("corrections", args=[page.correction_of.pk])
        preview_url = reverse("correction_preview", args=[page.correction_of.pk])
    # A correction is sent under a new id each time it is opened; what was typed belongs to the answer.
    draft_key = page_url if page.correction_of else page.submission_id
    prompt = turns(item.prompt)
    return {
        "kind": screen.protocol.kind,
        "page_url": page_url,
        "post_url": post_url,
        "preview_url": preview_url,
        "release_url": release_url,
        "showing": page.public_id or 0,
        "draft_key": "" if kind.writes_text else draft_key,
        "seconds_left": page.seconds_left,
        "lease_seconds": assignment.batch.lease_seconds,
        "report_url": reverse("report", args=[page.public_id]) if page.public_id else None,
        "report_reasons": Report.Reason.choices,
        "differences_url": reverse("differences", args=[page.public_id])
        if page.public_id and has_differences(screen)
        else None,
        "submission_id": page.submission_id,
        "attempt": PUBLIC_ATTEMPT,
        "language": item.language,
        "history": prompt[:-1],
        "prompt": prompt[-1],
        "turn": sum(message["role"] == "user" for message in item.prompt),
        "responses": [
            {"label": label, "side": label.lower(), "messages": turns(completion.messages)}
            for label, completion in screen.by_label.items()
        ],
        "form": kind.form_context(screen, page.answer),
        "facts": page.facts,
        "errors": [{"detail": said(error.detail)} for error in page.errors],
    }


def can_change(judgment: Judgment) -> bool:
    """Whether its author may still change an own answer: what Undo opens."""
    slot = judgment.slot
    is_final = slot.purpose == Assignment.Purpose.TRAINING or slot.state == Assignment.State.VOID
    return judgment.batch.state == Batch.State.OPEN and not is_final


def render_task(
    request: SignedInRequest, page: TaskPage, status: int = 200, *, spare: TaskPage | None = None
) -> HttpResponseBase:
    """The whole page, or for the script `#task` with `#bar`; with `spare` in a template of its own behind it."""
    desk = desk_context(page.annotator, page.assignment, is_correction=page.correction_of is not None)
    context = item_context(page) | desk
    if request.htmx:
        shell = "annotation/shell_fragment.html"
    else:
        shell = "annotation/shell_page.html"
        context["samples"] = PLURAL_SAMPLES
        context["guideline"] = current_guideline(page.annotator.project_id)
    if spare is not None:
        before = None if page.correction_of else page.assignment
        context["spare"] = rendered_spare(request, spare, before=before, desk=desk)
    kind = judgment_kinds.get(page.screen.protocol.kind)
    return render(request, kind.template_name, context | {"shell": shell}, status=status)


def rendered_spare(
    request: SignedInRequest, page: TaskPage, *, before: Assignment | None, desk: Mapping[str, Any]
) -> str:
    """The item that comes next, for `#spare`. `before`: the held item that is judged first; None: a correction is.
    `desk`: the context of the bar."""
    is_same_batch = before is None or before.batch_id == page.assignment.batch_id
    progress = (
        desk["progress"] if is_same_batch else desk_context(page.annotator, page.assignment)["progress"]
    )
    current = progress["done"] + (2 if before is not None and is_same_batch else 1)
    context = item_context(page) | {
        "project": page.annotator.project,
        "progress": progress | {"current": current},
        "shell": "annotation/shell_spare.html",
        "is_spare": True,
    }
    return render_to_string(judgment_kinds.get(page.screen.protocol.kind).template_name, context, request)


def render_refill(
    request: SignedInRequest,
    annotator: Membership,
    showing: Assignment | None,
    spare: TaskPage | None,
    answered: Assignment | None,
) -> HttpResponseBase:
    """For a page that shows an item already (`showing`; None: a correction, or one whose time is over): `#bar` afresh,
    and `#spare` if there is one."""
    around = showing or (spare.assignment if spare else answered)
    if around is None:
        return HttpResponse(status=204)
    desk = desk_context(annotator, around)
    context: dict[str, Any] = dict(desk)
    if spare is not None:
        context["spare"] = rendered_spare(request, spare, before=showing, desk=desk)
    return render(request, "annotation/refill.html", context)
