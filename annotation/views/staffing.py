"""Pages of a lead about who judges what: staff and overlap of a batch, one member, the limits of a project."""

from typing import Any

from django.contrib import messages
from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.access import Role, access_batch, access_member, access_project
from annotation.errors import Refused
from annotation.forms_console import ConsoleForm
from annotation.forms_staffing import AnnotatorForm, LimitsForm, OverlapForm, PauseForm, StaffForm
from annotation.models import Membership
from annotation.selectors_staffing import limits_of, training_rows
from annotation.services.batches import staff_batch
from annotation.services.overlap import raise_overlap
from annotation.services.people import describe_annotator, pause_annotator, resume_annotator
from annotation.services.projects import set_limits
from annotation.services.training import qualify
from annotation.views.console import batch_page, console_context
from annotation.views.signed_in import SignedInRequest, signed_in


@require_POST
@signed_in
def batch_overlap(request: SignedInRequest, slug: str, number: int) -> HttpResponseBase:
    """More judgments for all items of a batch or for those named."""
    batch = access_batch(request.user, slug, number, Role.LEAD)
    form = OverlapForm(request.POST)
    if form.is_valid():
        try:
            count = raise_overlap(
                batch=batch,
                overlap=form.cleaned_data["overlap"],
                external_ids=form.item_names(),
                actor=request.user,
                now=timezone.now(),
            )
            messages.success(request, raised_words(count))
            return redirect("batch", slug=slug, number=number)
        except Refused as refusal:
            form.refuse(refusal)
    return batch_page(request, batch, overlap_form=form)


def raised_words(count: int) -> str:
    if not count:
        return "Every item has as many judgments already, or more."
    return "1 item gets more judgments." if count == 1 else f"{count} items get more judgments."


@require_POST
@signed_in
def batch_staff(request: SignedInRequest, slug: str, number: int) -> HttpResponseBase:
    """Give a batch to some people alone, or to everybody again."""
    batch = access_batch(request.user, slug, number, Role.LEAD)
    form = StaffForm(request.POST, batch=batch)
    if form.is_valid():
        chosen = form.chosen()
        try:
            staff_batch(batch=batch, annotators=chosen, actor=request.user, now=timezone.now())
            people = f"{len(chosen)} {'person' if len(chosen) == 1 else 'people'}" if chosen else "everybody"
            messages.success(request, f"{batch.name} is for {people}.")
            return redirect("batch", slug=slug, number=number)
        except Refused as refusal:
            form.refuse(refusal)
    return batch_page(request, batch, staff_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def member(request: SignedInRequest, slug: str, pseudonym: str) -> HttpResponseBase:
    """One member. A POST says what an annotator reads and knows."""
    if request.method != "POST":
        return member_page(request, access_member(request.user, slug, pseudonym, Role.LEAD))
    found = access_annotator_member(request, slug, pseudonym)
    form = AnnotatorForm(request.POST)
    if form.is_valid():
        try:
            describe_annotator(
                annotator=found,
                languages=form.listed("languages"),
                skills=form.listed("skills"),
                actor=request.user,
                now=timezone.now(),
            )
            messages.success(request, "Saved. It counts from their next item on.")
            return redirect("member", slug=slug, pseudonym=pseudonym)
        except Refused as refusal:
            form.refuse(refusal)
    return member_page(request, found, form=form)


def member_page(
    request: SignedInRequest,
    found: Membership,
    *,
    form: AnnotatorForm | None = None,
    pause_form: PauseForm | None = None,
) -> HttpResponseBase:
    is_annotator = found.role == Role.ANNOTATOR
    context: dict[str, Any] = console_context(request, found.project, "members") | {
        "member": found,
        "judges": is_annotator,
        "form": form or AnnotatorForm.of(found),
        "pause_form": pause_form or PauseForm(),
        "training": training_rows(found) if is_annotator else [],
    }
    is_refused = form is not None or pause_form is not None
    return render(request, "annotation/member.html", context, status=422 if is_refused else 200)


@require_POST
@signed_in
def member_pause(request: SignedInRequest, slug: str, pseudonym: str) -> HttpResponseBase:
    """No new items for this person from now on."""
    found = access_annotator_member(request, slug, pseudonym)
    form = PauseForm(request.POST)
    if not form.is_valid():
        return member_page(request, found, pause_form=form)
    reason = form.cleaned_data["reason"]
    pause_annotator(annotator=found, reason=reason, actor=request.user, now=timezone.now())
    messages.success(request, "Paused. What they hold, they may still answer.")
    return redirect("member", slug=slug, pseudonym=pseudonym)


@require_POST
@signed_in
def member_resume(request: SignedInRequest, slug: str, pseudonym: str) -> HttpResponseBase:
    found = access_annotator_member(request, slug, pseudonym)
    resume_annotator(annotator=found, actor=request.user, now=timezone.now())
    messages.success(request, "They get items again.")
    return redirect("member", slug=slug, pseudonym=pseudonym)


def access_annotator_member(request: SignedInRequest, slug: str, pseudonym: str) -> Membership:
    """A member who judges: nobody else is paused or qualified."""
    found = access_member(request.user, slug, pseudonym, Role.LEAD)
    if found.role != Role.ANNOTATOR:
        raise Http404("no such annotator")
    return found


@require_POST
@signed_in
def member_qualify(request: SignedInRequest, slug: str, pseudonym: str, number: int) -> HttpResponseBase:
    """The lead's word in place of a passed training."""
    found = access_annotator_member(request, slug, pseudonym)
    batch = access_batch(request.user, slug, number, Role.LEAD)
    try:
        qualify(annotator=found, batch=batch, actor=request.user, now=timezone.now())
        messages.success(request, f"They need not pass {batch.name} any more.")
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return redirect("member", slug=slug, pseudonym=pseudonym)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def limits(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """How much one person may be given in a day, and when an item is offered to nobody any more."""
    project = access_project(request.user, slug, Role.LEAD)
    form: ConsoleForm = limits_form(limits_of(project))
    if request.method == "POST":
        form = LimitsForm(request.POST)
        if form.is_valid():
            try:
                set_limits(project=project, actor=request.user, now=timezone.now(), **form.cleaned_data)
                messages.success(request, "The limits are saved. They count from the next item on.")
                return redirect("limits", slug=slug)
            except Refused as refusal:
                form.refuse(refusal)
    context = console_context(request, project, "limits") | {"form": form}
    return render(request, "annotation/limits.html", context, status=422 if form.is_bound else 200)


def limits_form(limits: dict[str, Any]) -> LimitsForm:
    lines = [f"{category}: {per_day}" for category, per_day in limits["exposure"].items()]
    return LimitsForm(initial=limits | {"exposure": "\n".join(lines)})
