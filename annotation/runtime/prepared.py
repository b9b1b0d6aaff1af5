"""What a start has to do to the database and the static files, and what it can leave.

The note `$VAR/prepared.json` holds what the last start saw: a digest of the files that matter and the migrations
they amount to. While the digest is the same and the database has all of those migrations, nothing is due, and
Django need not even be loaded (so it is imported late here): that is most of a warm start's time.
"""

import hashlib
from pathlib import Path
from typing import Any

import psycopg

from annotation.runtime.instance import ROOT, read_json, write_json

NOTE = "prepared.json"
# What the packages bring and no page of ours uses: the browsable API of DRF and a second API reference.
UNUSED_STATIC = ["rest_framework", "redoc"]


def state_of_files() -> str:
    """A digest of everything on disk that migrations and static files come from."""
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    files = [
        *ROOT.glob("*/migrations/*.py"),
        *(path for path in (ROOT / "static").rglob("*") if path.is_file()),
    ]
    for path in sorted(files):
        status = path.stat()
        digest.update(f"{path.relative_to(ROOT)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


class Preparation:
    """The note of one instance (`var`) about one database (`database_url`)."""

    def __init__(self, var: Path, database_url: str) -> None:
        self.path = var / NOTE
        self.database_url = database_url
        self.static_root = var / "static"
        self.state = state_of_files()
        self.database = hashlib.sha256(database_url.encode()).hexdigest()
        self.note: dict[str, Any] = read_json(self.path)
        if self.note.get("database") != self.database:
            self.note = {}

    def is_current(self) -> bool:
        """Whether this very state was prepared before and the database still shows it."""
        if self.note.get("state") != self.state or not self.static_root.is_dir():
            return False
        noted = {(app, name) for app, name in self.note["migrations"]}
        try:
            with psycopg.connect(self.database_url) as session:
                applied = set(session.execute("SELECT app, name FROM django_migrations").fetchall())
        except psycopg.errors.UndefinedTable:
            return False
        return noted <= applied

    def remember(self, migrations: list[tuple[str, str]]) -> None:
        """Note that this state is prepared."""
        self.note |= {"database": self.database, "state": self.state, "migrations": migrations}
        write_json(self.path, self.note)

    @property
    def has_demo(self) -> bool:
        """Whether the demo was once loaded to its end."""
        return bool(self.note.get("demo"))

    def remember_demo(self) -> None:
        """Note that the demo is there; whoever deletes it later has a reason."""
        self.note["demo"] = True
        write_json(self.path, self.note)


def migrations() -> tuple[list[tuple[str, str]], bool]:
    """Every migration on disk, and whether any of them is missing from the database. Needs Django set up."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        graph = executor.loader.graph
        return sorted(graph.nodes), bool(executor.migration_plan(graph.leaf_nodes()))
    finally:
        connection.close()


def collect_static_files() -> None:
    """Collect, hash and compress the static files anew. Needs Django set up."""
    from django.conf import settings
    from django.core.management import call_command

    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0, ignore_patterns=UNUSED_STATIC)
