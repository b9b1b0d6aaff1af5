"""Lease and submit over HTTP, beside the floor and the peer, in one run.

    python -m bench.engine [--seconds 15] [--annotators 1,8,32] [--skip-million] [--profile]

Starts a throw-away instance as `manage.py up` does (embedded PostgreSQL, durability on, production settings),
and measures on it, one after the other:

    floor        bare psycopg on the same PostgreSQL server, before and after the HTTP runs
    bare Django  GET /healthz through the same web server, by the same generator
    judging      N annotators, zero think time, each N on a fresh project of 10,000 items × 3
    sizes        one annotator at a time, in a project of 1,000 and one of 1,000,000 items × 2, while nothing
                 else works

Server, PostgreSQL and generator share the machine's cores, as they did when the peer was measured. Exits with
1 when a call failed, an acknowledged judgment is not there or an invariant is broken, whatever the figures are.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from annotation.runtime import roles
from bench.engine import report
from bench.engine.floor import floor_rate
from bench.engine.target import Measured, Site, run_load, running_site, sync_milliseconds
from tests.instance import ROOT

ITEMS = 10_000
OVERLAP = 3
WARM_UP_SECONDS = 2.0
FLOOR_SECONDS = 6.0
BARE_SECONDS = 4.0
BARE_CONNECTIONS = 8

SMALL, LARGE = 1_000, 1_000_000
SIZES_OVERLAP = 2
JUDGED_SHARE = 0.9
REST_SECONDS = 21.0
ROUNDS = 300
ROUNDS_SECONDS = 30.0
"""One annotator at a time: so many leases and submits, or as many as fit into this time."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description="Measure lease and submit.")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each judging run (15)")
    parser.add_argument("--annotators", default="1,8,32", help="how many judge at once, run by run (1,8,32)")
    parser.add_argument("--items", type=int, default=ITEMS, help="in each of these projects (10000)")
    parser.add_argument("--skip-million", action="store_true", help="leave the sizes out")
    parser.add_argument("--large", type=int, default=LARGE, help="items of the large project (1000000)")
    parser.add_argument("--plans", type=Path, help="write the plans at the large size to this page")
    parser.add_argument("--profile", nargs="?", type=int, const=500, default=0, metavar="PAIRS")
    options = parser.parse_args()
    counts = [int(word) for word in options.annotators.split(",")]
    signal.signal(
        signal.SIGTERM, lambda number, frame: sys.exit(1)
    )  # so that the instance is stopped and removed
    with running_site() as site:
        report.say_where(site, sync_milliseconds(site.instance.var))
        faults = measure_judging(site, counts, options)
        faults += check_invariants(site)
        count_queries(site, options.profile)
        if not options.skip_million:
            faults += measure_sizes(site, options.large)
            if options.plans:
                write_plans(options.plans)
            faults += check_invariants(site)
    for fault in faults:
        print(f"FAULT  {fault}")
    print("no errors, every acknowledged judgment is there" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def measure_judging(site: Site, counts: list[int], options: Any) -> list[str]:
    """Floor, bare Django, each number of annotators, floor. Answers the faults."""
    faults = []
    projects = {count: f"judging-{count}" for count in counts}
    tokens = {}
    for count, slug in projects.items():
        site.create_project(slug, OVERLAP)
        site.import_items(slug, options.items)
        tokens[count] = list(site.create_annotators(slug, count).values())
    superuser = site.url("superuser", "postgres")
    floors = [floor_rate(superuser, FLOOR_SECONDS)]
    bare = [
        (path, run_load(site, project="", tokens=[""] * BARE_CONNECTIONS, seconds=BARE_SECONDS, path=path))
        for path in ("/healthz", "/readyz")
    ]
    runs: dict[int, Measured] = {}
    for count, slug in projects.items():
        runs[count] = run_load(
            site,
            project=slug,
            tokens=tokens[count],
            seconds=options.seconds,
            warm_up_seconds=WARM_UP_SECONDS,
        )
        faults += faults_of(site, slug, runs[count], f"{count} annotators")
    floors.append(floor_rate(superuser, FLOOR_SECONDS))
    report.judging(floors, bare, runs)
    return faults + [error for path, run in bare for error in run.figures.errors]


def faults_of(site: Site, slug: str, run: Measured, where: str) -> list[str]:
    """Failed calls, and acknowledged judgments that are not in the table (or more rows than were acknowledged)."""
    faults = [f"{where}: {error}" for error in run.figures.errors]
    stored = stored_judgments(site, slug)
    if stored != run.figures.accepted:
        faults.append(f"{where}: {run.figures.accepted} judgments acknowledged, {stored} stored")
    return faults


def stored_judgments(site: Site, slug: str) -> int:
    with psycopg.connect(site.url("owner", roles.DATABASE)) as connection:
        row = connection.execute(
            "SELECT count(*) FROM annotation_judgment j JOIN annotation_batch b ON b.id = j.batch_id"
            " JOIN annotation_project p ON p.id = b.project_id WHERE p.slug = %s",
            [slug],
        ).fetchone()
    return int(row[0]) if row else 0


def check_invariants(site: Site) -> list[str]:
    """What `manage.py check_invariants` finds, by line."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "manage.py", "check_invariants"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    holds = done.returncode == 0
    outcome = done.stdout.strip() if holds else "BROKEN, see the faults below"
    print(f"invariants: {outcome}  ({time.perf_counter() - start:.0f} s)\n", flush=True)
    return [] if holds else [*done.stdout.splitlines(), *done.stderr.splitlines()]


def count_queries(site: Site, pairs: int) -> None:
    """Queries of a lease and of a submit, and the profile when one is wanted, on a small project of its own."""
    slug = "in-process"
    site.create_project(slug, OVERLAP)
    site.import_items(slug, max(1_000, 2 * pairs))
    (token,) = site.create_annotators(slug, 1).values()
    log = site.instance.var / "logs" / "in-process.log"
    with log.open("w") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "bench.engine.inprocess", slug, token, str(pairs)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise SystemExit(f"the queries could not be counted: {log.read_text()[-2000:]}")
    first, _, profile = done.stdout.partition("\n")
    report.queries(json.loads(first))
    if pairs:
        print(f"profile of {pairs} pairs in one process\n{profile}")


def write_plans(path: Path) -> None:
    command = [sys.executable, "-m", "bench.engine.plans"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    path.write_text(done.stdout)
    print(f"plans written to {path}")


def measure_sizes(site: Site, large: int) -> list[str]:
    """One annotator at a time at 1,000 items and at `large`. Answers the faults."""
    import django

    django.setup()  # the audit chain of what is seeded is computed with the application's own digest
    from bench.engine import seed

    owner = site.url("owner", roles.DATABASE)
    rows: list[tuple[str, Measured]] = []
    faults: list[str] = []

    def measure(where: str, slug: str, token: str) -> None:
        wait_for_rest(site.url("superuser", roles.DATABASE))
        run = run_load(site, project=slug, tokens=[token], seconds=ROUNDS_SECONDS, rounds=ROUNDS)
        rows.append((where, run))
        faults.extend(f"{where}: {error}" for error in run.figures.errors)

    for size in (SMALL, large):
        slug = f"size-{size}"
        site.create_project(slug, SIZES_OVERLAP)
        fresh, judge = site.create_annotators(slug, 2).items()
        start = time.perf_counter()
        batch = seed.seed_batch(owner, slug=slug, items=size, overlap=SIZES_OVERLAP)
        seeded = time.perf_counter() - start
        judged = int(size * JUDGED_SHARE)
        if size == large:
            start = time.perf_counter()
            seed.seed_judgments(owner, batch=batch, email=judge[0], items=judged)
            print(f"seeded {size:,} items in {seeded:.0f} s and {judged:,} judgments in", end=" ")
            print(f"{time.perf_counter() - start:.0f} s", flush=True)
        measure(f"{size:,} items, fresh", slug, fresh[1])
        if size == large:
            measure(f"{size:,} items, {JUDGED_SHARE:.0%} judged", slug, judge[1])
            seed.seed_judgments(owner, batch=batch, email=judge[0], items=size)
            # The lease that is still held, if there is one, would be answered before "nothing left".
            measure(f"{size:,} items, nothing left", slug, judge[1])
    report.sizes(rows)
    return faults


BUSY = """
    SELECT FROM annotation_job WHERE state IN ('queued', 'running')
    UNION ALL SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'
"""


def wait_for_rest(superuser: str) -> None:
    """Until nothing has worked in the background for as long as two sweeps take; what is due begins within one.
    Nobody's project gets 900,000 judgments at once: vacuuming and computing them is no part of a lease."""
    rested = time.monotonic()
    with psycopg.connect(superuser, autocommit=True) as connection:
        while time.monotonic() < rested + REST_SECONDS:
            if connection.execute(BUSY).fetchone() is not None:
                rested = time.monotonic()
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
