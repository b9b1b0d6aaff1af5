"""Cutting a release: judgments a second and peak memory, beside the floor measured in the same run.

    python bench/releases.py [--judgments 1000000] [--formats preference judgments]

Seeds three judgments on each of a third as many pairs (a prompt of 300 characters, two answers of 1,200), on a
throw-away PostgreSQL with its durability settings on, and cuts a release of each format with the default settings
through the job that a worker runs, in a process of its own. Time is from the start of the cut until it is frozen.
Memory is the peak of that process with its children; PostgreSQL's is apart, and so is the CPU of the connections that
only read and of the one that freezes. The product writes Parquet and JSONL in one pass, so the rate is that of both
together; the CPU seconds of each are those of the functions that write it. The floor reads the same texts in the same
order and writes them once as JSONL (gzip, level 1) and once as Parquet (zstd), and does nothing else.
"""

import argparse
import gzip
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

ROOT = Path(__file__).resolve().parents[1]
OVERLAP = 3
PROMPT_WORDS, COMPLETION_WORDS = 46, 186
"""About 300 and 1,200 characters."""
VOCABULARY = 30_000
NEAR_SHARE = 0.1
"""Prompts that repeat an earlier one with one word changed."""
ITEMS_AT_ONCE = 1_000
MIB = 1 << 20

ITEM = """
    COPY annotation_item (
        batch_id, project_id, number, external_id, prompt, prompt_hash, content_hash, language, category, metadata,
        target_overlap)
    FROM STDIN
"""
COMPLETION = """
    COPY annotation_completion (item_id, position, messages, model, settings, content_hash, source_line) FROM STDIN
"""
# Slots as the submits would have left them, one for each annotator; leases, receipts and audit rows are not read here.
SUBMITTED = """
    INSERT INTO annotation_assignment (
        item_id, batch_id, pool_id, number, purpose, state, attempt, void_reason, annotator_id, submitted_at)
    SELECT i.id, i.batch_id, p.id, m.number, 'work', 'submitted', 1, '', m.id, %(now)s
    FROM annotation_pool p JOIN annotation_item i ON i.batch_id = p.batch_id
    CROSS JOIN unnest(%(annotators)s::bigint[]) WITH ORDINALITY AS m (id, number)
    WHERE p.batch_id = %(batch)s
    ORDER BY i.number, m.number
"""
JUDGMENTS = """
    INSERT INTO annotation_judgment (
        assignment_id, item_id, batch_id, annotator_id, guideline_id, protocol_id, attempt, submission_id,
        state, display_order, active_seconds, note, read_to_end, created_at)
    SELECT a.id, a.item_id, a.batch_id, a.annotator_id, g.id, b.protocol_id, 1, gen_random_uuid(),
           'accepted', CASE a.item_id %% 2 WHEN 0 THEN ARRAY[0, 1]::smallint[] ELSE ARRAY[1, 0]::smallint[] END,
           20.5, '', '{A,B}', %(now)s
    FROM annotation_assignment a
    JOIN annotation_batch b ON b.id = a.batch_id
    JOIN annotation_guidelineversion g ON g.project_id = b.project_id
    WHERE a.batch_id = %(batch)s
    ORDER BY a.id
"""
# On either side and never about the same, so that each pair gives a row.
ANSWERS = """
    INSERT INTO comparisons_pairwiseanswer (judgment_id, criterion_id, preference, tie_reason)
    SELECT j.id, c.id, (1 + abs(h.hash %% 3)) * CASE (h.hash >> 8) & 1 WHEN 0 THEN -1 ELSE 1 END, ''
    FROM annotation_judgment j
    JOIN annotation_criterion c ON c.protocol_id = j.protocol_id AND c.key = 'overall'
    CROSS JOIN LATERAL (SELECT hashint8(j.id) AS hash) AS h
    WHERE j.batch_id = %(batch)s
    ORDER BY j.id
"""
FLOOR = """
    SELECT i.external_id, i.prompt::text, a.messages::text, b.messages::text
    FROM annotation_item i
    JOIN annotation_completion a ON a.item_id = i.id AND a.position = 0
    JOIN annotation_completion b ON b.item_id = i.id AND b.position = 1
    ORDER BY i.batch_id, i.number
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the cutting of releases.")
    parser.add_argument("--judgments", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", default=["preference", "judgments"])
    parser.add_argument("--cut", metavar="FORMAT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if given.cut:
        cut(given.cut)
        return
    from annotation.runtime import postgres

    cluster = postgres.throw_away_cluster()
    cluster.throw_away = False  # durability on, as in production; the folder goes all the same
    try:
        cluster.start()
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {
                "DATABASE_URL": cluster.superuser_url,
                "SECRET_KEY": secrets.token_urlsafe(48),
                "VAR": folder,
                "TMPDIR": folder,
                "DJANGO_SETTINGS_MODULE": "annotation.config.settings",
                "BROKER_URL": "memory://",
            }
            measure(given.judgments, given.formats, Path(folder))
    finally:
        postgres.discard(cluster)


def measure(judgments: int, formats: Sequence[str], folder: Path) -> None:
    start = time.perf_counter()
    items = seed(judgments // OVERLAP)
    print(f"{items * OVERLAP:,} judgments of {items:,} pairs, seeded in {time.perf_counter() - start:.0f} s")
    for name in formats:
        subprocess.run([sys.executable, __file__, "--cut", name], check=True)
    for kind, write in (("jsonl", floor_jsonl), ("parquet", floor_parquet)):
        busy, start = time.process_time(), time.perf_counter()
        write(folder / f"floor.{kind}")
        seconds = time.perf_counter() - start
        print(
            f"floor, {kind:<8} {items * OVERLAP / seconds:>9,.0f} judgments/s   ({seconds:.1f} s, "
            f"{time.process_time() - busy:.1f} s of CPU, {(folder / f'floor.{kind}').stat().st_size / MIB:,.0f} MiB)"
        )
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


# The project


def seed(items: int) -> int:
    """A project with one batch of `items` pairs that three annotators have judged; answers how many there are."""
    import django

    import annotation.config.celery  # noqa: F401  (messages go to its broker, which here is memory)

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from annotation.models import Membership
    from annotation.services.people import create_user
    from annotation.services.projects import create_project
    from bench.engine import seed as rows

    call_command("migrate", verbosity=0)
    now = timezone.now()
    pairwise = {"kind": "pairwise", "overlap": OVERLAP}
    lead, _ = create_user(email="lead@bench.invalid", now=now, can_create_projects=True)
    project = create_project(actor=lead, now=now, slug="bench", name="Bench", protocol=pairwise)
    url = os.environ["DATABASE_URL"]
    annotators = []
    for number in range(OVERLAP):
        user, _ = create_user(email=f"annotator-{number}@bench.invalid", now=now)
        annotators.append(
            Membership.objects.create(
                project=project, user=user, role="annotator", pseudonym=f"A{number + 1}", created_at=now
            ).pk
        )
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(rows.BATCH, {"slug": "bench", "overlap": OVERLAP, "now": now}).fetchone()
        assert found is not None
        values = {"batch": found[0], "annotators": annotators, "now": now}
        with rows.checked_at_the_end(connection):
            connection.execute(rows.POOL, values)
            copy_items(connection, found[0], project.pk, items)
            for statement in (SUBMITTED, JUDGMENTS, ANSWERS):
                connection.execute(statement, values)
        connection.execute(f"VACUUM (ANALYZE) {', '.join(rows.TABLES)}")
    return items


def copy_items(connection: psycopg.Connection[Any], batch: int, project: int, items: int) -> None:
    last = connection.execute("SELECT coalesce(max(id), 0) FROM annotation_item").fetchone()
    assert last is not None
    number = 0
    for chunk in made_up(items):
        with connection.cursor() as cursor:
            with cursor.copy(ITEM) as copy:
                for place, (prompt, *_) in enumerate(chunk, start=number + 1):
                    said = json.dumps([{"role": "user", "content": prompt}])
                    row = (batch, project, place, f"row-{place}", said, sha(said), sha(f"{place}"))
                    copy.write_row((*row, "en", "", "{}", OVERLAP))
            cursor.execute(
                "SELECT id FROM annotation_item WHERE batch_id = %s AND number > %s ORDER BY number",
                [batch, number],
            )
            ids = [pk for (pk,) in cursor]
            with cursor.copy(COMPLETION) as copy:
                for pk, (_, *completions) in zip(ids, chunk, strict=True):
                    for position, text in enumerate(completions):
                        said = json.dumps([{"role": "assistant", "content": text}])
                        copy.write_row((pk, position, said, f"m{position}", "{}", sha(said), 1))
        number += len(chunk)


def made_up(items: int) -> Iterator[list[tuple[str, str, str]]]:
    """(prompt, completion, completion) in chunks, of words drawn with the frequencies of a language (Zipf)."""
    draw = np.random.default_rng(0)
    letters = list("etaoinshrdlucmfwypvbgkjqxz")
    words = ["".join(draw.choice(letters, draw.integers(2, 10))) for _ in range(VOCABULARY)]
    weights = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    earlier: list[list[int]] = []
    for first in range(0, items, ITEMS_AT_ONCE):
        count = min(ITEMS_AT_ONCE, items - first)
        shape = (count, PROMPT_WORDS + 2 * COMPLETION_WORDS)
        numbers = np.searchsorted(weights, draw.random(shape) * weights[-1]).tolist()
        for row in numbers:
            if earlier and draw.random() < NEAR_SHARE:
                word = row[0]
                row[:PROMPT_WORDS] = earlier[draw.integers(len(earlier))]
                row[draw.integers(PROMPT_WORDS)] = word
        earlier = [row[:PROMPT_WORDS] for row in numbers]
        cuts = (0, PROMPT_WORDS, PROMPT_WORDS + COMPLETION_WORDS, shape[1])
        texts = [[" ".join([words[n] for n in row[a:b]]) for a, b in pairwise(cuts)] for row in numbers]
        yield [(prompt, one, other) for prompt, one, other in texts]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# The cut


def cut(name: str) -> None:
    """Cut one release in this process and print what it took."""
    import django

    import annotation.config.celery  # noqa: F401

    django.setup()
    from django.utils import timezone

    from annotation.config.collector import spare_collector
    from annotation.jobs import run_claimed
    from annotation.models import Job, Project, User
    from exporters.services.releases import start_release
    from exporters.settings import release_settings

    project, lead = Project.objects.get(), User.objects.get(email="lead@bench.invalid")
    spare_collector()
    memory = Memory()
    spent = timed_writers()
    settings = release_settings({"formats": [name]})
    served = server_cpu_seconds()
    start, busy = time.perf_counter(), time.process_time()
    release, job = start_release(project=project, actor=lead, settings=settings, now=timezone.now())
    run_claimed(str(job.pk), timezone.now())
    seconds, used = time.perf_counter() - start, time.process_time() - busy
    served = server_cpu_seconds() - served
    job = Job.objects.get(pk=job.pk)
    if job.state != Job.State.SUCCEEDED:
        raise SystemExit(f"the cut failed: {job.error}")
    release.refresh_from_db()
    print(f"{name}: {release.manifest['rows']:,} rows from {release.judgments:,} judgments")
    print(f"    both types    {release.judgments / seconds:>9,.0f} judgments/s   ({seconds:.1f} s to frozen)")
    print(f"    CPU           {used:>9,.1f} s of this process, {served:.1f} s of its PostgreSQL backend")
    for kind, cpu in spent.items():
        size = sum(file.size for file in release.files.all() if f".{kind}" in file.name)
        print(f"    {kind:<8} CPU  {cpu[0]:>9,.1f} s of these, {size / MIB:,.0f} MiB")
    print(f"    peak memory   {memory.stop():>9,.0f} MiB   ({memory.now:.0f} before the cut)")


def timed_writers() -> dict[str, list[float]]:
    """By file type, the CPU seconds that its thread will have taken."""
    from exporters.files import Shard

    def timed(function: Callable[..., Any], cell: list[float]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*args)
            finally:
                cell[0] += time.thread_time() - start

        return run

    spent = {"jsonl": [0.0], "parquet": [0.0]}
    Shard.write_jsonl = timed(Shard.write_jsonl, spent["jsonl"])  # type: ignore[method-assign]
    Shard.write_parquet = timed(Shard.write_parquet, spent["parquet"])  # type: ignore[method-assign]
    return spent


def server_cpu_seconds() -> float:
    """What the backend of this process's connection has used so far."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Memory:
    """The most memory that this process and its children held at one time: their resident pages, looked at every
    twentieth of a second, and the highest that Linux noted of this process alone."""

    def __init__(self) -> None:
        self.most = self.now = resident_mib()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while not self.ended.wait(0.05):
            self.most = max(self.most, resident_mib())

    def stop(self) -> float:
        self.ended.set()
        self.thread.join()
        return max(self.most, status_mib("self", "VmHWM"))


def resident_mib() -> float:
    children = {child for task in Path("/proc/self/task").iterdir() for child in children_of(task)}
    return sum(status_mib(pid, "VmRSS") for pid in ("self", *children))


def children_of(task: Path) -> list[str]:
    """Of one thread: who starts a process is its parent."""
    with suppress(FileNotFoundError):
        return (task / "children").read_text().split()
    return []


def status_mib(pid: str, name: str) -> float:
    """0 for a process that has ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
    return 0.0


# The floor


def floor_rows() -> Iterator[list[tuple[str, str, str, str]]]:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor("floor") as cursor:
        cursor.execute(FLOOR)
        while rows := cursor.fetchmany(ITEMS_AT_ONCE):
            yield rows


def floor_jsonl(path: Path) -> None:
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as file:
        for rows in floor_rows():
            file.write(
                "".join(
                    f'{{"item":"{item}","prompt":{prompt},"chosen":{one},"rejected":{other}}}\n'
                    for item, prompt, one, other in rows
                ).encode()
            )


def floor_parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("item", "prompt", "chosen", "rejected")])
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        for rows in floor_rows():
            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            writer.write_table(pa.table(columns, schema=schema))


if __name__ == "__main__":
    main()
