"""Pages about what judgments mean."""

from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from annotation.access import Role, access_project, has_work_left
from annotation.views.console import console_context
from annotation.views.signed_in import SignedInRequest, signed_in
from comparisons.contested_page import contested_of, stopping_of
from comparisons.panels import SEES_AGREEMENT
from comparisons.services.agreement import start_agreement
from comparisons.services.statistics import start_statistics
from comparisons.statistics_page import tables_of
from comparisons.strata.cells import MIN_CELL, STEP
from comparisons.strata_page import groups_of


@require_POST
@signed_in
def recompute_agreement(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Queue a computation now and go back to the project page, which shows it when it is done."""
    project = access_project(request.user, slug, Role.LEAD, Role.REVIEWER)
    start_agreement(project=project, actor=request.user, now=timezone.now())
    return redirect("project", slug=project.slug)


@require_safe
@never_cache
@signed_in
def statistics(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Every figure of the project with its interval and n. Annotators never see how others judge."""
    project = access_project(request.user, slug, *SEES_AGREEMENT)
    tables = tables_of(project)
    context = {
        "tables": tables,
        "contested": contested_of(tables.figures),
        "stopping": stopping_of(project, tables.figures),
        # Who judges here too sees no answers of others to what is left for them (I13).
        "hides_items": has_work_left(request.user, project),
    }
    frame = console_context(request, project, "statistics")
    return render(request, "comparisons/statistics.html", frame | context)


@require_POST
@signed_in
def recompute_statistics(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Queue a computation now and go back to the page, which shows it when it is done."""
    project = access_project(request.user, slug, Role.LEAD, Role.REVIEWER)
    start_statistics(project=project, actor=request.user, now=timezone.now())
    return redirect("statistics", slug=project.slug)


@require_safe
@never_cache
@signed_in
def strata(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """What groups of annotators prefer, and juries made of them. Never one person, never an item."""
    project = access_project(request.user, slug, *SEES_AGREEMENT)
    context = {"groups": groups_of(project, request.GET.dict()), "minimum": MIN_CELL, "step": STEP}
    return render(request, "comparisons/strata.html", console_context(request, project, "strata") | context)
