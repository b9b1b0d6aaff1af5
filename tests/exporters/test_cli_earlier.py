"""Pulling a release from before: its JSONL is not compressed, and its settings and manifest know less."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pgtrigger
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from exporters.card import settings_words
from exporters.checksums import checksums
from exporters.compare import comparison
from exporters.models import Release, ReleaseFile
from tests.exporters.releases import cut, judged_world
from tests.exporters.test_cli import Concord, check_sums, concord, engineer, files_in, world
from tests.factories import World

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["concord", "engineer", "world"]
KEPT = ("filters", "labels", "ties", "split", "formats")
"""What settings had at first; of the filters and the split less."""


def rewritten(file: ReleaseFile, name: str, data: bytes) -> ReleaseFile:
    file.name, file.size, file.sha256 = name, len(data), hashlib.sha256(data).hexdigest()
    file.storage_name = default_storage.save(f"earlier/{name}", ContentFile(data))
    return file


def as_before(release: Release) -> None:
    """Make of a release what an earlier version would have frozen. Nothing of it may change, so triggers look away."""
    sums = None
    files = list(release.files.all())
    for file in files:
        with default_storage.open(file.storage_name, "rb") as stored:
            data = stored.read()
        if file.name.endswith(".jsonl.gz"):
            rewritten(file, file.name.removesuffix(".gz"), gzip.decompress(data))
        sums = file if file.path == "SHA256SUMS" else sums
    assert sums is not None
    listed = checksums((file.path, file.sha256) for file in files if file is not sums)
    rewritten(sums, "SHA256SUMS", listed.encode())
    settings = {name: release.settings[name] for name in KEPT}
    settings["filters"] = {"batches": [], "languages": [], "min_judgments": 1}
    del settings["split"]["clusters"]
    with pgtrigger.ignore():
        ReleaseFile.objects.bulk_update(files, ["name", "size", "sha256", "storage_name"])
        Release.objects.filter(pk=release.pk).update(settings=settings)
    release.refresh_from_db()


def test_plain_jsonl_of_an_earlier_release_is_pulled_and_checked(
    world: World, concord: Concord, tmp_path: Path
) -> None:
    release, _ = cut(world)
    as_before(release)
    done = concord("pull", world.project.slug, "--type", "jsonl", "--to", "data")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "data"
    names = files_in(folder)
    lines: list[dict[str, Any]] = [
        json.loads(line)
        for name in names
        if name.endswith(".jsonl")
        for line in (folder / name).read_text().splitlines()
    ]
    assert len(lines) == 6 and not [name for name in names if name.endswith((".gz", ".parquet"))]
    assert check_sums(folder) == len(names) - 2
    assert "path: train-*.jsonl*" in (folder / "README.md").read_text()


def test_an_earlier_release_is_listed_and_compared_by_what_its_settings_meant() -> None:
    world = judged_world([[-1, 1, -1]])
    before, _ = cut(world)
    as_before(before)
    after, _ = cut(world)
    assert settings_words(before.settings) == "majority, ties dropped, train 80 %, test 20 %"
    found = comparison(before, after)
    assert found["settings"] == [{"setting": "split.clusters", "before": "exact", "after": "near"}]
    assert found["rows"] == {"before": 3, "after": 3, "same": 3}
