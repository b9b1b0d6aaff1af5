"""A file of pairs on its way to a batch, over the API or past it, for tests of imports."""

import json
from collections.abc import Sequence
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotation.jobs import run_claimed
from annotation.models import Assignment, Batch, Completion, GoldAnswer, Item, Job
from annotation.services.batches import start_import
from tests.factories import NOW, World


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"row-{number}",
        "prompt": f"Question {number}?",
        "language": "en",
        "completions": [
            {"content": f"Yes {number}", "model": "m1", "settings": {"temperature": 0.7}},
            {"content": f"No {number}", "model": "m2"},
        ],
        "metadata": {"source": "test"},
    } | changes


def lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


GOOD = lines([row(1), row(2, gold={"preference": -2, "tolerance": 1, "why": "clear"}), row(3)])
BAD = lines([row(1), row(2, prompt=""), row(3, completions=[{"content": "one"}]), row(3)])


class Api:
    def __init__(self, token: str) -> None:
        self.client = Client()
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def push(self, slug: str, content: bytes = GOOD, *, key: str = "", **fields: Any) -> Any:
        data = {"file": SimpleUploadedFile("pairs.jsonl", content), "format": "jsonl"} | fields
        return self.client.post(
            f"/api/v1/projects/{slug}/batches",
            {name: value for name, value in data.items() if value is not ...},
            headers=self.headers | ({"Idempotency-Key": key} if key else {}),
        )

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers=self.headers)

    def close(self, slug: str, number: int) -> Any:
        return self.client.post(f"/api/v1/projects/{slug}/batches/{number}/close", headers=self.headers)


def work_off(job_id: str) -> Job:
    """Do what a worker does with this job."""
    run_claimed(job_id, NOW)
    return Job.objects.get(pk=job_id)


def uploads() -> list[str]:
    """Names of the stored uploads."""
    return default_storage.listdir("uploads")[1] if default_storage.exists("uploads") else []


def stored() -> tuple[int, ...]:
    """Rows in every table that an import writes."""
    return tuple(model.objects.count() for model in (Item, Completion, Assignment, GoldAnswer))


def start(world: World, content: bytes = GOOD, **changes: Any) -> tuple[Batch, Job]:
    batch, job = start_import(
        project=world.project,
        actor=world.lead,
        now=NOW,
        upload=ContentFile(content, name="pairs.jsonl"),
        **{"format": "jsonl", **changes},
    )
    assert batch is not None
    return batch, job
