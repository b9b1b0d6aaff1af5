"""Tables and logged conversations become batches, over the API, from the console and by the command."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from annotation.invariants import violations
from annotation.models import Batch, Item, Job
from tests.annotation.browsing import signed_in
from tests.annotation.uploading import Api, lines, row, start, stored, work_off
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

ROWS = [row(number) for number in (1, 2, 3)]


@pytest.fixture
def world() -> World:
    return make_world()


def flat(one: dict[str, Any]) -> dict[str, str]:
    completions = {
        f"{name}_{number}": text
        for number, completion in enumerate(one["completions"], start=1)
        for name, text in (("completion", completion["content"]), ("model", completion["model"]))
    }
    plain = {name: one[name] for name in ("id", "prompt", "language")}
    return plain | completions | {"metadata.source": one["metadata"]["source"]}


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(flat(ROWS[0])))
    table.writeheader()
    table.writerows(flat(one) for one in rows)
    return text.getvalue().encode("utf-8-sig")


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def as_chat(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(
        json.dumps(
            {
                "messages": [{"role": "user", "content": one["prompt"]}],
                "replies": one["completions"],
                **{name: one[name] for name in ("id", "language", "metadata")},
            }
        ).encode()
        + b"\n"
        for one in rows
    )


FILES = {"csv": as_csv, "parquet": as_parquet, "chat": as_chat}


@pytest.mark.parametrize("format", FILES)
def test_every_format_stores_the_same_items(world: World, format: str) -> None:
    api = Api(world.token(world.lead))
    body = api.push(world.project.slug, FILES[format](ROWS), format=format).json()
    job = work_off(body["job"])
    assert job.result == {"rows": 3, "items": 3, "error_count": 0, "errors": [], "batch": 1}
    assert stored() == (3, 6, 9, 0)
    assert Batch.objects.get().source_format == format
    other = make_world()
    _, job = start(other, lines(ROWS))
    work_off(str(job.pk))
    columns = ["number", "external_id", "prompt", "content_hash", "language", "metadata"]
    columns += ["completions__messages", "completions__model"]
    stored_here, stored_there = (
        list(project.items.order_by("number", "completions__position").values_list(*columns))
        for project in (world.project, other.project)
    )
    assert stored_here == stored_there and len(stored_here) == 6
    assert violations() == []


@pytest.mark.parametrize(("format", "line"), [("csv", 3), ("parquet", 2), ("chat", 2)])
def test_a_bad_row_refuses_the_file_or_is_left_out(world: World, format: str, line: int) -> None:
    content = FILES[format]([row(1), row(2, prompt=""), row(3)])
    _, job = start(world, content, format=format)
    job = work_off(str(job.pk))
    assert job.state == Job.State.FAILED and stored() == (0, 0, 0, 0)
    assert job.error is not None and [one["line"] for one in job.error["errors"]] == [line]
    _, job = start(world, content, format=format, skip_bad_rows=True)
    assert work_off(str(job.pk)).state == Job.State.SUCCEEDED
    assert list(Item.objects.order_by("number").values_list("external_id", flat=True)) == ["row-1", "row-3"]


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("csv", as_csv(ROWS) + b'row-4,"open'),
        ("csv", as_csv(ROWS) + "row-4,Straße,en,a,m,b,m,x\n".encode("latin-1")),
        ("parquet", as_parquet(ROWS)[:-9] + b"\xff" + as_parquet(ROWS)[-8:]),
    ],
)
def test_a_file_that_cannot_be_read_on_is_refused_whole(world: World, format: str, content: bytes) -> None:
    _, job = start(world, content, format=format, skip_bad_rows=True)
    assert work_off(str(job.pk)).state == Job.State.FAILED
    assert stored() == (0, 0, 0, 0)


def test_the_command_takes_them(world: World, tmp_path: Path) -> None:
    path, out, err = tmp_path / "pairs.csv", io.StringIO(), io.StringIO()
    path.write_bytes(as_csv(ROWS).replace(b"language", b"langage"))
    with pytest.raises(CommandError):
        call_command("import_batch", world.project.slug, str(path), format="csv", stdout=out, stderr=err)
    assert err.getvalue().startswith(
        "line 1, langage: this column is not known here; did you mean 'language'? (found 'langage'); use id, "
    )
    path.write_bytes(as_csv(ROWS))
    call_command("import_batch", world.project.slug, str(path), format="csv", stdout=out, stderr=err)
    assert out.getvalue() == f"batch 2 of {world.project.slug}: 3 items from 3 rows, 0 errors\n"


def test_the_form_offers_them_and_lets_their_files_be_chosen(world: World) -> None:
    page = signed_in(world.lead).get(f"/projects/{world.project.slug}/batches/new").content.decode()
    for format in FILES:
        assert f'name="format" value="{format}"' in page
    for suffix in (".jsonl", ".csv", ".parquet", ".gz"):
        assert suffix in page.split('accept="')[1].split('"')[0].split(",")
