"""What a start has to do to the database and the static files, and what it can leave. Needs Django set up."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

# What the packages bring and no page of ours uses: the browsable API of DRF and a second API reference.
UNUSED = ["rest_framework", "redoc"]


def migrations_are_due() -> bool:
    """Whether any migration on disk is missing from the database."""
    try:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    finally:
        connection.close()


def collect_static_files() -> bool:
    """Collect, hash and compress the static files unless those of this very state are there. True if it did."""
    stamp = Path(settings.STATIC_ROOT).with_suffix(".stamp")
    state = _state_of_static_files()
    if stamp.exists() and stamp.read_text() == state and Path(settings.STATIC_ROOT).is_dir():
        return False
    call_command("collectstatic", interactive=False, clear=True, verbosity=0, ignore_patterns=UNUSED)
    stamp.write_text(state)
    return True


def _state_of_static_files() -> str:
    """A digest over name, size and time of every file that would be collected."""
    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for name, storage in sorted(finder.list(UNUSED), key=lambda found: str(found[0])):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
