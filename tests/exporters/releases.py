"""Helps of the release tests: a judged project, and a cut of it without a worker."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage

from annotation.jobs import run_claimed
from annotation.models import Job, Membership
from exporters.models import Release
from exporters.services.releases import start_release
from exporters.settings import release_settings
from tests.factories import NOW, World, make_world

PREFER_FIRST = -2
PREFER_SECOND = 2


def judge_item(world: World, annotator: Membership, preference: int, **side: Any) -> None:
    """Judge the next item with a signed preference in the stored order."""
    lease = world.lease(annotator)
    order = list(lease.display_order)
    if preference == 0:
        answer: dict[str, Any] = {"tie": "both_good"}
    else:
        better = 0 if preference < 0 else 1
        answer = {"preferred": "AB"[order.index(better)], "strength": abs(preference)}
    world.submit(lease, answer, **side)


def judged_world(preferences: Sequence[Sequence[int]], **fields: Any) -> World:
    """A pairwise project; `preferences[k]` are what annotator k thinks of items 1, 2, …"""
    world = make_world(**fields)
    world.batch(items=max(map(len, preferences)), overlap=len(preferences))
    for opinions in preferences:
        annotator = world.member()
        for preference in opinions:
            judge_item(world, annotator, preference)
    return world


def cut(
    world: World, body: Mapping[str, Any] | None = None, version: str | None = None
) -> tuple[Release, Job]:
    """Cut a release in this process, as a worker would; the job may have failed."""
    engineer = world.member("engineer").user
    release, job = start_release(
        project=world.project,
        actor=engineer,
        settings=release_settings(body or {}),
        version=version,
        now=NOW + timedelta(days=1),
    )
    run_claimed(str(job.pk), NOW + timedelta(days=1))
    release.refresh_from_db()
    job.refresh_from_db()
    return release, job


def contents(release: Release) -> dict[str, bytes]:
    """Every file of a release by name."""
    found = {}
    for file in release.files.all():
        with default_storage.open(file.storage_name, "rb") as stored:
            found[file.name] = stored.read()
    return found


def lines_of(data: bytes) -> list[dict[str, Any]]:
    """The records of a JSONL file."""
    return [json.loads(line) for line in gzip.decompress(data).split(b"\n") if line]
