"""The job behind an import, run twice, taken over and dead; and the command that starts one."""

import io
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from annotation.errors import Refused
from annotation.jobs import JobFailed, JobSuperseded, Progress, claim_job
from annotation.models import AuditEvent, Batch, Item, Job
from annotation.services import import_job
from annotation.services.batches import close_batch
from annotation.services.import_job import fail_abandoned_imports
from tests.annotation.uploading import BAD, GOOD, lines, row, start, stored, uploads, work_off
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def slug(world: World) -> str:
    return world.project.slug


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
