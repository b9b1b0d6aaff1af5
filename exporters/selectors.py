"""Reads of releases: lists, files and the manifest."""

from typing import Any

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from annotation.models import Job, Project
from exporters.models import Release, ReleaseFile, Webhook, WebhookDelivery
from exporters.services.releases import JOB_KIND
from exporters.settings import SPLITS

DELIVERIES_SHOWN = 25


def webhooks_of(project: Project) -> QuerySet[Webhook]:
    """Those that were not removed, oldest first."""
    return project.webhooks.filter(removed_at=None).select_related("created_by").order_by("pk")


def last_deliveries(project: Project) -> QuerySet[WebhookDelivery]:
    """The newest first, also of webhooks that were removed."""
    found = WebhookDelivery.objects.filter(webhook__project=project).select_related("webhook")
    return found.order_by("-created_at", "-pk")[:DELIVERIES_SHOWN]


def latest_release(project: Project) -> Release | None:
    """The newest frozen release."""
    return project.releases.filter(state=Release.State.FROZEN).order_by("-number").first()


def releases_of(project: Project) -> QuerySet[Release]:
    """All releases, newest first."""
    return project.releases.select_related("created_by").order_by("-number")


def sides_of(release: Release) -> list[tuple[str, dict[str, int]]]:
    """(side, {"rows", "prompts"}) of a frozen release, training first; the database keeps no order of keys."""
    return [(side, release.manifest["splits"][side]) for side in SPLITS if side in release.manifest["splits"]]


def release_job(release: Release) -> Job | None:
    """The job that cuts or cut the release."""
    return Job.objects.filter(kind=JOB_KIND, key=str(release.pk)).order_by("-created_at").first()


def failure_of(release: Release, job: Job | None) -> str | None:
    """Why a release failed, in a sentence; None when it did not."""
    if release.state != Release.State.FAILED:
        return None
    return str(((job and job.error) or {}).get("detail") or "The job ended without a result.")


def release_files(release: Release) -> list[ReleaseFile]:
    """Data by format and side, then the texts; the order in which a person would look for them."""
    files = release.files.select_related("successor")
    return sorted(files, key=lambda file: (file.format, not file.split, file.type, file.name))


def card_of(release: Release) -> str | None:
    """The dataset card (markdown with front matter) of the release's first format; None when it was erased."""
    first = release.settings["formats"][0]
    card = next((f for f in release.files.filter(format=first) if f.path == "README.md"), None)
    if card is None or card.erased_at is not None:
        return None
    with default_storage.open(card.storage_name, "rb") as file:
        return str(file.read().decode())


def release_json(release: Release) -> dict[str, Any]:
    """A release as one entry of a list."""
    return {
        "release": release.version,
        "version": release.version,
        "state": release.state,
        "rows": release.manifest.get("rows", 0),
        "judgments": release.judgments,
        "settings": release.settings,
        "created_at": release.created_at,
        "frozen_at": release.frozen_at,
    }


def manifest_json(release: Release, files_url: str) -> dict[str, Any]:
    """All there is to know of a release: its state, and once it is frozen its facts, files and card.

    `files_url` is the address of its files, ending with a slash.
    """
    job = release_job(release)
    body = release_json(release) | {
        "project": release.project.slug,
        "job": str(job.pk) if job else None,
        "error": failure_of(release, job),
        "files": [],
        "splits": {},
        "card": None,
        "audit_head": None,
    }
    if release.state != Release.State.FROZEN:
        return body
    facts: dict[str, Any] = release.manifest
    return (
        facts
        | body
        | {
            "splits": dict(sides_of(release)),
            "audit_head": {"position": release.audit_position, "hash": bytes(release.audit_hash).hex()},
            "card": card_of(release),
            "files": [
                {
                    "name": file.name,
                    "path": file.path,
                    "format": file.format,
                    "type": file.type,
                    "bytes": file.size,
                    "sha256": file.sha256,
                    "url": f"{files_url}{file.name}",
                    "erased": file.erased_at is not None,
                }
                | ({"split": file.split, "rows": file.rows} if file.split else {})
                for file in release_files(release)
            ],
        }
    )
