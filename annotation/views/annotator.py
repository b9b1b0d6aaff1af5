"""The quiet pages around judging: home, guide and consent, invitation, own work, end of the batch."""

from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from django.db.models import Q
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotation.access import access_annotator, access_project, roles_in
from annotation.kinds import judgment_kinds
from annotation.models import Batch, GuidelineVersion, Judgment, Membership, Project
from annotation.selectors import (
    AnnotatorProgress,
    active_seconds_since,
    current_guideline,
    has_unfinished_slots,
    own_judgments,
)
from annotation.selectors_staffing import (
    Training,
    cap_reached,
    items_left,
    shown_progress,
    training_feedback,
    training_of,
)
from annotation.services.leases import Standing, held_leases, needs_consent, standing_of, why_nothing
from annotation.services.people import current_consent_text, give_consent
from annotation.views.signed_in import SignedInRequest, signed_in
from annotation.views.task_page import can_change, excerpt

ESTIMATE_MIN = 5
"""Fewer own times than this say nothing about the next item."""


@dataclass(frozen=True)
class OpenBatch:
    batch: Batch
    kind: str
    progress: AnnotatorProgress
    open_items: int

    @property
    def left(self) -> int:
        """At most; the item that is held counts too, but where no total is told."""
        progress = self.progress
        return progress.total - progress.done if progress.total else self.open_items


@dataclass(frozen=True)
class Desk:
    """One project as its annotator meets it on the home page; `seconds` is their usual time for an item."""

    project: Project
    batches: list[OpenBatch]
    guideline: GuidelineVersion
    has_held: bool
    consent_needed: bool
    submitted: int
    seconds: float | None
    training: Training | None = None
    """What has to be passed before any of the batches."""
    blocked: str | None = None
    """paused, not_qualified or cap_reached, when nothing new is given at all for that reason."""

    @property
    def left(self) -> int:
        if self.blocked:
            return 0
        return self.training.left if self.training else sum(batch.left for batch in self.batches)

    @property
    def minutes_left(self) -> int | None:
        if self.seconds is None or self.training is not None:
            return None
        return max(1, round(self.left * self.seconds / 60))


def desk_of(annotator: Membership) -> Desk:
    project = annotator.project
    standing = standing_of(annotator, timezone.now())
    training = standing.training_batch_id and training_of(annotator, standing.training_batch_id)
    batches = (
        project.batches.filter(state=Batch.State.OPEN, purpose=Batch.Purpose.WORK)
        .filter(Q(skill="") | Q(skill__in=annotator.skills), Q(staff=None) | Q(staff=annotator))
        .select_related("protocol")
    )
    found = [
        OpenBatch(
            batch,
            judgment_kinds.get(batch.protocol.kind).name,
            shown_progress(annotator, batch),
            items_left(annotator, batch),
        )
        for batch in batches.order_by("-priority", "number")
    ]
    return Desk(
        project=project,
        # A batch that others have finished holds nothing for this person, done or to do.
        batches=[batch for batch in found if batch.progress.total or batch.progress.done or batch.open_items],
        guideline=current_guideline(project.pk),
        has_held=bool(standing.held),
        consent_needed=needs_consent(annotator),
        submitted=annotator.judgments.filter(superseded_by__isnull=True).count(),
        seconds=usual_seconds(annotator),
        training=training or None,
        blocked=blocked_by(standing, training or None),
    )


def blocked_by(standing: Standing, training: Training | None) -> str | None:
    """What stands in the way of every new item, in the order in which `lease_next` looks at it."""
    if standing.refusal == "paused":
        return "paused"
    if training is not None:
        return "not_qualified" if training.is_over else None
    return "cap_reached" if standing.is_capped else None


def usual_seconds(annotator: Membership) -> float | None:
    """Median active seconds of the person's last fifty answers; None where too few carry a time."""
    times = [j.active_seconds for j in own_judgments(annotator, limit=50) if j.active_seconds]
    return median(times) if len(times) >= ESTIMATE_MIN else None


@require_safe
@never_cache
@signed_in
def home(request: SignedInRequest) -> HttpResponseBase:
    """What there is to judge, and for other roles the way to their projects."""
    memberships = (
        request.user.memberships.filter(is_active=True)
        .select_related("project", "user")
        .order_by("project__name")
    )
    judging = [m for m in memberships if m.role == Membership.Role.ANNOTATOR]
    projects = {m.project.pk: m.project for m in memberships if m.role != Membership.Role.ANNOTATOR}
    desks = sorted((desk_of(annotator) for annotator in judging), key=lambda d: (not d.has_held, not d.left))
    return render(request, "annotation/home.html", {"desks": desks, "projects": list(projects.values())})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def guide(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The instructions, and the consent form for an annotator who has not agreed yet."""
    project = access_project(request.user, slug)
    if request.method == "POST":
        annotator = access_annotator(request.user, slug)
        give_consent(annotator=annotator, now=timezone.now())
        return redirect("task", slug=slug)
    is_annotator = Membership.Role.ANNOTATOR in roles_in(request.user, project)
    consent_needed = is_annotator and needs_consent(access_annotator(request.user, slug))
    context = {
        "project": project,
        "guideline": current_guideline(project.pk),
        "consent_text": current_consent_text(project) if consent_needed else None,
        "is_annotator": is_annotator,
    }
    return render(request, "annotation/guide.html", context)


@require_safe
@never_cache
@signed_in
def task(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The held item, or an invitation: a GET never leases."""
    annotator = access_annotator(request.user, slug)
    if needs_consent(annotator):
        return redirect("guide", slug=slug)
    held = held_leases(annotator, timezone.now())
    if held:
        return redirect("assignment", pk=held[0].public_id)
    desk = desk_of(annotator)
    if desk.blocked:
        return redirect("done", slug=slug)
    context = {"desk": desk, "told": training_feedback(annotator, newest_of(annotator))}
    return render(request, "annotation/invitation.html", context)


def newest_of(annotator: Membership) -> Judgment | None:
    return next(iter(own_judgments(annotator, limit=1)), None)


@dataclass(frozen=True)
class OwnAnswer:
    judgment: Judgment
    excerpt: str
    can_change: bool


@require_safe
@never_cache
@signed_in
def work(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The last twenty own answers, each with a way to change it while its batch is open."""
    annotator = access_annotator(request.user, slug)
    answers = [
        OwnAnswer(judgment, excerpt(judgment.item), can_change(judgment))
        for judgment in own_judgments(annotator)
    ]
    return render(request, "annotation/work.html", {"project": annotator.project, "answers": answers})


@require_safe
@never_cache
@signed_in
def done(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Why there is no next item: everything is done, the rest is for others, or the person is kept from it."""
    annotator = access_annotator(request.user, slug)
    now = timezone.now()
    reason = why_nothing(annotator, now)
    if reason is None:
        # An old address, or a slot that came free meanwhile: "nothing left" would not be true.
        return redirect("task", slug=slug)
    if reason == "consent_needed":
        return redirect("guide", slug=slug)
    context = {
        "desk": desk_of(annotator),
        "held": next(iter(held_leases(annotator, now)), None),
        "cap": cap_reached(annotator, now) if reason == "cap_reached" else None,
        "told": training_feedback(annotator, newest_of(annotator)),
        "minutes": round(active_seconds_since(annotator, now - timedelta(hours=12)) / 60),
        "reason": reason,
    }
    is_complete = reason == "batch_done" and not has_unfinished_slots(annotator.project)
    template = "annotation/done.html" if is_complete else "annotation/nothing_left.html"
    return render(request, template, context)
