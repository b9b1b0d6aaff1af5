"""The message queue goes away, is emptied, and delivers twice. The jobs' rows know better."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from annotation import jobs
from annotation.jobs import Progress, enqueue_job, register_job, run_claimed
from annotation.models import Job
from annotation.runtime import roles
from tests.factories import NOW
from tests.faults.load import Load
from tests.faults.oracle import compare
from tests.faults.running import Running, seconds_since, state_of, through, wait_for, web_server
from tests.faults.scale import LONG, scaled
from tests.faults.wires import DatabaseWire

ANNOTATORS, OVERLAP = 6, 3
AWAY_SECONDS = scaled(2, 60)


def test_annotation_goes_on_without_the_queue_which_is_then_rebuilt(running: Running, tmp_path: Path) -> None:
    """One job is asked for while the queue cannot be reached, the message of another is flushed. No worker hears
    of either but by the sweep, which the short form makes due at once."""
    place = running.workplace(items=20_000 if LONG else 2000, overlap=OVERLAP, annotators=ANNOTATORS)
    log = tmp_path / "acknowledged"
    with (
        DatabaseWire(running.cluster.sockets / ".s.PGSQL.5432") as wire,
        web_server(running.var, BROKER_URL=through(running, wire, scheme="pgmq")) as address,
        Load(address, place, log) as load,
    ):
        load.wait_until(20)
        wire.go()
        before, start = len(load.acknowledged), time.monotonic()
        unsent = running.start_import(place.project, at=address, items=3, dry_run=True)
        asked = seconds_since(start)
        time.sleep(AWAY_SECONDS)
        load.wait_until(before + 1)
        meanwhile = len(load.acknowledged) - before
        wire.come_back()
        load.stop()
    lost = running.start_flushed_import(place.project, items=3, dry_run=True)
    states = {state_of(running, job) for job in (unsent, lost)}
    flushed = time.monotonic()
    if not LONG:
        running.sql("UPDATE annotation_job SET sent_at = sent_at - interval '1 hour' WHERE state = 'queued'")
    for job in (unsent, lost):
        running.finished(job)
    findings = compare(running.superuser_url, log, project=place.project)
    print(
        f"\n[queue away, flushed] away {AWAY_SECONDS} s: {meanwhile} acknowledged meanwhile, answers"
        f" {dict(load.statuses)}, {load.lost_answers} lost on the wire, a job asked for in {asked:.1f} s;"
        f" both jobs {states}, then done {seconds_since(flushed):.1f} s after the flush"
    )
    assert meanwhile > 0
    assert (load.refusals, load.lost_answers, set(load.statuses) - {200, 201}) == ([], 0, set())
    assert findings.is_clean


def test_a_queue_whose_schema_is_missing_is_noticed_by_nobody_but_the_operator(
    running: Running, tmp_path: Path
) -> None:
    """No message can be sent nor read until it is put back, as each start of the instance does."""
    place = running.workplace(items=2000, overlap=OVERLAP, annotators=ANNOTATORS)
    log = tmp_path / "acknowledged"
    with Load(running.url, place, log) as load:
        load.wait_until(20)
        running.sql("DROP SCHEMA pgmq CASCADE")
        try:
            before = len(load.acknowledged)
            job = running.start_import(place.project, items=3, dry_run=True)
            load.wait_until(before + 20)
            meanwhile = len(load.acknowledged) - before
        finally:
            roles.install_queue(running.owner_url, user=roles.APPLICATION)
            back = time.monotonic()
        load.stop()
    state = state_of(running, job)
    if not LONG:
        running.sql("UPDATE annotation_job SET sent_at = sent_at - interval '1 hour' WHERE id = %s", job)
    running.finished(job)
    findings = compare(running.superuser_url, log, project=place.project)
    print(
        f"\n[queue's schema missing] {meanwhile} acknowledged meanwhile, answers {dict(load.statuses)}, a job asked for"
        f" {state}, then done {seconds_since(back):.1f} s after the schema was back"
    )
    assert state == "queued"
    assert (load.refusals, load.lost_answers, set(load.statuses) - {200, 201}) == ([], 0, set())
    assert findings.is_clean


def test_a_message_that_comes_back_while_its_task_runs_does_nothing(running: Running) -> None:
    """As if the visibility timeout were shorter than the task: its message is made visible while it runs."""
    place = running.workplace(items=3, overlap=OVERLAP, annotators=1)
    items = 20
    with running.imports_held():
        job = running.start_import(place.project, items=items, overlap=OVERLAP)
        wait_for("running job", lambda: state_of(running, job) == "running")
        deliver_again(running, job)
        wait_for("end of the second delivery", lambda: is_message_gone(running, job))
        assert state_of(running, job) == "running", "the second delivery came and went while the first ran"
    running.finished(job)
    found = running.sql(
        "SELECT count(DISTINCT i.id), count(a.id) FROM annotation_item i"
        " JOIN annotation_batch b ON b.id = i.batch_id JOIN annotation_project p ON p.id = b.project_id"
        " LEFT JOIN annotation_assignment a ON a.item_id = i.id WHERE p.slug = %s AND b.number = 2",
        place.project,
    )[0]
    attempts = running.sql("SELECT attempts FROM annotation_job WHERE id = %s", job)[0][0]
    print(
        f"\n[task delivered twice] again while it ran, and acknowledged: {attempts} attempt,"
        f" (items, slots) {found} of {(items, items * OVERLAP)}"
    )
    assert (attempts, found) == (1, (items, items * OVERLAP))
    assert running.broken_invariants() == []


def deliver_again(running: Running, job: str) -> None:
    """Make the message of a running job visible to the other processes of the worker."""
    found = running.sql(
        "UPDATE pgmq.q_concord SET vt = clock_timestamp() WHERE message::text LIKE %s RETURNING msg_id",
        f"%{job}%",
    )
    assert found, "a message is kept until its task is done"


def is_message_gone(running: Running, job: str) -> bool:
    """The first run is held up and acknowledges nothing; so the second was delivered and had nothing to do."""
    return not running.sql("SELECT 1 FROM pgmq.q_concord WHERE message::text LIKE %s", f"%{job}%")


# The same within one process, so that there can be a twin without the compare-and-swap.

DELIVERIES, ROUNDS = 8, scaled(10, 500)
EFFECTS: list[str] = []


def effect(job: Job, progress: Progress) -> dict[str, Any]:
    EFFECTS.append(str(job.pk))
    time.sleep(0.01)
    return {}


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A kind of job that notes each time it is done."""
    monkeypatch.setattr(jobs.job_handlers, "_members", dict(jobs.job_handlers._members))
    register_job("effect", effect)
    EFFECTS.clear()
    return EFFECTS


def deliver_at_once() -> None:
    """One job, its message delivered to several workers at the same moment."""
    job = enqueue_job(kind="effect", key=str(time.monotonic_ns()), project=None, actor=None, now=NOW)
    start = threading.Barrier(DELIVERIES)

    def deliver() -> None:
        try:
            start.wait()
            run_claimed(str(job.pk), timezone.now())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(DELIVERIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_several_deliveries_at_once_have_one_effect(effects: list[str]) -> None:
    for _ in range(ROUNDS):
        deliver_at_once()
    print(
        f"\n[task delivered {DELIVERIES} times at once] {ROUNDS} jobs: {len(effects) - ROUNDS} double effects"
    )
    assert len(effects) == len(set(effects)) == ROUNDS


@pytest.mark.django_db(transaction=True)
def test_control_without_compare_and_swap_there_are_double_effects(
    effects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def claim_blindly(job_id: str, now: Any) -> Job | None:
        job = Job.objects.filter(pk=job_id, state=Job.State.QUEUED).first()
        if job is not None:
            job.state, job.attempts, job.heartbeat_at = Job.State.RUNNING, job.attempts + 1, now
            job.save(update_fields=["state", "attempts", "heartbeat_at"])
        return job

    monkeypatch.setattr(jobs, "claim_job", claim_blindly)
    for _ in range(10):
        deliver_at_once()
    print(
        f"\n[task delivered {DELIVERIES} times at once, control] 10 jobs: {len(effects) - 10} double effects"
    )
    assert len(effects) > 10
