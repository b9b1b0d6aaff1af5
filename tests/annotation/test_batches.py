"""A file becomes a batch: what is stored, what is refused, and who may."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from annotation.invariants import violations
from annotation.models import Assignment, AuditEvent, Batch, Completion, GoldAnswer, Item
from annotation.services import import_job
from tests.annotation.uploading import BAD, GOOD, Api, lines, row, start, stored, uploads, work_off
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def slug(world: World) -> str:
    return world.project.slug


@pytest.fixture
def api(world: World) -> Api:
    return Api(world.token(world.lead))


# A good file


def test_a_good_file_opens_a_batch_with_every_slot(api: Api, slug: str, world: World) -> None:
    answer = api.push(slug, name="First", priority=5, lease_seconds=600)
    assert answer.status_code == 202
    body = answer.json()
    assert set(body) == {"batch", "job"} and body["batch"] == 1
    assert stored() == (0, 0, 0, 0)
    assert api.get(f"/projects/{slug}/batches/1").json()["state"] == "importing"

    work_off(body["job"])
    job = api.get(f"/jobs/{body['job']}").json()
    assert (job["state"], job["progress"], job["error"]) == ("succeeded", 1.0, None)
    assert job["result"] == {"rows": 3, "items": 3, "error_count": 0, "errors": [], "batch": 1}
    batch = api.get(f"/projects/{slug}/batches/1").json()
    assert (batch["state"], batch["name"], batch["lease_seconds"]) == ("open", "First", 600)
    assert batch["counts"] == {"items": 3, "open": 9, "leased": 0, "submitted": 0, "void": 0, "late": 0}
    assert [one["number"] for one in api.get(f"/projects/{slug}/batches").json()["results"]] == [1]
    assert uploads() == []
    assert violations() == []


def test_every_column_arrives(world: World) -> None:
    batch, job = start(world, priority=-3, overlap=2)
    assert work_off(str(job.pk)).state == "succeeded"
    first, second, third = Item.objects.order_by("number")
    assert [item.number for item in (first, second, third)] == [1, 2, 3]
    assert (second.external_id, second.language, second.reference) == ("row-2", "en", None)
    assert (second.project_id, second.batch_id, second.target_overlap) == (world.project.pk, batch.pk, 2)
    assert second.prompt == [{"role": "user", "content": "Question 2?"}]
    assert second.metadata == {"source": "test"}
    assert len({first.content_hash, second.content_hash}) == 2 and len(second.prompt_hash) == 64
    one, two = second.completions.order_by("position")
    assert one.messages == [{"role": "assistant", "content": "Yes 2"}]
    assert (one.model, one.settings, one.position, one.source_line) == ("m1", {"temperature": 0.7}, 0, 2)
    assert (two.model, two.settings, two.position) == ("m2", {}, 1)
    gold = GoldAnswer.objects.get()
    assert (gold.item, gold.criterion.key) == (second, "overall")
    assert (gold.preference, gold.tolerance, gold.why) == (-2, 1, "clear")
    slots = Assignment.objects.filter(item=second).order_by("number")
    assert [
        (slot.number, slot.purpose, slot.state, slot.pool.batch.priority, slot.attempt) for slot in slots
    ] == [
        (1, "work", "open", -3, 0),
        (2, "work", "open", -3, 0),
    ]
    assert AuditEvent.objects.filter(object_type="batch").order_by("id").last().data == {  # type: ignore[union-attr]
        "number": 1,
        "items": 3,
        "errors": 0,
    }


def test_odd_text_is_the_same_in_the_database(world: World) -> None:
    text = 'tab\t newline\n backslash \\N \\. quote " \u202ebidi\u200b 🙂 \x01 é'
    _, job = start(
        world,
        lines([row(1, id=text.replace("\n", ""), prompt=text, metadata={text: [text, 9e18, 1e-300, 0.1]})]),
    )
    assert work_off(str(job.pk)).state == "succeeded"
    item = Item.objects.get()
    assert item.prompt == [{"role": "user", "content": text}]
    assert item.external_id == text.replace("\n", "")
    assert item.metadata == {text: [text, 9e18, 1e-300, 0.1]}


def test_chunks_are_stored_in_order_and_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_job, "CHUNK_ROWS", 7)
    _, job = start(world, lines([row(number) for number in range(1, 31)]))
    assert work_off(str(job.pk)).state == "succeeded"
    assert stored() == (30, 60, 90, 0)
    assert list(Item.objects.order_by("number").values_list("external_id", flat=True)) == [
        f"row-{number}" for number in range(1, 31)
    ]
    assert violations() == []


def test_an_imported_batch_can_be_judged(world: World) -> None:
    annotator = world.member()
    _, job = start(world)
    work_off(str(job.pk))
    assert world.judge(annotator).body["state"] == "accepted"
    assert violations() == []


def test_ranking_and_rating_take_other_numbers_of_completions() -> None:
    three = lines([row(1, completions=[{"content": text} for text in "abc"])])
    one = lines([row(1, completions=[{"content": "a"}])])
    ranking, rating = make_world({"kind": "ranking"}), make_world({"kind": "rating"})
    for world, content, good in ((ranking, three, True), (ranking, one, False), (rating, one, True)):
        _, job = start(world, content)
        assert work_off(str(job.pk)).state == ("succeeded" if good else "failed")


@pytest.mark.data
def test_all_real_transcripts_become_items_with_a_reference(world: World, shared_data: Path) -> None:
    content = (shared_data / "hh_harmless" / "test.jsonl.gz").read_bytes()
    _, job = start(world, content, format="hh")
    result = work_off(str(job.pk)).result
    assert result is not None and (result["items"], result["error_count"]) == (2312, 0)
    assert stored() == (2312, 4624, 6936, 0)
    assert Item.objects.filter(reference__in=[-1, 1]).count() == 2312


# A bad file


def test_a_bad_file_stores_nothing_and_names_every_line(api: Api, slug: str) -> None:
    body = api.push(slug, BAD).json()
    work_off(body["job"])
    job = api.get(f"/jobs/{body['job']}").json()
    assert (job["state"], job["result"]) == ("failed", None)
    assert job["error"]["detail"] == "The file has 2 errors in 4 rows, so nothing was stored."
    assert [(e["line"], e["field"], e["code"]) for e in job["error"]["errors"]] == [
        (2, "prompt[0].content", "empty_prompt"),
        (3, "completions", "completions_count"),
    ]
    assert all(error["detail"] and error["fix"] for error in job["error"]["errors"])
    assert stored() == (0, 0, 0, 0)
    assert api.get(f"/projects/{slug}/batches/1").json()["state"] == "failed"
    assert uploads() == []


def test_a_failed_file_may_be_sent_again(api: Api, slug: str) -> None:
    work_off(api.push(slug, BAD).json()["job"])
    again = api.push(slug, BAD, skip_bad_rows="true")
    assert (again.status_code, again.json()["batch"]) == (202, 2)


def test_bad_rows_can_be_skipped(api: Api, slug: str) -> None:
    body = api.push(slug, BAD, skip_bad_rows="true").json()
    job = work_off(body["job"])
    assert job.state == "succeeded" and job.result is not None
    assert (job.result["rows"], job.result["items"], job.result["error_count"]) == (4, 2, 2)
    assert [error["line"] for error in job.result["errors"]] == [2, 3]
    assert list(Item.objects.order_by("number").values_list("number", "external_id")) == [
        (1, "row-1"),
        (2, "row-3"),
    ]
    assert list(Completion.objects.filter(position=0).values_list("source_line", flat=True)) == [1, 4]
    assert violations() == []


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty_file"), (gzip.compress(GOOD)[:-9], "gzip_damaged"), (b"not json\n", "not_json")],
)
def test_skipping_rows_does_not_mend_a_file_without_good_rows_or_its_end(
    world: World, content: bytes, code: str
) -> None:
    _, job = start(world, content, skip_bad_rows=True)
    job = work_off(str(job.pk))
    assert job.state == "failed" and job.error is not None
    assert job.error["errors"][-1]["code"] == code
    assert stored() == (0, 0, 0, 0)


def test_at_most_two_hundred_errors_are_kept_and_all_are_counted(world: World) -> None:
    _, job = start(world, b"x\n" * 300, skip_bad_rows=False)
    error = work_off(str(job.pk)).error
    assert error is not None and len(error["errors"]) == 200
    assert "300 errors in 300 rows" in error["detail"]


def test_a_dry_run_reports_and_stores_nothing(api: Api, slug: str) -> None:
    answer = api.push(slug, BAD, dry_run="true")
    assert (answer.status_code, answer.json()["batch"]) == (202, None)
    job = work_off(answer.json()["job"])
    assert job.state == "succeeded" and job.result is not None
    assert (job.result["items"], job.result["error_count"]) == (2, 2)
    assert stored() == (0, 0, 0, 0) and not Batch.objects.exists() and uploads() == []
    assert api.push(slug, GOOD, dry_run="true").status_code == 202
    assert api.push(slug, GOOD).status_code == 202


# The same file again


def test_a_file_that_is_here_already_is_recognised(api: Api, slug: str) -> None:
    job = api.push(slug, name="First").json()["job"]
    early = api.push(slug)
    work_off(job)
    late = api.push(slug, name="Second")
    assert (early.status_code, late.status_code) == (409, 409)
    assert "is being imported as batch 1" in early.json()["detail"]
    assert late.json()["detail"] == "This file was already imported as batch 1 (First)."
    assert late.json()["errors"][0]["code"] == "already_imported"
    assert Batch.objects.count() == 1 and len(uploads()) == 0


def test_another_project_may_import_the_same_file(api: Api, slug: str, world: World) -> None:
    other = make_world()
    assert api.push(slug).status_code == 202
    assert Api(other.token(other.lead)).push(other.project.slug).status_code == 202


def test_an_idempotency_key_gives_the_same_batch_again(api: Api, slug: str) -> None:
    first, second = api.push(slug, key="k1"), api.push(slug, key="k1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert api.push(slug, BAD, key="k1").status_code == 409


# Who may, and what is refused at once


def test_only_a_lead_imports_and_closes_and_strangers_see_nothing(world: World, api: Api, slug: str) -> None:
    work_off(api.push(slug).json()["job"])
    stranger = Api(make_world().token(make_world().lead))
    for role in ("annotator", "reviewer", "engineer"):
        member = Api(world.token(world.member(role).user))
        assert member.push(slug, BAD).status_code == 403
        assert member.close(slug, 1).status_code == 403
        assert member.get(f"/projects/{slug}/batches/1").status_code == 200
    assert stranger.push(slug, BAD).status_code == 404
    assert stranger.close(slug, 1).status_code == 404
    assert stranger.get(f"/projects/{slug}/batches/1").status_code == 404
    assert stranger.get(f"/projects/{slug}/batches").status_code == 404
    assert Api("").push(slug, BAD).status_code == 401
    assert Api(world.token(world.lead, scopes=["read"])).push(slug, BAD).status_code == 403


def test_who_only_judges_is_not_told_of_tests_nor_of_the_source(world: World, slug: str) -> None:
    world.batch(gold_share=0.2, repeat_share=0.1)
    annotator = world.member()
    api = Api(world.token(annotator.user))
    secret = {"gold_share", "repeat_share", "file", "sha256"}

    def seen() -> list[set[str]]:
        page = api.get(f"/projects/{slug}/batches").json()
        return [set(page["results"][0]), set(api.get(f"/projects/{slug}/batches/1").json())]

    assert not any(keys & secret for keys in seen()) and all("counts" in keys for keys in seen())
    annotator.user.memberships.create(
        project=world.project, role="engineer", pseudonym="p-both", created_at=NOW
    )
    assert all(keys >= secret for keys in seen())
    assert api.get(f"/projects/{slug}/batches/2").status_code == 404
    assert Batch.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"file": ...}, "file"),
        ({"format": ...}, "format"),
        ({"format": "docx"}, "format"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"overlap": 0}, "overlap"),
        ({"overlap": 101}, "overlap"),
        ({"overlap": "many"}, "overlap"),
        ({"gold_share": 1}, "gold_share"),
        ({"gold_share": "nan"}, "gold_share"),
        ({"repeat_share": -0.1}, "repeat_share"),
        ({"priority": 2**31}, "priority"),
        ({"lease_seconds": 59}, "lease_seconds"),
        ({"overlaps": 3}, "overlaps"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(
    api: Api, slug: str, fields: dict[str, Any], field: str
) -> None:
    answer = api.push(slug, **fields)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Batch.objects.exists() and uploads() == []


def test_a_batch_is_named_after_its_file(api: Api, slug: str) -> None:
    api.push(slug)
    assert api.get(f"/projects/{slug}/batches/1").json()["name"] == "pairs.jsonl"


def test_an_upload_above_the_limit_is_refused(api: Api, slug: str, settings: Settings) -> None:
    settings.IMPORT_BYTES_MAX = len(GOOD) - 1
    answer = api.push(slug)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (413, "file_too_large")
    assert api.push(slug, b"x" * 100_000).status_code == 413  # by its length, before it is read
    assert not Batch.objects.exists() and uploads() == []


# Close


def test_a_closed_batch_stays_closed(api: Api, slug: str) -> None:
    job = api.push(slug).json()["job"]
    early = api.close(slug, 1)
    assert (early.status_code, early.json()["type"]) == (409, "urn:concord:batch_not_open")
    work_off(job)
    closed, again = api.close(slug, 1), api.close(slug, 1)
    assert (closed.status_code, again.status_code) == (200, 200)
    assert closed.json()["state"] == "closed" and closed.json() == again.json()
    assert AuditEvent.objects.filter(action="batch.closed").count() == 1
