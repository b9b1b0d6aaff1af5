"""Judging: lease, show, submit, can't judge, undo, correct. Only POSTs change anything."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _
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
from annotation.selectors_guide import guide_standing
from annotation.services.judgments import (
    Outcome,
    Submission,
    correct_judgment,
    submit_judgment,
    undo_judgment,
)
from annotation.services.leases import held_leases, lease_next, needs_consent, standing_of
from annotation.services.returning import extend_lease, release_assignment
from annotation.services.spares import keep_shown, lease_spare, release_spare
from annotation.views.said import said
from annotation.views.signed_in import SignedInRequest, View, signed_in
from annotation.views.task_page import Facts, TaskPage, render_refill, render_task, typed_facts, with_draft

P = ParamSpec("P")

LATE = _("Saved. This item had already been completed.")
LATE_TRAINING = _("Saved, but its time had run out, so this item of the training comes again.")
TAKEN_BACK = _("The item went back to the pool.")


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


SHOWING = "X-Showing"
"""What the script's page has on the screen when it sends: the id of a lease, 0 for a correction, "nothing" while it
waits for an item, "elsewhere" when it only hands in an answer. Absent without script."""


def next_item(
    request: SignedInRequest, annotator: Membership, answered: Assignment | None = None
) -> HttpResponseBase:
    """303 to the next item, or to the page that says why there is none. The script gets what its page lacks: the item
    that follows the one `answered`, or only the spare behind it."""
    showing = request.headers.get(SHOWING, "")
    if showing == "elsewhere":
        return HttpResponse(status=204)
    now = timezone.now()
    if guide_standing(annotator).is_changed:
        return go(request, reverse("guide", args=[annotator.project.slug]))
    if answered is not None and is_number(showing):
        return refill(request, annotator, int(showing), answered.batch.protocol.kind, answered)
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
    page = with_draft(leased_page(access_lease(request.user, next_lease.public_id)))
    spare = None
    if showing:
        held = held or [next_lease]
        spare = spare_page(request, annotator, held, next_lease.public_id, page.screen.protocol.kind)
    return replace_url(render_task(request, page, spare=spare), url)


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def refill(
    request: SignedInRequest,
    annotator: Membership,
    showing: int,
    kind: str,
    answered: Assignment | None = None,
) -> HttpResponseBase:
    """What a page of this kind lacks that shows the lease `showing`, or a correction for 0."""
    now = timezone.now()
    standing = standing_of(annotator, now)
    if standing.refusal == "consent_needed":
        return go(request, nothing_url(annotator, standing.refusal))
    shown = next((one for one in standing.held if one.public_id == showing), None)
    waiting = None
    if shown is not None:
        keep_shown(shown, now=now)
        if answered is not None and answered.batch_id == shown.assignment.batch_id:
            shown.assignment.batch = answered.batch
    if shown is not None or showing == 0:
        waiting = spare_page(request, annotator, standing.held, showing, kind)
    # What is on the screen may have run out. Its item may come back to this person, so nothing waits behind it.
    return render_refill(request, annotator, shown.assignment if shown else None, waiting, answered)


def spare_page(
    request: SignedInRequest, annotator: Membership, held: Sequence[Lease], showing: int, kind: str
) -> TaskPage | None:
    """The item to show after `showing`, leased if need be. None when it is of another kind: that takes another page."""
    lease = lease_spare(
        annotator=annotator, held=held, showing=showing, now=timezone.now(), seed=secrets.randbits(63)
    )
    if lease is None:
        return None
    page = leased_page(access_lease(request.user, lease.public_id))
    return with_draft(page) if page.screen.protocol.kind == kind else None


@require_POST
@judging
def spare(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Lease the item that waits behind the one on the screen (`showing`), or give it back (`drop`) on leaving."""
    annotator = access_annotator(request.user, slug)
    drop, showing = request.POST.get("drop", ""), request.POST.get("showing", "")
    if is_number(drop):
        release_spare(annotator=annotator, spare=int(drop), now=timezone.now())
    if not is_number(showing) or guide_standing(annotator).is_changed:
        return HttpResponse(status=204)
    return refill(request, annotator, int(showing), request.POST.get("kind", ""))


@require_POST
@judging
def extend(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """Still there: the lease runs anew."""
    lease = access_lease(request.user, pk)
    try:
        extend_lease(annotator=lease.annotator, assignment=lease.assignment, now=timezone.now())
    except Refused as refusal:
        return HttpResponse(refusal.detail, status=422, content_type="text/plain")
    return HttpResponse(status=204)


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
    held = held_leases(lease.annotator, timezone.now())
    # The guide page asks for what is to be agreed to or read first, and leads back here.
    if lease not in held or needs_consent(lease.annotator) or guide_standing(lease.annotator).is_changed:
        return go(request, reverse("task", args=[lease.annotator.project.slug]))
    page, waiting = with_draft(leased_page(lease)), None
    if len(held) > 1:
        waiting = spare_page(request, lease.annotator, held, pk, page.screen.protocol.kind)
    return render_task(request, page, spare=waiting)


def leased_page(lease: Lease) -> TaskPage:
    expires_at = lease.assignment.expires_at
    return TaskPage(
        annotator=lease.annotator,
        assignment=lease.assignment,
        screen=screen_of(lease.assignment, lease.display_order),
        attempt=lease.attempt,
        submission_id=lease.submission_id,
        public_id=lease.public_id,
        seconds_left=round((expires_at - timezone.now()).total_seconds()) if expires_at else None,
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
    response = next_item(request, page.annotator, page.assignment)
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
    facts = typed_facts(request.POST, page.screen)
    return render_task(request, replace(page, answer=answer, facts=facts, errors=errors), status=status)


def as_typed(request: SignedInRequest, page: TaskPage) -> TaskPage:
    """The page with what was posted in its fields."""
    answer = posted_answer(request, page.screen)
    return replace(page, answer=answer, facts=typed_facts(request.POST, page.screen))


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
    response = next_item(request, lease.annotator, lease.assignment)
    response.headers["X-Submission-Id"] = str(lease.submission_id)
    return response


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
    page = correction_page(request, judgment)
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
        messages.info(request, said(refusal.detail))
        return go(request, reverse("work", args=[judgment.annotator.project.slug]))
    facts = Facts(judgment.note, judgment.confidence, judgment.read_to_end)
    return render_task(
        request, replace(page, submission_id=reopened.submission_id, answer=reopened.answer, facts=facts)
    )


def correction_page(request: SignedInRequest, judgment: Judgment) -> TaskPage:
    """The item of an earlier answer as it was shown, its fields empty."""
    return TaskPage(
        annotator=judgment.annotator,
        assignment=judgment.slot,
        screen=screen_of(judgment.slot, judgment.display_order),
        attempt=judgment.attempt,
        submission_id=request.POST.get("submission_id", ""),
        correction_of=judgment,
    )
