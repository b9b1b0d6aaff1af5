"""While somebody writes: their draft is kept, and the page is shown again as typed."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_POST

from annotation.access import access_judgment, access_lease
from annotation.errors import Refused
from annotation.services.drafts import save_draft
from annotation.views.signed_in import SignedInRequest
from annotation.views.task import as_typed, correction_page, judging, leased_page
from annotation.views.task_page import render_task


@require_POST
@judging
def draft(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """204 with the time in `X-Draft-Saved`; a browser stays on the page. A refusal is one sentence of plain text."""
    lease = access_lease(request.user, pk)
    try:
        saved = save_draft(lease=lease, fields=dict(request.POST.lists()), now=timezone.now())
    except Refused as refusal:
        return HttpResponse(refusal.detail, status=refusal.status, content_type="text/plain; charset=utf-8")
    return HttpResponse(status=204, headers={"X-Draft-Saved": saved.saved_at.isoformat()})


@require_POST
@judging
def preview(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """The item as typed so far, with what the kind shows of it (the changes of a revision). Stores nothing."""
    lease = access_lease(request.user, pk)
    return render_task(request, as_typed(request, leased_page(lease)))


@require_POST
@judging
def correction_preview(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """As `preview`, while an earlier answer is being changed."""
    judgment = access_judgment(request.user, pk)
    return render_task(request, as_typed(request, correction_page(request, judgment)))
