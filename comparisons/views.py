"""Pages about what judgments mean."""

from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from annotation.access import Role, access_project
from annotation.views.signed_in import SignedInRequest, signed_in
from comparisons.services import start_agreement


@require_POST
@signed_in
def recompute_agreement(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Queue a computation now and go back to the project page, which shows it when it is done."""
    project = access_project(request.user, slug, Role.LEAD, Role.REVIEWER)
    start_agreement(project=project, actor=request.user, now=timezone.now())
    return redirect("project", slug=project.slug)
