"""Pages of review: what waits for a decision, and one item, judged blind before the judgments are shown."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.access import Role, access_project, has_work_left
from annotation.answer_words import answer_words
from annotation.errors import Refused
from annotation.kinds import judgment_kinds
from annotation.models import Item, Membership, Project
from annotation.selectors_console import item_screen
from annotation.views.console import console_context, item_text
from annotation.views.signed_in import SignedInRequest, signed_in
from annotation.views.task_page import excerpt
from comparisons.access import access_review
from comparisons.kinds.texts import plain_lines
from comparisons.models import Adjudication
from comparisons.review_page import Typed, decision_lines, judgment_lines
from comparisons.selectors_adjudication import (
    blind_answer_of,
    decided_items,
    decision_of,
    has_contested,
    in_queue,
    items_to_review,
    waiting,
)
from comparisons.services.adjudication import NOTE_MAX, look_first, settle_item

REVIEWS = (Role.LEAD, Role.REVIEWER)
ITEMS_A_PAGE = 50
DECIDED = "decided"


@require_safe
@never_cache
@signed_in
def review(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The queue, or with `?show=decided` what was decided. Who still judges here sees neither (I13)."""
    project = access_project(request.user, slug, *REVIEWS)
    context = console_context(request, project, "review")
    if has_work_left(request.user, project):
        return render(request, "comparisons/review.html", context | {"hides_items": True})
    queue, decided = items_to_review(project, request.user), decided_items(project)
    is_decided, number = request.GET.get("show") == DECIDED, request.GET.get("page")
    context |= {
        "show": DECIDED if is_decided else "",
        "waits": queue.count(),
        "decided": decided.count(),
        "is_computed": has_contested(project),
    }
    context |= decided_page(decided, number) if is_decided else waiting_page(project, queue, number)
    return render(request, "comparisons/review.html", context)


def waiting_page(project: Project, queue: QuerySet[Item], number: str | None) -> dict[str, Any]:
    page = Paginator(queue, ITEMS_A_PAGE).get_page(number)
    return {"page": page, "rows": [(one, excerpt(one.item)) for one in waiting(project, list(page))]}


def decided_page(decided: QuerySet[Adjudication], number: str | None) -> dict[str, Any]:
    page = Paginator(decided, ITEMS_A_PAGE).get_page(number)
    return {"page": page, "rows": [(decision, excerpt(decision.item)) for decision in page]}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def review_item(request: SignedInRequest, slug: str, number: int, item_number: int) -> HttpResponseBase:
    """One item. A POST is the reviewer's first look: their own answer, or `show` to go without one."""
    item, reviewer = access_review(request.user, slug, number, item_number)
    if request.method != "POST":
        return item_page(request, item, reviewer)
    screen = item_screen(item)
    answer = None
    if "show" not in request.POST:
        answer = judgment_kinds.get(screen.protocol.kind).answer_from_form(request.POST, screen)
    try:
        look_first(item=item, reviewer=reviewer, answer=answer, now=timezone.now())
    except Refused as refusal:
        return item_page(request, item, reviewer, typed=Typed(answer or {}), refusal=refusal)
    return redirect("review_item", slug=slug, number=number, item_number=item_number)


@require_POST
@signed_in
def review_decision(request: SignedInRequest, slug: str, number: int, item_number: int) -> HttpResponseBase:
    """Decide. What was refused comes back as it was typed, beside the decision of somebody else if there is one."""
    item, reviewer = access_review(request.user, slug, number, item_number)
    screen = item_screen(item)
    typed = Typed(
        answer=judgment_kinds.get(screen.protocol.kind).answer_from_form(request.POST, screen),
        reason=request.POST.get("reason", ""),
        note=plain_lines(request.POST.get("note", "")).strip(),
    )
    replaces = request.POST.get("replaces", "")
    try:
        settle_item(
            item=item,
            reviewer=reviewer,
            reason=typed.reason,
            answer=typed.answer,
            note=typed.note,
            replaces=int(replaces) if replaces.isascii() and replaces.isdigit() else None,
            now=timezone.now(),
        )
    except Refused as refusal:
        return item_page(request, item, reviewer, typed=typed, refusal=refusal)
    messages.success(request, f"Your decision on item {item.number} is saved.")
    return redirect("review_item", slug=slug, number=number, item_number=item_number)


def item_page(
    request: SignedInRequest,
    item: Item,
    reviewer: Membership,
    *,
    typed: Typed | None = None,
    refusal: Refused | None = None,
) -> HttpResponseBase:
    """Before the first look the item alone; afterwards the judgments and the form of a decision."""
    screen = item_screen(item)
    kind = judgment_kinds.get(screen.protocol.kind)
    first = blind_answer_of(item, reviewer)
    context: dict[str, Any] = console_context(request, item.batch.project, "review") | {
        **item_text(item, screen),
        "batch": item.batch,
        "item": item,
        "kind": kind.key,
        "queue": in_queue(item.batch.project, request.user, item),
        "refusal": refusal,
        "first": first,
    }
    if first is None:
        context |= {
            "form": kind.form_context(screen, typed.answer if typed else None),
            "is_decided": decision_of(item) is not None,
        }
    else:
        decisions = decision_lines(item, screen)
        typed = typed or Typed(first.answer or {})
        context |= {
            "form": kind.form_context(screen, typed.answer),
            "typed": typed,
            "first_words": answer_words(first.answer, screen.criteria) if first.answer else [],
            "decisions": decisions,
            "current": decisions[0].decision if decisions else None,
            "lines": judgment_lines(item, screen, with_names=bool(decisions)),
            "reasons": Adjudication.Reason.choices,
            "note_max": NOTE_MAX,
        }
    return render(request, "comparisons/review_item.html", context, status=refusal.status if refusal else 200)
