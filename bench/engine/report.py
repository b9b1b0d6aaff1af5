"""The tables: each figure beside what is wanted and what the peer reaches."""

import os
import platform
from statistics import fmean

import psycopg

from bench.engine import cpu
from bench.engine.target import Measured, Site, percentile

PEER = "Label Studio 1.23.2 on PostgreSQL, 4 workers, two cores, beside a floor of 4,499 tx/s in its own run"
PEER_RATE = {8: 17.1, 32: 14.5}
PEER_SHARE = {8: 0.0038, 32: 0.0032}
PEER_MILLISECONDS = {8: (242, 303, 213, 277), 32: (1017, 1411, 969, 1379)}
"""Lease p50 and p95, submit p50 and p95."""
WANTED_SHARE = {8: 0.075, 32: 0.075}
WANTED_SUBMIT_P95 = {32: 150}
WANTED_SIZE_RATIO = 1.3
WANTED_QUERIES = {"lease": 6, "submit": 8}
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


def say_where(site: Site, sync_milliseconds: float) -> None:
    """The machine and the settings that the figures hold for."""
    with psycopg.connect(site.url("superuser", "postgres")) as connection:
        version = connection.execute("SHOW server_version").fetchone()
        settings = connection.execute(
            "SELECT name || ' ' || setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
            [list(DURABLE)],
        ).fetchall()
    assert version is not None
    print(f"{os.cpu_count()} cores ({platform.machine()}), load {os.getloadavg()[0]:.1f} before the run")
    print(f"PostgreSQL {version[0]}: {', '.join(row[0] for row in settings)};", end=" ")
    print(f"fdatasync of 8 kB {sync_milliseconds:.2f} ms")
    print(f"web server: granian {cpu.web_options(site.supervisor)}\n", flush=True)


def judging(
    floors: list[tuple[float, list[float]]], bare: list[tuple[str, Measured]], runs: dict[int, Measured]
) -> None:
    floor = fmean(rate for rate, _ in floors)
    for when, (rate, milliseconds) in zip(("before", "after"), floors, strict=True):
        print(f"floor {when:<7}{rate:>8,.0f} tx/s      p50/p95/p99 {trio(milliseconds)} ms")
    print(f"floor mean   {floor:>8,.0f} tx/s      (bare psycopg, 8 connections, 2 processes)")
    for path, run in bare:
        print(f"bare Django  {run.rate:>8,.0f} GET/s      p50/p95/p99 {trio(run.figures.get)} ms  {path}")
        print(f"             {cores(run)}")
    print(f"\npeer: {PEER}\n")
    print(
        "annotators  judgments/s  of floor  (wanted, peer)     errors   lease p50/p95/p99 ms   submit p50/p95/p99 ms"
    )
    for count, run in runs.items():
        wanted = f"{WANTED_SHARE[count]:.1%}" if count in WANTED_SHARE else "–"
        peer = f"{PEER_SHARE[count]:.2%}" if count in PEER_SHARE else "–"
        figures = run.figures
        print(
            f"{count:>10}  {run.rate:>11,.1f}  {run.rate / floor:>8.2%}  ({wanted:>6}, {peer:>6})    "
            f"{len(figures.errors):>6}   {trio(figures.lease):>20}   {trio(figures.submit):>21}"
        )
    print()
    for count, run in runs.items():
        print_beside(count, run)
    print("\nCPU of each run, cores and ms a judgment")
    for count, run in runs.items():
        print(f"{count:>10}  {cores(run)}")
        done = max(len(run.figures.submit), 1)
        costs = {name: share * run.figures.seconds * 1000 / done for name, share in run.cores().items()}
        ours = sum(ms for name, ms in costs.items() if name not in ("generator", "others"))
        print(
            f"{'':>12}{', '.join(f'{name} {ms:.2f} ms' for name, ms in costs.items() if name != 'others')}",
            end="",
        )
        print(f"; without the generator {ours:.2f} ms")
        if run.figures.dry:
            print(f"{'':>12}{run.figures.dry} annotators ran out of items: give it more --items")
    print(flush=True)


def print_beside(count: int, run: Measured) -> None:
    """The figures that the peer or a wish stands beside."""
    if count in PEER_RATE:
        lease_p50, lease_p95, submit_p50, submit_p95 = PEER_MILLISECONDS[count]
        print(
            f"{count:>10}  {run.rate / PEER_RATE[count]:.1f} times the peer's {PEER_RATE[count]} judgments/s;"
            f" the peer's lease p50/p95 {lease_p50}/{lease_p95} ms, submit {submit_p50}/{submit_p95} ms"
        )
    if count in WANTED_SUBMIT_P95:
        p95 = percentile(run.figures.submit, 0.95)
        print(f"{count:>10}  submit p95 {p95:.0f} ms, wanted ≤ {WANTED_SUBMIT_P95[count]} ms")


def queries(most: dict[str, int]) -> None:
    for name, number in most.items():
        print(f"queries a {name:<7}{number:>3}   wanted ≤ {WANTED_QUERIES[name]}")
    print(flush=True)


def sizes(rows: list[tuple[str, Measured]]) -> None:
    """One annotator at a time. The first call is apart: nothing of this project was read before it."""
    width = max(len(where) for where, _ in rows)
    print(
        f"{'one at a time':<{width}}  calls   first   lease p50/p95/p99 ms   submit p50/p95/p99 ms   p95 ratio"
    )
    base = percentile((rows[0][1].figures.lease)[1:], 0.95)
    for where, run in rows:
        figures = run.figures
        leases = figures.lease or figures.nothing
        p95 = percentile(leases[1:], 0.95)
        first = f"{leases[0]:.1f}" if leases else "none"
        print(
            f"{where:<{width}}  {len(leases):>5}  {first:>6}   {trio(leases[1:]):>20}   {trio(figures.submit[1:]):>21}"
            f"   {p95 / base:>9.2f}" + ("   (204)" if figures.nothing and not figures.lease else "")
        )
    print(f"p95 ratio: lease p95 ÷ that of the first row; wanted ≤ {WANTED_SIZE_RATIO}\n", flush=True)


def trio(milliseconds: list[float]) -> str:
    if not milliseconds:
        return "–"
    return "/".join(f"{percentile(milliseconds, share):.1f}" for share in (0.5, 0.95, 0.99))


def cores(run: Measured) -> str:
    shares = run.cores()
    workers = " + ".join(f"{used / run.figures.seconds:.2f}" for used in run.cpu.web_workers.values())
    return ", ".join(
        f"{name} {share:.2f}" + (f" ({workers})" if name == "web" and workers else "")
        for name, share in shares.items()
    )
