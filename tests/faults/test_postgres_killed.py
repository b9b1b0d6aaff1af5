"""SIGKILL of PostgreSQL while people submit: nothing acknowledged is lost, and nobody has to do anything.

The control runs the same load with synchronous_commit off: what was acknowledged still lay in the memory of the
server, and the same oracle must find it lost.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.load import Load
from tests.faults.oracle import compare
from tests.faults.running import Running, is_up, kill, wait_for
from tests.faults.scale import scaled

ANNOTATORS, OVERLAP = 12, 3
KILLS = scaled(2, 20)
ACKNOWLEDGED = scaled(400, 50_000)
RECOVERY_SECONDS = 10.0
WAYS = ("the whole of it", "the postmaster", "one backend")


def victims(running: Running, way: str) -> list[int]:
    """Postmaster first: once it is gone, nothing is forked that a kill would miss."""
    server = running.postgres()
    if way == "the whole of it":
        return server
    if way == "the postmaster":
        return server[:1]
    backends = running.sql(
        "SELECT pid FROM pg_stat_activity WHERE usename = 'concord' ORDER BY state = 'active' DESC LIMIT 1"
    )
    return [backends[0][0]] if backends else server


def test_nothing_acknowledged_is_lost(running: Running, tmp_path: Path) -> None:
    place = running.workplace(items=ACKNOWLEDGED // OVERLAP + 200, overlap=OVERLAP, annotators=ANNOTATORS)
    log, recoveries = tmp_path / "acknowledged", list[float]()
    with Load(running.url, place, log, enough=ACKNOWLEDGED) as load:
        for number in range(KILLS):
            load.wait_until((number + 1) * ACKNOWLEDGED // (KILLS + 1))
            at = kill(victims(running, WAYS[number % len(WAYS)]))
            recoveries.append(load.recovered(at))
    findings = compare(running.superuser_url, log, project=place.project)
    worker = running.finished(running.start_import(place.project, items=3, dry_run=True))
    print(
        f"\n[SIGKILL of PostgreSQL] {KILLS} kills, {findings.acknowledged} acknowledged:"
        f" {findings.lost} lost, {findings.doubled} doubled, {findings.surplus} surplus;"
        f" first submit after {max(recoveries):.1f} s at most, {sorted(recoveries)[KILLS // 2]:.1f} s mostly;"
        f" answers {dict(load.statuses)}, {load.lost_answers} lost on the wire"
    )
    assert findings.acknowledged >= ACKNOWLEDGED and findings.is_clean
    assert load.refusals == []
    assert max(recoveries) <= RECOVERY_SECONDS
    assert worker["state"] == "succeeded", "the worker serves again"
    assert running.broken_invariants() == []


@contextmanager
def commits_in_memory(running: Running) -> Iterator[None]:
    """An answer no longer waits for the disk, and what it rests on stays in memory for up to ten seconds."""
    for name, value in (
        ("synchronous_commit", "off"),
        ("wal_writer_delay", "10s"),
        ("wal_writer_flush_after", "1GB"),
        ("bgwriter_lru_maxpages", "0"),
    ):
        running.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    running.sql("SELECT pg_reload_conf()")
    wait_for("reloaded settings", lambda: running.sql("SHOW synchronous_commit") == [("off",)])
    try:
        yield
    finally:
        running.sql("ALTER SYSTEM RESET ALL")
        running.sql("SELECT pg_reload_conf()")
        wait_for("reloaded settings", lambda: running.sql("SHOW synchronous_commit") == [("on",)])


def test_control_with_synchronous_commit_off_acknowledged_rows_are_lost(
    running: Running, tmp_path: Path
) -> None:
    place = running.workplace(items=200, overlap=OVERLAP, annotators=ANNOTATORS)
    log = tmp_path / "acknowledged"
    with commits_in_memory(running):
        with Load(running.url, place, log) as load:
            load.wait_until(60)
            kill(running.postgres())
            load.stop()
        wait_for("recovered server", lambda: is_up(running.url))
        findings = compare(running.superuser_url, log, project=place.project)
    print(
        f"\n[SIGKILL of PostgreSQL, control] synchronous_commit off, 1 kill: {findings.lost} of"
        f" {findings.acknowledged} acknowledged lost"
    )
    assert findings.lost >= 1
