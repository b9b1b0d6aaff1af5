"""Pages of the releases: list and form, one release with its card, and its files."""

import json
from itertools import pairwise
from typing import Any

import structlog
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotation.access import Role, access_project
from annotation.errors import Refused
from annotation.models import Project
from annotation.views.console import console_context
from annotation.views.signed_in import SignedInRequest, signed_in
from exporters.access import access_comparison, access_release, access_release_file
from exporters.card import settings_words
from exporters.card_labels import dropped_words
from exporters.compare import ROWS_SHOWN, comparison
from exporters.forms import ReleaseForm
from exporters.models import Release
from exporters.preview import preview_release
from exporters.selectors import card_of, failure_of, release_files, release_job, releases_of, sides_of
from exporters.sending import file_response
from exporters.services.releases import start_release

RELEASES_SHOWN = 50
log = structlog.get_logger()


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def releases(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The list, newest first, and below it the form; a POST cuts a release and leads to its page, or counts first."""
    project = access_project(request.user, slug, Role.ENGINEER)
    if request.method != "POST":
        return list_page(request, project, ReleaseForm(project=project))
    form = ReleaseForm(request.POST, project=project)
    if form.is_valid():
        try:
            if "preview" in request.POST:
                counts = preview_release(project, form.settings())
                return list_page(request, project, form, preview=counts)
            release, _ = start_release(
                project=project,
                actor=request.user,
                settings=form.settings(),
                version=form.cleaned_data["version"] or None,
                now=timezone.now(),
            )
            return redirect("release", slug=slug, version=release.version)
        except Refused as refusal:
            form.refuse(refusal)
    return list_page(request, project, form, status=422)


def list_page(
    request: SignedInRequest,
    project: Project,
    form: ReleaseForm,
    status: int = 200,
    preview: dict[str, Any] | None = None,
) -> HttpResponse:
    found = list(releases_of(project)[:RELEASES_SHOWN])
    frozen = [release for release in found if release.state == Release.State.FROZEN]
    earlier = {later.pk: release.version for later, release in pairwise(frozen)}
    context = console_context(request, project, "releases") | {
        "releases": [
            (release, settings_words(release.settings), earlier.get(release.pk)) for release in found
        ],
        "form": form,
        "more_open": form.has_any("since", "before", "min_agreement", "guideline_versions", "without_paused"),
        "debias_open": form.has_any("max_lean", "both_orders", "length_balanced"),
        "preview": preview,
        "dropped": dropped_words(preview["dropped_pairs"]) if preview else [],
    }
    return render(request, "exporters/releases.html", context, status=status)


@require_safe
@never_cache
@signed_in
def release(request: SignedInRequest, slug: str, version: str) -> HttpResponseBase:
    """One release: how far its cut is, why it failed, or its card and files."""
    found = access_release(request.user, slug, version)
    job = release_job(found)
    context = console_context(request, found.project, "releases") | {
        "release": found,
        "job": job,
        "percent": round(100 * job.progress) if job else 0,
        "failure": failure_of(found, job),
        "words": settings_words(found.settings),
    }
    if found.state == Release.State.FROZEN:
        context |= {
            "files": release_files(found),
            "splits": sides_of(found),
            "card": (card_of(found) or "").split("\n---\n", 1)[-1],
            "settings": json.dumps(found.settings, indent=2, sort_keys=True),
            "format": found.settings["formats"][0],
        }
    return render(request, "exporters/release.html", context)


@require_safe
@never_cache
@signed_in
def compare_releases(request: SignedInRequest, slug: str, version: str, other: str) -> HttpResponseBase:
    """What changed from the earlier of two releases to the later."""
    try:
        before, after = access_comparison(request.user, slug, version, other)
    except Refused as refusal:
        project = access_project(request.user, slug, Role.ENGINEER)
        context = console_context(request, project, "releases") | {"refusal": refusal.detail}
        return render(request, "exporters/compare.html", context, status=refusal.status)
    context = console_context(request, after.project, "releases") | {
        "before": before,
        "after": after,
        "found": comparison(before, after),
        "shown": ROWS_SHOWN,
    }
    return render(request, "exporters/compare.html", context)


@require_safe
@never_cache
@signed_in
def release_file(request: SignedInRequest, slug: str, version: str, name: str) -> HttpResponseBase:
    """The bytes of a file for a browser."""
    file = access_release_file(request.user, slug, version, name)
    if file.erased_at is not None:
        return render(request, "exporters/erased.html", {"file": file, "slug": slug}, status=410)
    log.info("release_file_sent", release=file.release_id, file=file.name, user=request.user.pk)
    return file_response(request, file)
