"""SIGKILL of web server and worker: effects happen once, and the supervisor brings everything back."""

import random
import time
from functools import partial
from pathlib import Path

from tests.faults.load import Load
from tests.faults.oracle import compare
from tests.faults.running import Running, kill, seconds_since, state_of, wait_for
from tests.faults.scale import scaled

ANNOTATORS, OVERLAP = 12, 3
WEB_KILLS, WORKER_KILLS, JOBS = scaled(3, 30), scaled(2, 15), scaled(2, 5)
PER_KILL = scaled(40, 100)
RECOVERY_SECONDS = 60.0
SAVED_SECONDS = scaled(28, 0)
SWEEP_SECONDS, CENTURY_SECONDS = 10.0, 3.2e9
IMPORTED = scaled(500, 3000)


def test_web_and_worker_die_while_people_submit(running: Running, tmp_path: Path) -> None:
    place = running.workplace(items=scaled(2000, 20_000), overlap=OVERLAP, annotators=ANNOTATORS)
    log, draw, web, worker = tmp_path / "acknowledged", random.Random(5), list[float](), list[float]()
    kinds = ["web"] * WEB_KILLS + ["worker"] * WORKER_KILLS
    draw.shuffle(kinds)
    with Load(running.url, place, log) as load:
        for kind in kinds:
            load.wait_until(len(load.acknowledged) + PER_KILL)
            if kind == "web":
                # A worker that dies twice within some seconds ends the server, which is a moment gone then.
                web.append(load.recovered(kill([draw.choice(wait_for("web server", running.web))])))
                continue
            before = running.worker()
            at = kill([draw.choice(before)])
            worker.append(wait_for("worker", partial(whole_again, running, before, at)))
        load.stop()
    findings = compare(running.superuser_url, log, project=place.project)
    running.finished(running.start_import(place.project, items=3, dry_run=True))
    print(
        f"\n[SIGKILL of web and worker] {WEB_KILLS} + {WORKER_KILLS} kills, {findings.acknowledged}"
        f" acknowledged: {findings.lost} lost, {findings.doubled} doubled; first submit after"
        f" {max(web):.1f} s at most, worker back after {max(worker):.1f} s at most; answers {dict(load.statuses)}"
    )
    assert findings.acknowledged >= len(kinds) * PER_KILL and findings.is_clean
    assert load.refusals == []
    assert max(web + worker) <= RECOVERY_SECONDS
    assert running.broken_invariants() == []


def test_a_worker_that_dies_in_the_middle_of_a_job_does_it_once(running: Running) -> None:
    """The short form turns the clock of the job's heartbeat forward and counts the seconds that it saves."""
    place = running.workplace(items=3, overlap=OVERLAP, annotators=1)
    seconds, attempts = list[float](), list[int]()
    for number in range(JOBS):
        with running.imports_held():
            # Each file another one: the same is taken once.
            job = running.start_import(place.project, items=IMPORTED + number, overlap=OVERLAP)
            wait_for("running job", partial(is_running, running, job))
            worker = running.worker()
            # All of it, or only its pool, as when the machine runs out of memory.
            at = kill(worker if number % 2 == 0 else worker[1:])
        assert state_of(running, job) == "running"
        turn_back(running, job, SAVED_SECONDS)
        running.finished(job)
        seconds.append(seconds_since(at) + SAVED_SECONDS)
        attempts += [row[0] for row in running.sql("SELECT attempts FROM annotation_job WHERE id = %s", job)]
    batches = running.sql(
        "SELECT b.state, (SELECT count(*) FROM annotation_item i WHERE i.batch_id = b.id),"
        " (SELECT count(*) FROM annotation_assignment a WHERE a.batch_id = b.id)"
        " FROM annotation_batch b JOIN annotation_project p ON p.id = b.project_id"
        " WHERE p.slug = %s AND b.number > 1",
        place.project,
    )
    print(
        f"\n[SIGKILL in a job] {JOBS} imports of {IMPORTED}, worker killed in each: (state, items, slots)"
        f" {batches}, {attempts} attempts, another worker was done {max(seconds):.1f} s after the kill at most"
        f" ({SAVED_SECONDS} of them by turning the clock)"
    )
    assert sorted(batches) == [("open", items, items * OVERLAP) for items in range(IMPORTED, IMPORTED + JOBS)]
    assert set(attempts) == {2}, "each was begun twice and done once"
    assert max(seconds) <= RECOVERY_SECONDS
    assert running.broken_invariants() == []


def test_control_without_the_sweep_neither_a_dead_workers_job_nor_a_lost_message_comes_back(
    running: Running,
) -> None:
    """The worker is well, and does a job whose message it gets; the two others wait for the sweep."""
    place = running.workplace(items=3, overlap=OVERLAP, annotators=1)
    with running.no_sweep():
        with running.imports_held():
            begun = running.start_import(place.project, items=20, overlap=OVERLAP)
            wait_for("running job", partial(is_running, running, begun))
            kill(running.worker())
        lost = running.start_flushed_import(place.project, items=3, dry_run=True)
        for job in (begun, lost):
            turn_back(running, job, 3600)
        start = time.monotonic()
        running.finished(running.start_import(place.project, items=3, dry_run=True))
        time.sleep(max(0.0, SWEEP_SECONDS + 2 - seconds_since(start)))
        without = [state_of(running, job) for job in (begun, lost)]
    for job in (begun, lost):
        running.finished(job)
    print(
        f"\n[SIGKILL in a job; flushed; control] no sweep for {seconds_since(start):.0f} s, another job done meanwhile:"
        f" the dead worker's job {without[0]}, the flushed one {without[1]}; both done with the sweep"
    )
    assert without == ["running", "queued"]
    assert running.broken_invariants() == []


def test_control_without_a_limit_for_heartbeats_a_dead_workers_job_stays_with_it(running: Running) -> None:
    """Its heartbeat is a century ahead of any limit. The sweep itself runs, and brings back another job."""
    place = running.workplace(items=3, overlap=OVERLAP, annotators=1)
    with running.imports_held():
        begun = running.start_import(place.project, items=20, overlap=OVERLAP)
        wait_for("running job", partial(is_running, running, begun))
        kill(running.worker())
    turn_back(running, begun, -CENTURY_SECONDS)
    lost = running.start_flushed_import(place.project, items=3, dry_run=True)
    turn_back(running, lost, 3600)
    running.finished(lost)
    without = state_of(running, begun)
    turn_back(running, begun, CENTURY_SECONDS + 3600)  # for the next sweep, which nobody here waits for
    print(f"\n[SIGKILL in a job, control] no limit, the sweep did another: the dead worker's job {without}")
    assert without == "running"


def turn_back(running: Running, job: str, seconds: float) -> None:
    """For this job's heartbeat, and for when it was sent, it is `seconds` later than it is."""
    running.sql(
        "UPDATE annotation_job SET heartbeat_at = heartbeat_at - %s * interval '1 second',"
        " sent_at = sent_at - %s * interval '1 second' WHERE id = %s",
        seconds,
        seconds,
        job,
    )


def is_running(running: Running, job: str) -> bool:
    return state_of(running, job) == "running"


def whole_again(running: Running, before: list[int], since: float) -> float | None:
    """Seconds since the kill, once the worker has as many processes as before, not all of them the old ones."""
    now = running.worker()
    return seconds_since(since) if len(now) >= len(before) and set(now) != set(before) else None
