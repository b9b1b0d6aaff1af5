"""The jobs of a project: what waits, runs and failed, with the traceback for the lead; stop one, try one again."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from annotation.access import Role, access_job, access_project, roles_in
from annotation.errors import Refused
from annotation.models import Job, User
from annotation.services.jobs import cancel_job, retry_job
from annotation.views.console import console_context
from annotation.views.signed_in import SignedInRequest, signed_in

JOBS_A_PAGE = 25
FAILED = "failed"


@require_safe
@never_cache
@signed_in
def jobs(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The project's jobs, newest first, or those that wait for a decision of the lead."""
    found = access_project(request.user, slug, Role.LEAD)
    dead = found.jobs.filter(is_dead_letter=True)
    is_filtered = request.GET.get("show") == FAILED
    rows = (dead if is_filtered else found.jobs.all()).select_related("created_by")
    page = Paginator(rows.order_by("-created_at", "-pk"), JOBS_A_PAGE).get_page(request.GET.get("page"))
    context = console_context(request, found, "jobs") | {
        "page": page,
        "dead": page.paginator.count if is_filtered else dead.count(),
        "is_filtered": is_filtered,
        "rows": [(job, job.kind.replace("_", " ").capitalize(), round(100 * job.progress)) for job in page],
    }
    return render(request, "annotation/jobs.html", context)


@require_POST
@signed_in
def job_cancel(request: SignedInRequest, job_id: UUID) -> HttpResponseBase:
    job = access_job(request.user, job_id)

    def cancel() -> str:
        cancelled = cancel_job(job=job, actor=request.user, now=timezone.now())
        if cancelled.state == Job.State.CANCELLED:
            return "Cancelled."
        return "It stops at its next step; what it has not stored by then is not stored."

    return answer(request, job, cancel)


@require_POST
@signed_in
def job_retry(request: SignedInRequest, job_id: UUID) -> HttpResponseBase:
    job = access_job(request.user, job_id)

    def retry() -> str:
        retry_job(job=job, actor=request.user, now=timezone.now())
        return "It waits for a worker again."

    return answer(request, job, retry)


def answer(request: SignedInRequest, job: Job, change: Callable[[], str]) -> HttpResponseRedirect:
    """Make the change, say what came of it, and go back to where the person may look."""
    try:
        messages.success(request, change())
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return back(request.user, job)


def back(user: User, job: Job) -> HttpResponseRedirect:
    if job.project is not None and Role.LEAD in roles_in(user, job.project):
        return redirect("jobs", slug=job.project.slug)
    return redirect("job", job_id=job.pk)
