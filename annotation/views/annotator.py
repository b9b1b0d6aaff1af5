"""The quiet pages around judging: home, guide and consent, invitation, own work, a break, the end of the batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotation.access import access_annotator, access_project, reachable_projects, roles_in
from annotation.models import ConsentText, Judgment, Membership
from annotation.rendering.renewals import renewal
from annotation.selectors import current_guideline, has_unfinished_slots, own_judgments
from annotation.selectors_desk import Desk, bands_of, desk_of, desks_of, earned_in, earned_this_week
from annotation.selectors_guide import agreed_consent_text, guide_shown, guide_standing, known_guide
from annotation.selectors_own import (
    Part,
    own_counts,
    own_drafts,
    own_returned,
    own_skipped,
    own_submitted,
)
from annotation.selectors_staffing import cap_reached, training_feedback, worked_examples
from annotation.services.breaks import take_break
from annotation.services.leases import held_leases, needs_consent, why_nothing
from annotation.services.people import current_consent_text, give_consent
from annotation.services.reading import confirm_guide
from annotation.views.signed_in import SignedInRequest, signed_in
from annotation.views.task import next_item
from annotation.views.task_page import can_change, excerpt

BREAK_MINUTES = 5
BREAK_MAX = timedelta(hours=12)
"""A break that began longer ago was left by closing the browser."""
RENEWED = _("The text was changed while you read it. Please read the newest one.")


def judging_memberships(request: SignedInRequest) -> list[Membership]:
    """Where the person judges, by the name of the project."""
    memberships = request.user.memberships.filter(is_active=True, role=Membership.Role.ANNOTATOR)
    return list(memberships.select_related("project", "user").order_by("project__name"))


def ordered(desks: Iterable[Desk]) -> list[Desk]:
    """What is in hand first, then what there is to do."""
    return sorted(desks, key=lambda desk: (not desk.has_held, not desk.left))


@require_safe
@never_cache
@signed_in
def home(request: SignedInRequest) -> HttpResponseBase:
    """What there is to judge, and for other roles the way to their projects. For htmx, which asks every minute, the
    part that changes. Nothing is leased."""
    now = timezone.now()
    desks = ordered(desks_of(judging_memberships(request), now))
    desked = [desk.project.pk for desk in desks]
    others = reachable_projects(request.user).exclude(pk__in=desked)
    first = desks[0] if desks and desks[0].can_go_on else None
    context = {
        "first": first,
        "rest": desks[1:] if first else desks,
        "desks": desks,
        "has_answers": any(desk.counts.has_any for desk in desks),
        "projects": list(others.order_by("name")),
        "week": earned_this_week(request.user, now) if desks else None,
        "hides_pay": request.user.hides_pay,
        "sends_mail": settings.SENDS_MAIL,
    }
    template = "annotation/_home.html" if request.htmx else "annotation/home.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def guide(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The instructions and what is new in them, and the consent form for an annotator who has not agreed yet."""
    project = access_project(request.user, slug)
    if request.method == "POST":
        return guide_confirmed(request, access_annotator(request.user, slug))
    context: dict[str, Any] = {"project": project}
    if Membership.Role.ANNOTATOR in roles_in(request.user, project):
        context |= guide_of_annotator(access_annotator(request.user, slug))
    else:
        context |= {"guideline": current_guideline(project.pk)}
    return render(request, "annotation/guide.html", context)


def guide_of_annotator(annotator: Membership) -> dict[str, Any]:
    standing = guide_standing(annotator)
    known = known_guide(annotator, standing.current) if standing.is_changed else None
    context: dict[str, Any] = {
        "is_annotator": True,
        "guideline": standing.current,
        "is_confirmed": standing.is_confirmed,
        "known": known,
        "changes": renewal(known.text, standing.current.text) if known else [],
    }
    if needs_consent(annotator):
        text, agreed = current_consent_text(annotator.project), agreed_consent_text(annotator)
        context |= {
            "consent_text": text,
            "agreed": agreed,
            "consent_changes": renewal(agreed.text, text.text) if agreed and text else [],
        }
    return context


def guide_confirmed(request: SignedInRequest, annotator: Membership) -> HttpResponseBase:
    """Note what was read and agreed to: the versions that were on the page, which need not be the newest any more."""
    now, slug = timezone.now(), annotator.project.slug
    given = request.POST.get("consent", "")
    guideline = guide_shown(annotator, request.POST.get("guideline", ""))
    if guideline is None or (given and not is_current(current_consent_text(annotator.project), given)):
        messages.info(request, RENEWED)
        return redirect("guide", slug=slug)
    if given:
        give_consent(annotator=annotator, now=now)
    confirm_guide(annotator=annotator, guideline=guideline, now=now)
    return next_item(request, annotator)


def is_current(text: ConsentText | None, number: str) -> bool:
    return text is not None and str(text.number) == number


@require_safe
@never_cache
@signed_in
def task(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The held item, or an invitation: a GET never leases."""
    annotator = access_annotator(request.user, slug)
    now = timezone.now()
    if needs_consent(annotator) or guide_standing(annotator).is_changed:
        return redirect("guide", slug=slug)
    held = held_leases(annotator, now)
    if held:
        return redirect("assignment", pk=held[0].public_id)
    desk = desk_of(annotator, now)
    if desk.blocked:
        return redirect("done", slug=slug)
    context = {
        "desk": desk,
        "told": training_feedback(annotator, newest_of(annotator)),
        "hides_pay": request.user.hides_pay,
    }
    return render(request, "annotation/invitation.html", context)


def newest_of(annotator: Membership) -> Judgment | None:
    return next(iter(own_judgments(annotator, limit=1)), None)


@dataclass(frozen=True)
class OwnAnswer:
    judgment: Judgment
    excerpt: str
    can_change: bool


SHOWN = {
    "submitted": _("Submitted"),
    "drafts": _("Drafts"),
    "returned": _("Returned"),
    "skipped": _("Skipped"),
}


@require_safe
@never_cache
@signed_in
def work(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The person's own work in four lists, the newest first, each page under an address of its own."""
    annotator = access_annotator(request.user, slug)
    held = held_leases(annotator, timezone.now())
    asked = request.GET.get("show", "")
    show = asked if asked in SHOWN else next(iter(SHOWN))
    before = row_id(request.GET.get("before", ""))
    counts = own_counts(annotator, held)
    part: Part[Any]
    rows: list[Any]
    if show == "submitted":
        part = own_submitted(annotator, before)
        rows = [OwnAnswer(one, excerpt(one.item), can_change(one)) for one in part.rows]
    elif show == "drafts":
        part = own_drafts(annotator, held, before)
        rows = [(one, excerpt(one.item)) for one in part.rows]
    elif show == "returned":
        part = own_returned(annotator, before)
        rows = [(one, excerpt(one.judgment.item)) for one in part.rows]
    else:
        part = own_skipped(annotator, before)
        rows = [(one, excerpt(one.item)) for one in part.rows]
    context = {
        "project": annotator.project,
        "show": show,
        "shown": SHOWN[show],
        "tabs": [(name, words, getattr(counts, name)) for name, words in SHOWN.items()],
        "rows": rows,
        "older": part.older,
        "is_first": before is None,
    }
    return render(request, "annotation/work.html", context)


@require_safe
@never_cache
@signed_in
def quality(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The person's band in words, and what was expected in up to three items of their training."""
    annotator = access_annotator(request.user, slug)
    context = {
        "project": annotator.project,
        "band": bands_of([annotator]).get(annotator.pk, ""),
        "examples": worked_examples(annotator),
    }
    return render(request, "annotation/quality.html", context)


def row_id(text: str) -> int | None:
    """The id of the last row seen, as an address says it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def break_(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """A quiet page with a timer. POST starts the break and keeps the item at hand, POST with `end` goes on."""
    annotator = access_annotator(request.user, slug)
    now, key = timezone.now(), f"break:{annotator.pk}"
    if request.method == "POST":
        if "end" in request.POST:
            request.session.pop(key, None)
            return redirect("task", slug=slug)
        take_break(annotator=annotator, now=now)
        request.session[key] = now.isoformat()
        return redirect("break", slug=slug)
    held = next(iter(held_leases(annotator, now)), None)
    since = break_since(request.session.get(key), now)
    context = {
        "project": annotator.project,
        "since": since,
        "seconds": since and int((now - since).total_seconds()),
        "minutes": BREAK_MINUTES,
        "kept_until": held and held.assignment.expires_at,
    }
    return render(request, "annotation/break.html", context)


def break_since(noted: str | None, now: datetime) -> datetime | None:
    since = parse_datetime(noted) if noted else None
    return since if since is not None and now - since < BREAK_MAX else None


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
    newest = newest_of(annotator)
    others = [one for one in judging_memberships(request) if one.pk != annotator.pk]
    context = {
        "desk": desk_of(annotator, now),
        "held": next(iter(held_leases(annotator, now)), None),
        "cap": cap_reached(annotator, now) if reason == "cap_reached" else None,
        "told": training_feedback(annotator, newest),
        "batch": newest and newest.batch,
        "earned": newest and earned_in(annotator, newest.batch),
        "next": [desk for desk in ordered(desks_of(others, now)) if desk.can_go_on],
        "reason": reason,
        "hides_pay": request.user.hides_pay,
    }
    is_complete = reason == "batch_done" and not has_unfinished_slots(annotator.project)
    template = "annotation/done.html" if is_complete else "annotation/nothing_left.html"
    return render(request, template, context)
