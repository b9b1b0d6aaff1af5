"""Import of pairs: rows a second and peak memory, beside the floor measured in the same run.

    python bench/import_rows.py [--rows 100000]

Imports a tenth of the rows, then all of them, through the job that a worker runs, on a throw-away
PostgreSQL with its durability settings on. The floor is a bare COPY of the very bytes that the import left in
its tables (items, completions, slots), into the same tables with their keys and indexes, in one transaction.
Memory is the peak of this process; generating the file happens in it too and holds one row at a time.
"""

import argparse
import os
import resource
import secrets
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLES = ("annotation_item", "annotation_completion", "annotation_assignment")
WORDS = 120
"""Words in a prompt and in each completion: about 700 characters, 2 kB a row."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the import of pairs.")
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    sys.path.insert(0, str(ROOT))
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
                "DJANGO_SETTINGS_MODULE": "annotation.config.settings",
                "BROKER_URL": "memory://",
            }
            measure(rows, Path(folder))
    finally:
        postgres.discard(cluster)


def measure(rows: int, folder: Path) -> None:
    import django

    import annotation.config.celery  # noqa: F401  (messages go to its broker, which here is memory)

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from annotation.services.people import create_user
    from annotation.services.projects import create_project

    call_command("migrate", verbosity=0)
    pairwise = {"kind": "pairwise", "overlap": 3}
    lead, _ = create_user(email="bench@example.org", now=timezone.now(), can_create_projects=True)
    project = create_project(actor=lead, now=timezone.now(), slug="bench", name="Bench", protocol=pairwise)
    peaks = []
    for size in (rows // 10, rows):
        path = folder / f"pairs-{size}.jsonl"
        write_pairs(path, size)
        checked = check_seconds(path)
        imported = import_seconds(path, project, lead)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        megabytes = path.stat().st_size / 1e6
        print(f"{size:>9,} pairs, {megabytes:,.0f} MB")
        print(f"    check alone   {size / checked:>9,.0f} rows/s")
        print(f"    import        {size / imported:>9,.0f} rows/s   ({imported:.1f} s, check and store)")
        print(f"    peak memory   {peaks[-1]:>9,.0f} MiB")
    floor = floor_seconds(folder)
    all_rows = rows + rows // 10
    print(f"    bare COPY     {all_rows / floor:>9,.0f} rows/s   (the floor, {all_rows:,} rows)")
    print(f"import / floor  {(rows / imported) / (all_rows / floor):.2f}")
    print(f"ten times the rows cost {peaks[1] - peaks[0]:+.0f} MiB")


def write_pairs(path: Path, size: int) -> None:
    """A batch file of `size` rows, each with texts of its own."""
    text = "preference data is made by people who read both answers to their end "
    body = (text * (WORDS // 12 + 1)).strip()
    with path.open("w", encoding="utf-8") as file:
        for number in range(size):
            file.write(
                f'{{"id": "{path.stem}-{number}", "prompt": "{number} {body}", "completions": ['
                f'{{"content": "A {number} {body}", "model": "m1", "settings": {{"temperature": 0.7}}}}, '
                f'{{"content": "B {number} {body}", "model": "m2"}}]}}\n'
            )


def check_seconds(path: Path) -> float:
    from annotation.importers import ItemRow, check_rows

    start = time.perf_counter()
    with path.open("rb") as stream:
        if not all(isinstance(result, ItemRow) for result in check_rows(stream, "jsonl")):
            raise SystemExit("the generated file has errors")
    return time.perf_counter() - start


def import_seconds(path: Path, project: object, lead: object) -> float:
    from django.core.files.base import File
    from django.utils import timezone

    from annotation.jobs import run_claimed
    from annotation.models import Job, Project, User
    from annotation.services.batches import start_import

    if not isinstance(project, Project) or not isinstance(lead, User):
        raise TypeError("a project and its lead are wanted")
    start = time.perf_counter()
    with path.open("rb") as stream:
        _, job = start_import(
            project=project,
            actor=lead,
            now=timezone.now(),
            upload=File(stream, name=path.name),
            format="jsonl",
        )
    run_claimed(str(job.pk), timezone.now())
    seconds = time.perf_counter() - start
    job = Job.objects.get(pk=job.pk)
    if job.state != Job.State.SUCCEEDED:
        raise SystemExit(f"the import failed: {job.error}")
    return seconds


def floor_seconds(folder: Path) -> float:
    """Seconds to COPY the imported rows back into their emptied tables, from files, in one transaction."""
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        for table in TABLES:
            with (folder / table).open("wb") as file, cursor.copy(f"COPY {table} TO STDOUT") as out:
                for block in out:
                    file.write(block)
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
        connection.commit()
        start = time.perf_counter()
        for table in TABLES:
            with (folder / table).open("rb") as file, cursor.copy(f"COPY {table} FROM STDIN") as into:
                while block := file.read(65_536):
                    into.write(block)
        connection.commit()
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
