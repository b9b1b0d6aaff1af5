"""The nightly check: a broken invariant is a failed job that names it, and an error in the log."""

import logging

import pytest
from django.utils import timezone

from annotation.audit import seal_audit
from annotation.config.celery import app
from annotation.jobs import run_claimed
from annotation.models import Job
from annotation.nightly import enqueue_check, last_verdict
from annotation.tasks import check_invariants
from tests.annotation.test_audit import with_triggers_off
from tests.factories import NOW, World, make_world


@pytest.fixture
def world(db: None) -> World:
    world = make_world()
    world.batch(items=1, overlap=1)
    world.judge(world.member())
    seal_audit()
    return world


def checked() -> Job:
    """The job after its run."""
    job = enqueue_check(NOW)
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    return job


def test_while_all_hold_the_job_succeeds(world: World) -> None:
    job = checked()
    assert (job.state, job.result, job.error) == ("succeeded", {"violations": 0, "details": []}, None)


def test_a_broken_invariant_fails_the_job_and_is_an_error_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with_triggers_off("DELETE FROM annotation_receipt")
    with_triggers_off("UPDATE annotation_auditevent SET action = 'nothing' WHERE chain_position = 2")
    job = checked()
    assert job.state == "failed"
    assert job.error is not None
    assert "I6, every judgment of a slot has the receipt that acknowledged it" in job.error["detail"]
    assert {"code": "I11", "detail": "the chain breaks at position 2"} in job.error["errors"]
    codes = [error["code"] for error in job.error["errors"]]
    assert codes.count("I6") == 1
    verdict = last_verdict()
    assert verdict == (len(codes), job.finished_at)
    (record,) = [record for record in caplog.records if "invariant_broken" in str(record.msg)]
    assert record.levelno == logging.ERROR
    assert record.msg["broken"]["I6"] == 1  # type: ignore[index]  # structlog's event


def test_a_lease_that_no_sweep_freed_is_a_violation(world: World) -> None:
    world.batch(items=1)
    world.lease(world.member())  # taken at NOW, long ago
    job = checked()
    assert job.error is not None
    assert [error["code"] for error in job.error["errors"]] == ["I7"]


@pytest.mark.django_db
def test_the_clock_queues_one_check_at_three_at_night() -> None:
    entry = app.conf.beat_schedule["check_invariants"]
    assert app.tasks[entry["task"]] is not None
    schedule = entry["schedule"]
    assert (schedule.hour, schedule.minute) == ({3}, {0})
    assert app.conf.timezone == "UTC"
    before = timezone.now()
    check_invariants()
    check_invariants()
    job = Job.objects.get(kind="check_invariants")
    assert job.state == "queued"
    assert job.created_at >= before
