"""croissant.json and DATASHEET.md beside the card: read by MLCommons' own package, true to the files."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import mlcroissant
import pyarrow.parquet as pq
import pytest

from exporters.croissant import croissant_for
from exporters.datasheet import ANSWERS, NOT_STATED, SECTIONS
from exporters.formats import export_formats
from exporters.models import Release
from tests.exporters.releases import contents, cut, judge_item, judged_world
from tests.factories import World

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib", "ignore::DeprecationWarning:mlcroissant"),
]

DEEP = {"rankings", "judgments", "argilla", "openai"}
"""Formats with parts of parts, whose rows mlcroissant 1.1 cannot read."""
FITTING = [
    "preference",
    "preference-implicit",
    "reward",
    "unpaired-preference",
    "prompt-only",
    "judgments",
    "argilla",
    "openai",
]
BOTH_SIDES = {"split": {"train": 0.5, "test": 0.5}}


@pytest.fixture
def world() -> World:
    return judged_world([[-2, 2, 1, 1, -1, 2, 1, -1]])


def write(folder: Path, release: Release, key: str = "") -> Path:
    """The files of one format of `release` in a folder; returns its croissant.json."""
    for name, data in contents(release).items():
        if name.startswith(f"{key}/" if key else ""):
            (folder / name.rsplit("/", 1)[-1]).write_bytes(data)
    return folder / "croissant.json"


def plain(value: Any) -> Any:
    """A value as mlcroissant gives it, its texts as text and its parts without the names of the whole."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {name.rsplit("/", 1)[-1]: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def test_every_format_that_can_be_cut_passes_the_check_of_mlcommons(world: World, tmp_path: Path) -> None:
    release, job = cut(world, {"formats": FITTING} | BOTH_SIDES)
    assert release.state == "frozen", job.error
    for key in FITTING:
        folder = tmp_path / key
        folder.mkdir()
        metadata = mlcroissant.Dataset(jsonld=write(folder, release, key)).metadata
        assert not metadata.ctx.issues.errors
        # What a release cannot know; anything else that is amiss would be a further warning.
        missing = {re.search(r"/(\w+)\"", issue)[1] for issue in metadata.ctx.issues.warnings}  # type: ignore[index]
        assert missing == {"citeAs", "datePublished", "license", "version"}
        described = {record.id: {field.name for field in record.fields} for record in metadata.record_sets}
        assert described[key] == {f.name for f in export_formats.get(key).schema} | {"split"}


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("key", ["preference", "unpaired-preference"])
def test_rows_read_through_croissant_are_the_rows_of_the_files(
    world: World, tmp_path: Path, key: str, kind: str
) -> None:
    release, _ = cut(world, {"formats": [key]} | BOTH_SIDES)
    described = write(tmp_path, release)
    assert key not in DEEP
    if kind == "jsonl":
        described.write_text(croissant_for(described.read_text(), "jsonl"))
        expected = [
            json.loads(line) | {"split": path.name.split("-")[0]}
            for path in sorted(tmp_path.glob("*.jsonl.gz"))
            for line in gzip.decompress(path.read_bytes()).decode().splitlines()
        ]
        for path in tmp_path.glob("*.parquet"):
            path.unlink()
    else:
        expected = [
            row | {"split": path.name.split("-")[0]}
            for path in sorted(tmp_path.glob("*.parquet"))
            for row in pq.read_table(path).to_pylist()
        ]
    assert {row["split"] for row in expected} == {"train", "test"}
    read = [plain(record) for record in mlcroissant.Dataset(jsonld=described).records(key)]
    order = ("split", "id")
    assert sorted(read, key=lambda row: [row[name] for name in order]) == sorted(
        expected, key=lambda row: [row[name] for name in order]
    )


def test_each_file_is_listed_with_its_hash_and_size(world: World) -> None:
    release, _ = cut(world, BOTH_SIDES)
    files = contents(release)
    body = json.loads(files["croissant.json"])
    objects = {node["@id"]: node for node in body["distribution"] if node["@type"] == "cr:FileObject"}
    assert set(objects) == {name for name in files if name.endswith(("parquet", "jsonl.gz"))}
    for name, node in objects.items():
        assert node["sha256"] == hashlib.sha256(files[name]).hexdigest()
        assert node["contentSize"] == f"{len(files[name])} B"
    assert body["recordSet"][0]["data"] == [{"splits/name": "train"}, {"splits/name": "test"}]
    sums = files["SHA256SUMS"].decode()
    listed = [entry["path"] for entry in json.loads(files["manifest.json"])["files"]]
    for name in ("croissant.json", "DATASHEET.md"):
        assert f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" in sums
        assert name in listed


def test_a_second_cut_gives_the_same_bytes(world: World) -> None:
    first, _ = cut(world, BOTH_SIDES, version="spring")
    second, _ = cut(world, BOTH_SIDES)
    assert contents(first) == contents(second)
    assert "spring" not in contents(first)["DATASHEET.md"].decode()


def test_the_datasheet_asks_everything_and_claims_only_what_is_known(world: World) -> None:
    world.project.description = "To learn what people like."
    world.project.save(update_fields=["description"])
    release, _ = cut(world, BOTH_SIDES)
    sheet = contents(release)["DATASHEET.md"].decode()
    # 57 questions: 4, 16, 12, 4, 6, 7 and 8 in the seven sections of the paper, the last in each for comments.
    assert [len(questions) for questions in SECTIONS.values()] == [4, 16, 12, 4, 6, 7, 8]
    assert all(questions[-1] == "Any other comments?" for questions in SECTIONS.values())
    asked = [question for questions in SECTIONS.values() for question in questions]
    assert set(ANSWERS) <= set(asked)
    answers = re.split(r"^### ", sheet, flags=re.M)[1:]
    assert [answer.split("\n", 1)[0] for answer in answers] == asked
    answered = {answer.split("\n", 1)[0]: answer.split("\n", 2)[2] for answer in answers}
    assert answered["For what purpose was the dataset created?"].startswith("To learn what people like.\n")
    for question in asked:
        is_open = answered[question].split("\n\n## ")[0].strip() == NOT_STATED
        # What was simulated and the licence are told where there is something to tell.
        is_silent = question in (SECTIONS["Uses"][4], SECTIONS["Distribution"][3])
        assert is_open == (question not in ANSWERS or is_silent)
    assert "8 preference pairs over 8 items, from 8 judgments of 1 annotator." in sheet
    assert "| train | " in sheet


def test_what_was_simulated_is_told(world: World) -> None:
    world.batch(items=1, overlap=1)
    judge_item(world, world.member(is_simulated=True), 1)
    release, _ = cut(world, {"split": {"train": 1}})
    sheet = contents(release)["DATASHEET.md"].decode()
    assert "2 annotators. 1 of the judgments were simulated by a program." in sheet
    assert "must not be reported as human preference" in sheet
    assert (
        "**1 of these judgments were simulated**"
        in json.loads(contents(release)["croissant.json"])["description"]
    )
