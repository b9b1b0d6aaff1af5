"""The questions that a project asks its annotators about themselves, for its leads. No answer is on these pages."""

from django.contrib import messages
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from annotation.access import Role, access_project, access_stratum
from annotation.errors import Refused
from annotation.forms_strata import StratumForm
from annotation.selectors_strata import strata_asked
from annotation.services.strata import QUESTIONS_MAX, ask_stratum, drop_stratum
from annotation.views.console import console_context
from annotation.views.signed_in import SignedInRequest, signed_in


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def strata_questions(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """What is asked, and a form for one question more."""
    project = access_project(request.user, slug, Role.LEAD)
    form = StratumForm()
    if request.method == "POST":
        form = StratumForm(request.POST)
        if form.is_valid():
            try:
                question = ask_stratum(
                    project=project, actor=request.user, now=timezone.now(), **form.cleaned_data
                )
                messages.success(request, f"“{question.name}” is asked from now on, of whoever wants to say.")
                return redirect("strata_questions", slug=slug)
            except Refused as refusal:
                form.refuse(refusal)
    context = console_context(request, project, "strata") | {
        "form": form,
        "questions": strata_asked(project),
        "most": QUESTIONS_MAX,
    }
    return render(request, "annotation/strata_questions.html", context, status=422 if form.is_bound else 200)


@require_POST
@signed_in
def stratum_drop(request: SignedInRequest, slug: str, pk: int) -> HttpResponseBase:
    """Delete a question with every answer to it."""
    question = access_stratum(request.user, slug, pk)
    drop_stratum(question=question, actor=request.user, now=timezone.now())
    messages.success(request, f"“{question.name}” and all answers to it are deleted.")
    return redirect("strata_questions", slug=slug)
