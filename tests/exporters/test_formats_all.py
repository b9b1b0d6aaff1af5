"""What holds of every export format there is; a new one is held to it by being registered."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import pyarrow.parquet as pq
import pytest

from annotation.models import Batch, Judgment
from annotation.services.judgments import Submission, correct_judgment, undo_judgment
from annotation.services.returning import sweep_leases
from annotation.services.voiding import void_judgment
from comparisons.erasure import erase_texts
from exporters.formats import export_formats
from tests.exporters.format_worlds import CUTTABLE, agreed, lease_in, some_answer, world_of_all_kinds
from tests.exporters.releases import contents, cut, lines_of
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = {"split": {"train": 1}, "formats": CUTTABLE, "labels": "every"}
TRAINED = [key for key in CUTTABLE if key != "judgments"]

Plant = Iterator[None]
"""Prepares up to its first step; what comes after it must change no file."""


def data_of(world: World) -> dict[str, list[bytes]]:
    """The data files of every format in a release of now."""
    release, job = cut(world, EVERYTHING)
    assert job.error is None, job.error
    found: dict[str, list[bytes]] = {key: [] for key in CUTTABLE}
    for name, data in sorted(contents(release).items()):
        if name.endswith((".jsonl.gz", ".parquet")):
            found[name.split("/")[0]].append(data)
    assert all(len(files) == 2 for files in found.values())
    return found


def judge(world: World, batch: Batch, **side: Any) -> Judgment:
    lease = lease_in(batch, agreed(world))
    outcome = world.submit(lease, some_answer(lease), **side)
    return Judgment.objects.get(pk=outcome.body["judgment"])


def late(world: World, batch: Batch) -> Plant:
    lease = lease_in(batch, agreed(world))
    sweep_leases(NOW + timedelta(hours=1))
    while batch.assignments.filter(item=lease.assignment.item, state="open").exists():
        judge(world, batch)
    yield
    outcome = world.submit(lease, some_answer(lease), after=3720, note="late")
    assert outcome.body["state"] == "late"


def void(world: World, batch: Batch) -> Plant:
    yield
    judgment = judge(world, batch)
    void_judgment(judgment=judgment, reason="Wrong.", actor=world.lead, now=NOW)


def withdrawn(world: World, batch: Batch) -> Plant:
    yield
    judgment = judge(world, batch)
    undo = undo_judgment(annotator=judgment.annotator, judgment=judgment)
    correct_judgment(
        annotator=judgment.annotator,
        judgment=judgment,
        submission=Submission(undo.submission_id, judgment.attempt, {"cannot_judge": "broken_prompt"}),
        now=NOW + timedelta(minutes=1),
    )


def unconsented(world: World, batch: Batch) -> Plant:
    yield
    judge(world, batch).annotator.consents.all().delete()


def erased(world: World, batch: Batch) -> Plant:
    yield
    if batch.protocol.kind in ("demonstration", "critique"):
        annotator = judge(world, batch).annotator
        assert erase_texts(annotator=annotator, actor=world.lead, now=NOW) == 1


@pytest.mark.parametrize("plant", [late, void, withdrawn, unconsented, erased])
def test_what_must_stay_out_changes_no_format(plant: Callable[[World, Batch], Plant]) -> None:
    world, batches = world_of_all_kinds(items=4)
    for batch in batches.values():
        judge(world, batch)
    planted = [plant(world, batch) for batch in batches.values()]
    for one in planted:
        next(one)
    before, judgments = data_of(world), Judgment.objects.count()
    for one in planted:
        assert next(one, None) is None
    assert Judgment.objects.count() > judgments
    after = data_of(world)
    assert [key for key in CUTTABLE if after[key] != before[key]] == []


def test_what_counts_changes_every_format() -> None:
    """The control: files that never change would pass the test above."""
    world, batches = world_of_all_kinds(items=2)
    for batch in batches.values():
        judge(world, batch)
    before = data_of(world)
    for batch in batches.values():
        judge(world, batch)
    after = data_of(world)
    assert [key for key in CUTTABLE if after[key] == before[key]] == []


def nulls_in(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(nulls_in, value.values()))
    if isinstance(value, list):
        return any(map(nulls_in, value))
    return value is None


def test_both_types_hold_the_same_in_every_format_and_trainers_meet_no_null() -> None:
    world, batches = world_of_all_kinds(items=2)
    for batch in batches.values():
        judge(world, batch)
        judge(world, batch)
    release, _ = cut(world, EVERYTHING)
    files = contents(release)
    for key in CUTTABLE:
        export_format = export_formats.get(key)
        table = pq.read_table(BytesIO(files[f"{key}/train-00000-of-00001.parquet"]))
        found = lines_of(files[f"{key}/train-00000-of-00001.jsonl.gz"])
        assert found, key
        assert table.to_pylist() == found, key
        assert list(export_format.columns) == table.column_names == list(found[0]), key
        assert not {"image", "images"} & set(table.column_names), key
        if key in TRAINED:
            assert not nulls_in(found), key
        card = files[f"{key}/README.md"].decode()
        assert all(f"- `{name}`: " in card for name in export_format.columns), key
        assert export_format.note in card


def test_cutting_twice_gives_the_same_bytes_in_every_format() -> None:
    world, batches = world_of_all_kinds(items=1)
    for batch in batches.values():
        judge(world, batch)
    first, _ = cut(world, EVERYTHING)
    second, _ = cut(world, EVERYTHING)
    assert contents(first) == contents(second)
