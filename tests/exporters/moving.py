"""Judgments on their way from one project into another, for tests: release, import, release again."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

from annotation.models import Batch, Job
from annotation.services.projects import create_project
from tests.annotation.uploading import start, work_off
from tests.exporters.releases import contents, cut
from tests.factories import NOW, World

WHOLE = {"split": {"train": 1}, "formats": ["judgments"]}
JSONL = "train-00000-of-00001.jsonl.gz"


def released(world: World) -> bytes:
    """The JSONL file of a release of every judgment."""
    release, job = cut(world, WHOLE)
    assert job.error is None, job.error
    return gzip.decompress(contents(release)[JSONL])


def rows_of(file: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.split(b"\n") if line]


def file_of(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows
    )


def taken_in(world: World, file: bytes, **fields: Any) -> tuple[Batch, Job]:
    """Import a file of judgments as a worker does; the job may have failed."""
    batch, job = start(world, file, format="judgments", **fields)
    job = work_off(str(job.pk))
    batch.refresh_from_db()
    return batch, job


def another_project(world: World, protocol: Mapping[str, Any], **fields: Any) -> World:
    """A second project of the same lead."""
    project = create_project(
        actor=world.lead,
        now=NOW,
        slug=f"{world.project.slug}-copy",
        name="Copy",
        protocol=protocol,
        seed=7,
        **fields,
    )
    return World(project=project, lead=world.lead)
