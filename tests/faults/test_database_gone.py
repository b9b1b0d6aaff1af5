"""A database that is slow, gone or full: no answer is a lie, and work goes on when it is back."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.calls import Caller
from tests.faults.load import Load
from tests.faults.oracle import compare
from tests.faults.running import Running, is_up, through, wait_for, web_server
from tests.faults.scale import LONG, scaled
from tests.faults.wires import DatabaseWire
from tests.instance import free_port

ANNOTATORS, OVERLAP = 6, 3
SECONDS = scaled(2, 60)
DELAY_SECONDS = 0.01


def test_a_slow_and_then_missing_database_is_told_and_survived(running: Running, tmp_path: Path) -> None:
    place = running.workplace(items=scaled(2000, 20_000), overlap=OVERLAP, annotators=ANNOTATORS)
    log = tmp_path / "acknowledged"
    with (
        DatabaseWire(running.cluster.sockets / ".s.PGSQL.5432") as wire,
        web_server(running.var, DATABASE_URL=through(running, wire)) as address,
        Load(address, place, log) as load,
    ):
        load.wait_until(20)
        wire.delay = DELAY_SECONDS
        before_slow = len(load.acknowledged)
        time.sleep(SECONDS)
        load.wait_until(before_slow + 1)
        slowly = len(load.acknowledged) - before_slow
        failed_while_slow = sum(count for status, count in load.statuses.items() if status >= 400)
        wire.delay = 0.0
        wire.go()
        time.sleep(SECONDS)
        with Caller(address, place.tokens[0]) as caller:
            refusal = caller.call("POST", f"/projects/{place.project}/lease", b"{}")
        at = time.monotonic()
        wire.come_back()
        back = load.recovered(at)
        load.wait_until(len(load.acknowledged) + 20)
        load.stop()
    findings = compare(running.superuser_url, log, project=place.project)
    print(
        f"\n[database slow, gone] {SECONDS} s with {DELAY_SECONDS * 1000:.0f} ms more each way: {slowly} acknowledged,"
        f" {failed_while_slow} failed; {SECONDS} s gone: {load.statuses[503]} times 503, first submit"
        f" {back:.1f} s after it was back; {findings.acknowledged} acknowledged, {findings.lost} lost,"
        f" {findings.doubled} doubled"
    )
    assert slowly > 0 and failed_while_slow == 0
    problem = json.loads(refusal.body)
    assert (refusal.status, problem["status"]) == (503, 503)
    assert refusal.headers["content-type"] == "application/problem+json"
    assert int(refusal.headers["retry-after"]) > 0
    assert set(load.statuses) <= {200, 201, 503} and load.refusals == []
    assert findings.is_clean and findings.acknowledged > 40
    assert running.broken_invariants() == []


def test_control_a_lost_database_that_is_not_told_as_such_ends_peoples_work(
    running: Running, tmp_path: Path
) -> None:
    """The same loss, answered with 500: a client that may send again after 503 gives up, and the oracle sees it."""
    place = running.workplace(items=2000, overlap=OVERLAP, annotators=ANNOTATORS)
    with (
        DatabaseWire(running.cluster.sockets / ".s.PGSQL.5432") as wire,
        web_server(
            running.var, application="tests.faults.unmapped:application", DATABASE_URL=through(running, wire)
        ) as address,
        Load(address, place, tmp_path / "acknowledged") as load,
    ):
        load.wait_until(10)
        wire.go()
        wait_for("end of everybody's work", lambda: load.is_over, seconds=60)
    print(
        f"\n[database gone, control] 500 instead of 503: all {ANNOTATORS} people gave up after {len(load.refusals)}"
        f" refusals, answers {dict(load.statuses)}"
    )
    assert load.statuses[500] == len(load.refusals) >= ANNOTATORS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, as small as an instance may begin on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=755", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"this machine mounts no small disk: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


DISK_MEGABYTES = 420


def fill(ballast: Path) -> None:
    """Take every page that is left, and those that are freed while this goes on."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


on_its_own_disk = pytest.mark.skipif(
    not LONG, reason="an instance of its own on a disk of its own: `make faults`"
)


@on_its_own_disk
def test_a_full_disk_is_told_and_survived(small_disk: Path, tmp_path: Path) -> None:
    instance = Running(var=small_disk / "var", port=free_port())
    log = tmp_path / "acknowledged"
    try:
        instance.begin()
        place = instance.workplace(items=5000, overlap=OVERLAP, annotators=ANNOTATORS)
        with Load(instance.url, place, log) as load:
            load.wait_until(50)
            ballast = small_disk / "ballast"
            fill(ballast)
            wait_for("refusal", lambda: load.statuses[503] > 20 or load.is_over, seconds=120)
            ballast.unlink()
            at = time.monotonic()
            back = load.recovered(at)
            load.wait_until(len(load.acknowledged) + 50)
            load.stop()
        findings = compare(instance.superuser_url, log, project=place.project)
        broken = instance.broken_invariants()
    finally:
        instance.stop()
    print(
        f"\n[disk full] {load.statuses[503]} times 503, first submit {back:.1f} s after there was room;"
        f" {findings.acknowledged} acknowledged, {findings.lost} lost, {findings.doubled} doubled"
    )
    assert set(load.statuses) <= {200, 201, 503} and load.refusals == []
    assert findings.is_clean and broken == []


@on_its_own_disk
def test_control_a_full_disk_that_is_not_told_as_such_refuses_answers_for_good(
    small_disk: Path, tmp_path: Path
) -> None:
    """The same disk, answered with 500: nobody sends that answer again.

    People go on where the lease they hold is still given to them, which writes nothing.
    """
    instance = Running(var=small_disk / "var", port=free_port())
    log = tmp_path / "acknowledged"
    try:
        instance.begin()
        place = instance.workplace(items=5000, overlap=OVERLAP, annotators=ANNOTATORS)
        with (
            web_server(
                instance.var,
                application="tests.faults.unmapped:application",
                DATABASE_URL=instance.application_url,
            ) as address,
            Load(address, place, log) as load,
        ):
            load.wait_until(50)
            ballast = small_disk / "ballast"
            fill(ballast)
            wait_for("refusals", lambda: len(load.refusals) >= ANNOTATORS, seconds=120)
            ballast.unlink()
            load.stop()
        wait_for("database with room again", lambda: is_up(instance.url))
        findings = compare(instance.superuser_url, log, project=place.project)
    finally:
        instance.stop()
    print(
        f"\n[disk full, control] 500 instead of 503: {len(load.refusals)} requests refused for good,"
        f" answers {dict(load.statuses)}; {findings.acknowledged} acknowledged, {findings.lost} lost"
    )
    assert load.statuses[500] == len(load.refusals) >= ANNOTATORS
    assert findings.is_clean
