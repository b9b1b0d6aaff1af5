"""Pages on which a project is set up: a new one, what it asks, its guide and consent."""

import re

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotation.access import Role, access_project
from annotation.errors import Refused
from annotation.forms_setup import ProjectForm, ProtocolSetup, TextsForm, as_sent
from annotation.kinds import JudgmentKind, judgment_kinds
from annotation.models import Project, ProtocolVersion
from annotation.selectors import current_texts
from annotation.selectors_console import batches_asking, project_facts
from annotation.services.projects import create_project, publish_protocol, publish_texts
from annotation.views.console import console_context
from annotation.views.signed_in import SignedInRequest, signed_in

MORE_ROWS = "more"
"""Name of the button that asks for more rows and stores nothing."""
VERSION = re.compile(r"[0-9]{1,9}")


def kind_asked(request: SignedInRequest) -> JudgmentKind | None:
    """The kind in the address; None where there is none, or none such."""
    key = request.GET.get("kind", "")
    return judgment_kinds.get(key) if key in judgment_kinds else None


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def project_new(request: SignedInRequest) -> HttpResponseBase:
    """A kind is chosen first; then one form asks for all the rest."""
    if not request.user.can_create_projects:
        raise PermissionDenied("Your account may not create projects; ask the operator.")
    kind = kind_asked(request)
    kinds = [kind for _, kind in judgment_kinds]
    if kind is None:
        return render(request, "annotation/project_kind.html", {"kinds": kinds, "here": "projects"})
    form, setup = ProjectForm(), ProtocolSetup.of(kind)
    if request.method == "POST":
        form, setup = ProjectForm(request.POST), ProtocolSetup.sent(kind, request.POST)
        if MORE_ROWS in request.POST:
            form, setup = ProjectForm(initial=as_sent(form)), setup.with_more_rows()
        elif (project := made(request, form, setup)) is not None:
            messages.success(request, f"{project.name} is there. Add people, then import a batch.")
            return redirect("project", slug=project.slug)
    context = {"form": form, "setup": setup, "kind": kind, "here": "projects"}
    return render(request, "annotation/project_new.html", context, status=422 if form.is_bound else 200)


def made(request: SignedInRequest, form: ProjectForm, setup: ProtocolSetup) -> Project | None:
    """The new project; None, with the reasons in the forms, where it cannot be made."""
    is_form_valid = form.is_valid()
    if not setup.is_valid() or not is_form_valid:
        return None
    try:
        return create_project(
            actor=request.user, now=timezone.now(), protocol=setup.settings(), **form.cleaned_data
        )
    except Refused as refusal:
        if any(error.field.startswith("protocol") for error in refusal.errors):
            setup.refuse(refusal)
        else:
            form.refuse(refusal)
    return None


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def protocol(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """What is asked now, as a form; sent, it is the next version."""
    project = access_project(request.user, slug, Role.LEAD)
    current = project_facts(project).protocol
    kind = kind_asked(request) or judgment_kinds.get(current.kind)
    setup = ProtocolSetup.of(kind, kind.settings(current) if kind.key == current.kind else None)
    if request.method == "POST":
        setup = ProtocolSetup.sent(kind, request.POST)
        if MORE_ROWS in request.POST:
            setup = setup.with_more_rows()
        elif (published := published_protocol(request, project, setup)) is not None:
            messages.success(
                request,
                f"Version {published.number} is published. Batches that are imported from now on ask it.",
            )
            return redirect("protocol", slug=slug)
    context = console_context(request, project, "protocol") | {
        "setup": setup,
        "kind": kind,
        "kinds": [other for _, other in judgment_kinds],
        "current": current,
        "current_kind": judgment_kinds.get(current.kind),
        "batches": batches_asking(current),
    }
    status = 422 if setup.form.is_bound else 200
    return render(request, "annotation/protocol.html", context, status=status)


def published_protocol(
    request: SignedInRequest, project: Project, setup: ProtocolSetup
) -> ProtocolVersion | None:
    """The next version; None, with the reasons in the forms, where it cannot be published."""
    if not setup.is_valid():
        return None
    seen = request.POST.get("seen", "")
    try:
        return publish_protocol(
            project=project,
            actor=request.user,
            settings=setup.settings(),
            after=int(seen) if VERSION.fullmatch(seen) else 0,
            now=timezone.now(),
        )
    except Refused as refusal:
        setup.refuse(refusal)
    return None


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def texts(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Guide and consent. What was changed becomes the next version of it."""
    project = access_project(request.user, slug, Role.LEAD)
    current = current_texts(project)
    consent = current.consent.text if current.consent else ""
    form = TextsForm(initial={"guideline": current.guideline.text, "consent": consent})
    if request.method == "POST":
        form = TextsForm(request.POST)
        if form.is_valid():
            try:
                published = publish_texts(
                    project=project,
                    actor=request.user,
                    seen=request.POST.get("seen", ""),
                    now=timezone.now(),
                    **form.cleaned_data,
                )
                told = f"Published: {' and '.join(published)}." if published else "Nothing has changed."
                messages.success(request, told)
                return redirect("texts", slug=slug)
            except Refused as refusal:
                form.refuse(refusal)
    context = console_context(request, project, "texts") | {"form": form, "current": current}
    return render(request, "annotation/texts.html", context, status=422 if form.is_bound else 200)
