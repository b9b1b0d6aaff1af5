"""Where a release is made in pieces, the borders of the pieces show nowhere."""

import gzip
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.storage import default_storage
from hypothesis import given
from hypothesis import strategies as st

from annotation.ids import among
from annotation.jobs import JobCancelled, Progress, claim_job
from annotation.models import Item, Job
from exporters import clusters, content, files, groups, snapshot
from exporters.files import write_dataset
from exporters.formats.preference import preference
from exporters.models import Release, ReleaseFile, ReleaseRow
from exporters.prompts import Cluster, PromptHashes
from exporters.services import releases
from exporters.services.releases import cut_release, start_release
from exporters.settings import release_settings
from exporters.spill import Spill
from tests.exporters.releases import contents, cut, judged_world, lines_of
from tests.exporters.test_clusters import brute_force, oldest_of_clusters, varied
from tests.factories import NOW, World, make_world


class Entry(NamedTuple):
    name: str
    share: float | None
    ids: list[int]


entries = st.builds(
    Entry,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
)


@given(st.lists(st.lists(entries, max_size=4), max_size=5), st.integers(1, 6))
def test_spilled_rows_come_back_whatever_the_pieces_were(pieces: list[list[Entry]], size: int) -> None:
    rows: Spill[Entry] = Spill(Entry._make)
    expected: list[Entry] = []
    for piece in pieces:
        rows.extend(piece)
        expected += piece
        assert list(rows) == expected and len(rows) == len(expected)
    chunks = list(rows.chunks(size))
    assert [row for chunk in chunks for row in chunk] == expected
    assert all(len(chunk) == size for chunk in chunks[:-1]) and all(chunks)


def test_two_readers_of_spilled_rows_do_not_disturb_each_other() -> None:
    rows: Spill[Entry] = Spill(Entry._make)
    for number in range(4):
        rows.extend([Entry(str(number), None, []), Entry(f"{number}b", 0.5, [1])])
    assert list(zip(rows, rows, strict=True)) == [(row, row) for row in rows]


# Files


def record(number: int, words: str = "word") -> dict[str, Any]:
    said = [{"role": "assistant", "content": f"{words} {number}"}]
    texts = {"prompt": [], "chosen": said, "rejected": said}
    return {"id": str(number), "item": "", **texts, "soft_label": 0.75, "protocol": ""}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_a_file_holds_the_first_and_the_last_of_every_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Chunks of three; the two sides fill theirs at different times, and the third side is empty."""
    monkeypatch.setattr(files, "CHUNK", 3)
    data = [("train" if number % 3 else "test", record(number)) for number in range(count)]
    written = write_dataset(tmp_path, preference.schema, data, rows_per_shard=100)
    assert {file.split for file in written} == {side for side, _ in data}
    for file in written:
        expected = [made for side, made in data if side == file.split]
        assert file.rows == len(expected)
        path = tmp_path / file.path
        if file.type == "jsonl":
            assert lines_of(path.read_bytes()) == expected
        else:
            parquet = pq.ParquetFile(path)
            assert parquet.read().to_pylist() == expected
            sizes = [parquet.metadata.row_group(n).num_rows for n in range(parquet.num_row_groups)]
            assert sizes == [3] * (len(expected) // 3) + [len(expected) % 3] * bool(len(expected) % 3)


def test_long_records_are_written_before_a_chunk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 1000)
    data = [("train", record(number, "long " * 100)) for number in range(5)]
    write_dataset(tmp_path, preference.schema, data)
    parquet = pq.ParquetFile(tmp_path / "train-00000-of-00001.parquet")
    assert parquet.num_row_groups == 5
    assert parquet.read().to_pylist() == [made for _, made in data]


def test_compressed_lines_hold_no_time_and_no_name(tmp_path: Path) -> None:
    write_dataset(tmp_path, preference.schema, [("train", record(1))])
    data = (tmp_path / "train-00000-of-00001.jsonl.gz").read_bytes()
    # RFC 1952: magic, deflate, no flags (so no name), mtime 0, fastest level, unknown system.
    assert data[:10] == b"\x1f\x8b\x08\x00" + bytes(4) + b"\x04\xff"
    assert gzip.decompress(data).endswith(b'"protocol":""}\n')


@pytest.mark.parametrize("count", [1, 5])
def test_what_fails_in_a_thread_fails_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(files, "CHUNK", 2)
    data = [("train", record(number)) for number in range(count)] + [
        ("train", record(9) | {"id": ["no text"]})
    ]
    with pytest.raises(pa.ArrowInvalid):
        write_dataset(tmp_path, preference.schema, data)
    assert not list(tmp_path.glob("*.parquet"))


# Clusters and prompts


@pytest.mark.parametrize("words", [1, 40, 100])
def test_clusters_do_not_depend_on_what_is_hashed_together(
    monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    monkeypatch.setattr(clusters, "WORDS_AT_ONCE", words)
    monkeypatch.setattr(clusters, "WORDS_KEPT", 10)
    monkeypatch.setattr(clusters, "SHINGLES_AT_ONCE", 30)
    # Equal texts of one run each follow one another: the end of a set may equal the beginning of the next.
    texts = [*varied(3, 200), "a poem", "a poem", "a poem", "", ""]
    assert oldest_of_clusters(enumerate(texts)) == brute_force(texts)


def test_prompts_and_clusters_are_counted_by_the_whole_hash() -> None:
    """Hashes that differ in one byte, that of a text's end among them: an array of texts would lose a last zero."""
    one, other, third = "ab" * 31 + "00", "ab" * 31 + "01", "00" * 32
    seen = PromptHashes()
    assert seen.clusters() == (0, None) and seen.prompts("train") == 0
    for item, own in [(7, other), (5, one), (8, third), (9, third), (4, other)]:
        seen.add(item, own)
    sides = {other: "train", one: "train", third: "test"}
    decided = list(seen.decide({9: other, 4: one}, sides.__getitem__))
    assert decided == [(7, "train"), (5, "train"), (8, "test"), (9, "train"), (4, "train")]
    assert (seen.prompts("train"), seen.prompts("test")) == (3, 1)
    # Two are as large; the one that began earlier stands for them.
    assert seen.clusters() == (3, Cluster(first=7, items=2, prompts=2))


# Whole cuts


@pytest.fixture
def tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pieces of two everywhere: with three pairs to an item, rows of one item lie in several. And prompts are clustered
    by a process of their own."""
    with monkeypatch.context() as patch:
        patch.setattr(groups, "APART_FROM", 1)
        patch.setattr(snapshot, "ITEMS_AT_ONCE", 2)
        patch.setattr(content, "ROWS_AT_ONCE", 2)
        patch.setattr(content, "JUDGMENTS_AT_ONCE", 2)
        patch.setattr(releases, "ROWS_AT_ONCE", 2)
        yield


def ranked_world() -> World:
    world = make_world(protocol={"kind": "ranking", "overlap": 3})
    world.batch(items=5, completions=3)
    for _ in range(3):
        annotator = world.member()
        for _ in range(5):
            lease = world.lease(annotator)
            labels = dict(zip(lease.display_order, "ABC", strict=True))
            world.submit(lease, {"ranking": [[labels[0]], [labels[2]], [labels[1]]]})
    return world


def rows_of(release: Release) -> list[tuple[Any, ...]]:
    fields = [field.attname for field in ReleaseRow._meta.concrete_fields]
    return list(release.rows.order_by("number").values_list(*fields[2:]))


SEVERAL = {
    "formats": ["preference", "unpaired-preference", "messages", "rankings", "judgments"],
    "split": {"train": 0.5, "test": 0.5, "seed": 1},
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("labels", ["majority", "every"])
def test_pieces_of_two_give_the_bytes_of_one_piece(labels: str, request: pytest.FixtureRequest) -> None:
    world = ranked_world()
    whole, job = cut(world, SEVERAL | {"labels": labels})
    assert job.error is None and whole.rows.count() == {"majority": 15, "every": 45}[labels]
    request.getfixturevalue("tiny_chunks")
    pieces, _ = cut(world, SEVERAL | {"labels": labels})
    assert rows_of(pieces) == rows_of(whole)
    assert contents(pieces) == contents(whole)


@pytest.mark.django_db(transaction=True)
def test_rows_are_numbered_through_and_hold_what_the_files_hold(tiny_chunks: None) -> None:
    world = judged_world([[-2, 1, 3, -1, 2], [-1, 2, 1, -3, 1]])
    release, _ = cut(world, {"split": {"train": 1}})
    rows = list(release.rows.order_by("number").select_related("item", "chosen"))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert all(row.strength == 1.0 and len(row.judgment_ids) == 2 and not row.is_tie for row in rows)
    table = pq.read_table(BytesIO(contents(release)["train-00000-of-00001.parquet"])).to_pylist()
    assert [(row.item.external_id, row.chosen.messages) for row in rows] == [
        (record["item"], record["chosen"]) for record in table
    ]


@pytest.mark.django_db(transaction=True)
def test_a_cut_that_is_cancelled_at_the_last_moment_leaves_nothing(tiny_chunks: None) -> None:
    """The wish comes when all rows have been copied and every file has been stored."""
    world = judged_world([[-2, 1, 3, -1, 2]])
    release, queued = start_release(
        project=world.project, actor=world.lead, settings=release_settings({}), now=NOW
    )
    job = claim_job(str(queued.pk), NOW)
    assert job is not None
    copied = 0

    def cancel_after_the_rows() -> None:
        nonlocal copied
        copied = ReleaseRow.objects.count()
        if copied == 5:
            Job.objects.filter(pk=job.pk).update(cancel_wanted_at=NOW)

    with pytest.raises(JobCancelled):
        cut_release(job, Progress(job, cancel_after_the_rows))
    assert copied == 5
    assert ReleaseRow.objects.count() == ReleaseFile.objects.count() == 0
    folder = f"releases/{world.project.pk}/{release.pk}/{job.attempts}/preference"
    assert default_storage.exists(folder) and default_storage.listdir(folder) == ([], [])
    release.refresh_from_db()
    assert release.state == Release.State.BUILDING


@pytest.mark.django_db
def test_among_takes_any_number_of_ids() -> None:
    world = make_world()
    world.batch(items=3)
    first, *_, last = Item.objects.order_by("pk").values_list("pk", flat=True)
    found = Item.objects.filter(among("pk", {first, last, 0})).values_list("pk", flat=True)
    assert sorted(found) == [first, last]
    assert not Item.objects.filter(among("pk", [])).exists()
