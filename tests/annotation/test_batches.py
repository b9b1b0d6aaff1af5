"""A file becomes a batch: over the API, by the command, and through the job that does the work."""

import gzip
import io
import json
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from annotation.errors import Refused
from annotation.invariants import violations
from annotation.jobs import JobFailed, JobSuperseded, Progress, claim_job, run_claimed
from annotation.models import Assignment, AuditEvent, Batch, Completion, GoldAnswer, Item, Job
from annotation.services import import_job
from annotation.services.batches import close_batch, start_import
from annotation.services.import_job import fail_abandoned_imports
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db


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


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def api(world: World) -> Api:
    return Api(world.token(world.lead))


@pytest.fixture
def slug(world: World) -> str:
    return world.project.slug


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


# The job: twice, taken over, dead


def test_a_job_delivered_twice_imports_once(world: World) -> None:
    _, job = start(world)
    first = work_off(str(job.pk))
    second = work_off(str(job.pk))
    assert stored() == (3, 6, 9, 1)
    assert first.result == second.result


def test_a_worker_that_died_after_the_commit_leaves_its_result_to_the_next(world: World) -> None:
    _, job = start(world)
    claimed = claim_job(str(job.pk), NOW)
    assert claimed is not None
    result = import_job.run_import(claimed, lambda share: None)  # type: ignore[arg-type]
    Job.objects.filter(pk=job.pk).update(state="queued")  # what the sweep does with a dead worker's job
    finished = work_off(str(job.pk))
    assert (finished.state, finished.result) == ("succeeded", result)
    assert stored() == (3, 6, 9, 1)


def test_a_refusal_survives_a_dead_worker_too(world: World) -> None:
    _, job = start(world, BAD)
    claimed = claim_job(str(job.pk), NOW)
    assert claimed is not None
    with pytest.raises(JobFailed):
        import_job.run_import(claimed, lambda share: None)  # type: ignore[arg-type]
    Job.objects.filter(pk=job.pk).update(state="queued")
    finished = work_off(str(job.pk))
    assert finished.state == "failed" and finished.error is not None
    assert len(finished.error["errors"]) == 2


def test_a_worker_whose_job_was_taken_over_stores_nothing(world: World) -> None:
    batch, job = start(world)
    claimed = claim_job(str(job.pk), NOW)
    assert claimed is not None
    Job.objects.filter(pk=job.pk).update(attempts=2)
    with pytest.raises(JobSuperseded):
        import_job.run_import(claimed, lambda share: None)  # type: ignore[arg-type]
    assert stored() == (0, 0, 0, 0)
    batch.refresh_from_db()
    assert batch.state == "importing"


def test_an_import_whose_job_ended_without_it_is_given_up(world: World) -> None:
    batch, job = start(world)
    fail_abandoned_imports(NOW)
    batch.refresh_from_db()
    assert batch.state == "importing"
    Job.objects.filter(pk=job.pk).update(state="failed")
    fail_abandoned_imports(NOW + timedelta(seconds=60))
    batch.refresh_from_db()
    assert batch.state == "failed" and uploads() == []
    assert AuditEvent.objects.filter(action="batch.failed").count() == 1
    start(world)  # the file is free again


@pytest.mark.django_db(transaction=True)
def test_progress_is_seen_while_the_import_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_job, "REPORT_SECONDS", 0)
    monkeypatch.setattr(import_job, "CHUNK_ROWS", 5)
    seen: list[tuple[float, int]] = []
    report = Progress.__call__

    def watched(self: Progress, share: float) -> None:
        report(self, share)  # runs on a connection of its own, which sees only what is committed
        seen.append((Job.objects.get(pk=self.job.pk).progress, Item.objects.count()))

    monkeypatch.setattr(Progress, "__call__", watched)
    _, job = start(world, lines([row(number) for number in range(40)]))
    assert work_off(str(job.pk)).state == "succeeded"
    shares = [share for share, _ in seen]
    assert len(seen) == 80 and shares == sorted(shares) and shares[0] <= 0.5 < shares[-1] == 1.0
    assert {items for _, items in seen} == {0}  # all or nothing: none is visible before the end
    assert Item.objects.count() == 40


@pytest.mark.django_db(transaction=True)
def test_of_two_identical_uploads_at_once_one_gets_the_batch(world: World) -> None:
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def upload() -> None:
        try:
            barrier.wait()
            batch, _ = start(world)
            outcomes.append(f"batch {batch.number}")
        except Refused as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already_imported"] * 3 + ["batch 1"]
    assert Batch.objects.count() == 1 and len(uploads()) == 1


def test_the_constraint_decides_when_the_first_look_saw_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race itself, made certain: the look before storing finds nothing, the insert does."""
    from annotation.services import batches

    start(world)
    look, looks = batches._refuse_known_file, [0]

    def first_sees_nothing(*args: Any) -> None:
        looks[0] += 1
        if looks[0] > 1:
            look(*args)

    monkeypatch.setattr(batches, "_refuse_known_file", first_sees_nothing)
    with pytest.raises(Refused, match="imported as batch 1"):
        start(world)
    assert looks == [2] and Batch.objects.count() == 1 and len(uploads()) == 1


# The command


def run_command(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("import_batch", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_imports_and_says_so(slug: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD)
    out, err = run_command(slug, str(path), "--overlap", "2")
    assert out == f"batch 1 of {slug}: 3 items from 3 rows, 0 errors\n" and err == ""
    assert stored() == (3, 6, 6, 1)


def test_the_command_prints_each_error_and_fails(slug: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(BAD)
    err = io.StringIO()
    with pytest.raises(CommandError, match="2 errors in 4 rows"):
        call_command("import_batch", slug, str(path), stdout=io.StringIO(), stderr=err)
    assert err.getvalue().splitlines()[0] == (
        "line 2, prompt[0].content: a message of the prompt has no text (found ''); "
        "give its text, or leave the row out"
    )
    out, _ = run_command(slug, str(path), "--dry-run")
    assert out == "nothing stored (dry run): 2 items from 4 rows, 2 errors\n"


@pytest.mark.parametrize(
    ("project", "file", "by", "message"),
    [
        ("nowhere", "pairs.jsonl", "", "there is no project"),
        (None, "missing.jsonl", "", "No such file"),
        (None, "pairs.jsonl", "stranger@example.org", "not a lead"),
    ],
)
def test_the_command_says_what_is_missing(
    slug: str, tmp_path: Path, project: str | None, file: str, by: str, message: str
) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(GOOD)
    with pytest.raises(CommandError, match=message):
        run_command(project or slug, str(tmp_path / file), *(["--by", by] if by else []))


def test_closing_through_the_service_needs_an_open_batch(world: World) -> None:
    batch, _ = start(world)
    with pytest.raises(Refused, match="importing"):
        close_batch(batch=batch, actor=world.lead, now=NOW)
