"""Pages about reward models."""

from django.contrib import messages
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from annotation.access import access_project
from annotation.errors import Refused
from annotation.views.console import console_context
from annotation.views.signed_in import SignedInRequest, signed_in
from rewards.access import STARTS_RUNS, access_reward_run
from rewards.charts import NARROW, forest_of
from rewards.services import start_reward_run


@require_safe
@never_cache
@signed_in
def reward_run(request: SignedInRequest, slug: str, run: int) -> HttpResponseBase:
    """One run: the plot when it is finished, the reason when it failed."""
    found = access_reward_run(request.user, slug, run)
    error = (found.job.error or {}).get("detail", "") if found.job.state == found.job.State.FAILED else ""
    context = {
        "run": found,
        "forest": forest_of(found),
        "narrow": forest_of(found, NARROW),
        "error": error,
    }
    frame = console_context(request, found.release.project, "reward_run")
    return render(request, "rewards/run.html", frame | context)


@require_POST
@signed_in
def start(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Queue a run on the newest release and show its page."""
    project = access_project(request.user, slug, *STARTS_RUNS)
    try:
        run = start_reward_run(
            project=project,
            actor=request.user,
            now=timezone.now(),
            model=request.POST.get("model", "surface"),
        )
    except Refused as refusal:
        messages.error(request, refusal.detail)
        return redirect("project", slug=project.slug)
    return redirect("reward_run", slug=project.slug, run=run.pk)
