"""`manage.py backup DIR`: everything that has to outlive this machine, in one folder."""

from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from annotation.backup.making import back_up
from annotation.backup.manifest import MANIFEST, sha256_of
from annotation.runtime.errors import RuntimeFault


class Command(BaseCommand):
    help = "Back up the database and the release files to a new folder, while people work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that is not there yet")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        try:
            made = back_up(folder, url=database_url(), open_file=default_storage.open, now=timezone.now())
        except (RuntimeFault, psycopg.Error) as fault:
            raise CommandError(" ".join(str(fault).split())) from fault
        except OSError as error:
            raise CommandError(f"{error.filename or folder}: {error.strerror or error}") from error
        rows = sum(table.rows for table in made.tables)
        size = made.dump.size + sum(file.size for file in made.files)
        self.stdout.write(
            f"Backed up as of {made.begun_at}: {len(made.tables)} tables with {rows} rows and {len(made.files)} files,"
            f" {size} bytes in {folder}.\nIts proof: {sha256_of(folder / MANIFEST)}  {MANIFEST}"
        )


def database_url() -> str:
    """The address that the application itself uses, in libpq's words."""
    entry = settings.DATABASES["default"]
    parts = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {key: str(entry[name]) for key, name in parts.items() if entry.get(name)}
    return make_conninfo(**given | entry.get("OPTIONS", {}))
