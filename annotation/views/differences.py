"""The differences between two responses, for whoever holds the item now."""

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from annotation.access import access_lease
from annotation.kinds import Screen
from annotation.models import ViewUse
from annotation.rendering import is_comparable, marked_differences
from annotation.selectors import screen_of
from annotation.services.leases import held_leases, needs_consent
from annotation.services.reports import note_view
from annotation.views.signed_in import SignedInRequest, signed_in


def plain_texts(screen: Screen) -> dict[str, str]:
    """Label → everything the response says; the turns of a conversation under their roles."""
    return {
        label: completion.messages[0]["content"]
        if len(completion.messages) == 1
        else "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in completion.messages)
        for label, completion in screen.by_label.items()
    }


def has_differences(screen: Screen) -> bool:
    """Whether the view is offered: for two responses that have most words in common."""
    if screen.protocol.kind != "pairwise" or len(screen.completions) != 2:
        return False
    return is_comparable(*plain_texts(screen).values())


@require_POST
@never_cache
@signed_in
def differences(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """Both texts with their differences marked. A POST, because it keeps that the person looked.

    404 where the view is not offered, 409 where the item is not theirs to judge now.
    """
    lease = access_lease(request.user, pk)
    now = timezone.now()
    if lease not in held_leases(lease.annotator, now) or needs_consent(lease.annotator):
        return HttpResponse(status=409)
    screen = screen_of(lease.assignment, lease.display_order)
    if not has_differences(screen):
        raise Http404("this item has no view of differences")
    note_view(lease=lease, view=ViewUse.View.DIFFERENCES, now=now)
    texts = plain_texts(screen)
    marked = zip(texts, marked_differences(*texts.values()), strict=True)
    response: HttpResponse = render(request, "annotation/differences.html", {"marked": list(marked)})
    return response
