"""An annotator's own page of what they may say about themselves. Nobody else ever sees it."""

from django.contrib import messages
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.access import access_annotator
from annotation.errors import Refused
from annotation.forms_strata import AboutYouForm
from annotation.selectors_strata import own_strata, strata_asked
from annotation.services.strata import answer_strata
from annotation.views.said import said_refusal
from annotation.views.signed_in import SignedInRequest, signed_in

WITHDRAW = "withdraw"
"""Name of the button that takes every answer back."""


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def about_you(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The project's questions about its annotators, each of which may be left, and taken back later."""
    annotator = access_annotator(request.user, slug)
    questions, own = strata_asked(annotator.project), own_strata(annotator)
    form = AboutYouForm(questions=questions, own=own)
    if request.method == "POST":
        form = AboutYouForm(request.POST, questions=questions, own=own)
        is_withdrawn = WITHDRAW in request.POST
        if is_withdrawn or form.is_valid():
            options = dict.fromkeys(own) if is_withdrawn else form.options()
            try:
                answer_strata(annotator=annotator, options=options, actor=request.user, now=timezone.now())
                told = gettext("All your answers are deleted.") if is_withdrawn else gettext("Saved.")
                messages.success(request, told)
                return redirect("about_you", slug=slug)
            except Refused as refusal:
                form.refuse(said_refusal(refusal))
    context = {"asking": annotator.project, "form": form, "has_answers": bool(own), "here": "settings"}
    return render(request, "annotation/about_you.html", context, status=422 if form.is_bound else 200)
