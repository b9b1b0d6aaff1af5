"""Judging: lease, show, submit, can't judge, undo, correct. Only POSTs change anything."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, replace_url

from annotation.access import access_annotator, access_judgment, access_lease
from annotation.errors import Refused
from annotation.forms import SubmissionForm
from annotation.kinds import FieldError, Screen, judgment_kinds
from annotation.metrics import count_lease, count_submit
from annotation.models import Assignment, Judgment, Lease, Membership
from annotation.selectors import newest_of_chain, screen_of
from annotation.services.judgments import (
    Outcome,
    Submission,
    correct_judgment,
    submit_judgment,
    undo_judgment,
)
from annotation.services.leases import held_leases, lease_next, needs_consent
from annotation.services.returning import release_assignment
from annotation.views.signed_in import SignedInRequest, View, signed_in
from annotation.views.task_page import Facts, TaskPage, render_task

P = ParamSpec("P")

LATE = "Saved. This item had already been completed."
LATE_TRAINING = "Saved, but its time had run out, so this item of the training comes again."
TAKEN_BACK = "The item went back to the pool."


def judging(view: Callable[Concatenate[SignedInRequest, P], HttpResponseBase]) -> View[P]:
    """Signed in, never cached, and one address for page and fragment."""
    guarded = never_cache(signed_in(view))

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = guarded(request, *args, **kwargs)
        patch_vary_headers(response, ["HX-Request"])
        return response

    return wrapped


@require_POST
@judging
def lease(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Continue: the item held, else a new one."""
    return next_item(request, access_annotator(request.user, slug))


def next_item(request: SignedInRequest, annotator: Membership) -> HttpResponseBase:
    """303 to the next item (for htmx its content), or to the page that says why there is none."""
    now = timezone.now()
    held = held_leases(annotator, now)
    reason = None
    if held and not needs_consent(annotator):
        next_lease: Lease | None = held[0]
    else:
        result = lease_next(annotator=annotator, now=now, seed=secrets.randbits(63))
        next_lease, reason = result.lease, result.reason
        count_lease("leased" if next_lease else reason or "none")
    if next_lease is None:
        return go(request, nothing_url(annotator, reason))
    url = reverse("assignment", args=[next_lease.public_id])
    if not request.htmx:
        return see_other(url)
    fresh = access_lease(request.user, next_lease.public_id)
    return replace_url(render_task(request, leased_page(fresh)), url)


def nothing_url(annotator: Membership, reason: str | None) -> str:
    slug = annotator.project.slug
    if reason == "consent_needed":
        return reverse("guide", args=[slug])
    return reverse("done", args=[slug])


def see_other(url: str) -> HttpResponseBase:
    response = redirect(url)
    response.status_code = 303
    return response


def go(request: SignedInRequest, url: str) -> HttpResponseBase:
    """Leave the judging page, also when htmx asked."""
    return HttpResponseClientRedirect(url) if request.htmx else see_other(url)


@require_safe
@judging
def assignment(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """The judging page of a held item. One that is not held any more leads to where work goes on."""
    lease = access_lease(request.user, pk)
    is_held = lease in held_leases(lease.annotator, timezone.now())
    if not is_held or needs_consent(lease.annotator):
        return go(request, reverse("task", args=[lease.annotator.project.slug]))
    return render_task(request, leased_page(lease))


def leased_page(lease: Lease) -> TaskPage:
    return TaskPage(
        annotator=lease.annotator,
        assignment=lease.assignment,
        screen=screen_of(lease.assignment, lease.display_order),
        attempt=lease.attempt,
        submission_id=lease.submission_id,
        public_id=lease.public_id,
    )


@require_POST
@judging
def submit(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """Take the answer and go on to the next item. 422 gives the page back with everything typed."""
    lease = access_lease(request.user, pk)

    def store(submission: Submission) -> Outcome:
        return submit_judgment(
            annotator=lease.annotator,
            assignment=lease.assignment,
            submission=submission,
            now=timezone.now(),
        )

    return take(request, leased_page(lease), store)


def take(
    request: SignedInRequest, page: TaskPage, store: Callable[[Submission], Outcome]
) -> HttpResponseBase:
    """Read the form, store the answer, lease the next. What does not fit comes back as typed, with why."""
    form = SubmissionForm(request.POST, labels=page.screen.labels)
    answer = posted_answer(request, page.screen)
    if not form.is_valid():
        errors = [
            FieldError(name, "invalid", str(text)) for name, texts in form.errors.items() for text in texts
        ]
        return give_back(request, page, answer, errors)
    try:
        outcome = store(form.submission(answer, page.attempt))
    except Refused as refusal:
        errors = refusal.errors or [FieldError("", refusal.code, refusal.detail)]
        return give_back(request, page, answer, errors, status=409 if refusal.status == 409 else 422)
    count_submit(outcome.body["state"], is_replay=outcome.is_replay)
    if outcome.body["state"] == Judgment.State.LATE:
        is_training = page.assignment.purpose == Assignment.Purpose.TRAINING
        messages.info(request, LATE_TRAINING if is_training else LATE)
    if outcome.body["state"] == "released":
        messages.info(request, TAKEN_BACK)
    response = next_item(request, page.annotator)
    response.headers["X-Submission-Id"] = outcome.body["submission_id"]
    return response


def posted_answer(request: SignedInRequest, screen: Screen) -> dict[str, Any]:
    if "reason" in request.POST:
        return {"cannot_judge": request.POST["reason"]}
    return judgment_kinds.get(screen.protocol.kind).answer_from_form(request.POST, screen)


def give_back(
    request: SignedInRequest,
    page: TaskPage,
    answer: Mapping[str, Any],
    errors: Sequence[FieldError],
    status: int = 422,
) -> HttpResponseBase:
    confidence = request.POST.get("confidence", "")
    facts = Facts(
        note=request.POST.get("note", ""),
        confidence=int(confidence) if confidence in ("1", "2", "3") else None,
        read_to_end=[label for label in request.POST.getlist("read_to_end") if label in page.screen.labels],
    )
    return render_task(request, replace(page, answer=answer, facts=facts, errors=errors), status=status)


@require_POST
@judging
def release(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """Skip or can't judge, then the next item."""
    lease = access_lease(request.user, pk)
    try:
        release_assignment(
            annotator=lease.annotator,
            assignment=lease.assignment,
            reason=request.POST.get("reason", ""),
            now=timezone.now(),
        )
    except Refused as refusal:
        return render_task(request, replace(leased_page(lease), errors=refusal.errors), status=422)
    messages.info(request, TAKEN_BACK)
    return next_item(request, lease.annotator)


@require_POST
@judging
def undo(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """Open an own answer again. Nothing changes until the correction is submitted."""
    judgment = newest_of_chain(access_judgment(request.user, pk))
    return go(request, reverse("corrections", args=[judgment.pk]))


@require_http_methods(["GET", "HEAD", "POST"])
@judging
def corrections(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """GET: the earlier item with its answer filled in. POST: the corrected answer, then the next item."""
    judgment = access_judgment(request.user, pk)
    screen = screen_of(judgment.assignment, judgment.display_order)
    page = TaskPage(
        annotator=judgment.annotator,
        assignment=judgment.assignment,
        screen=screen,
        attempt=judgment.attempt,
        submission_id=request.POST.get("submission_id", ""),
        correction_of=judgment,
    )
    if request.method == "POST":
        return take(
            request,
            page,
            lambda submission: correct_judgment(
                annotator=judgment.annotator, judgment=judgment, submission=submission, now=timezone.now()
            ),
        )
    try:
        reopened = undo_judgment(annotator=judgment.annotator, judgment=judgment)
    except Refused as refusal:
        messages.info(request, refusal.detail)
        return go(request, reverse("work", args=[judgment.annotator.project.slug]))
    facts = Facts(judgment.note, judgment.confidence, judgment.read_to_end)
    return render_task(
        request, replace(page, submission_id=reopened.submission_id, answer=reopened.answer, facts=facts)
    )
