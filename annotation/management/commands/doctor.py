"""`manage.py doctor`: is this instance one to trust with people's work?"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

SMALLEST_FREE_BYTES = 1_000_000_000
DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class Unwell(Exception):
    """One check failed; the message says what is wrong and what to do."""


def check_server() -> str:
    """PostgreSQL answers and is of a version we know."""
    connection.ensure_connection()
    version = connection.cursor().execute("SHOW server_version").fetchone()[0]
    major = int(version.split(".")[0])
    if not 15 <= major <= 18:
        raise Unwell(f"PostgreSQL {version} is not among the versions Concord is tested with (15 to 18)")
    return f"version {version}"


def check_durability() -> str:
    """What was acknowledged survives a crash."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(DURABLE)])
        off = sorted(name for name, setting in cursor.fetchall() if setting == "off")
    if off:
        raise Unwell(
            f"{', '.join(off)} off: a crash would lose acknowledged judgments; switch on in postgresql.conf"
        )
    return f"{', '.join(DURABLE)} on"


def check_role() -> str:
    """The application cannot switch off what protects the judgments."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user")
        name, superuser = cursor.fetchone()
        cursor.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind = 'r' AND pg_get_userbyid(c.relowner) = current_user"
        )
        owned = cursor.fetchone()[0]
    if superuser:
        raise Unwell(f"{name} is a superuser: log in with a role that only has rights to rows")
    if owned:
        raise Unwell(
            f"{name} owns {owned} tables and could drop their triggers: migrate as another role (DATABASE_OWNER_URL)"
        )
    return f"{name} is no superuser and owns no table"


def check_migrations() -> str:
    """The database has the shape that the code expects."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        raise Unwell(f"{len(plan)} migrations are missing, the first {plan[0][0]}: run `manage.py migrate`")
    return "all applied"


def check_broker() -> str:
    """A message can be sent, and with pgmq received and deleted too, without leaving a trace."""
    if not settings.CELERY_BROKER_URL.startswith("pgmq:"):
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=5)
        return f"{broker.transport.driver_name} answers"
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=5)
        queue = broker.SimpleQueue("concord_doctor")
        queue.put({"question": "are you well?"}, serializer="json")
        message = queue.get(timeout=5)
        message.ack()
        queue.queue.delete()
        queue.close()
    return "pgmq sends, receives and deletes"


def check_disk() -> str:
    """There is room to write."""
    folder = Path(settings.MEDIA_ROOT)
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    if free < SMALLEST_FREE_BYTES:
        raise Unwell(f"{free // 1_000_000} MB are left on the disk of {folder}: make room")
    return f"{free // 1_000_000_000} GB free"


CHECKS: dict[str, Callable[[], str]] = {
    "PostgreSQL": check_server,
    "durability": check_durability,
    "role": check_role,
    "migrations": check_migrations,
    "broker": check_broker,
    "disk": check_disk,
}


class Command(BaseCommand):
    """One line for each check; exit code 1 when any failed."""

    help = "Check that this instance keeps what it acknowledges: durability, role, migrations, queue, disk."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run every check, also after one has failed."""
        failed = 0
        for name, check in CHECKS.items():
            try:
                self.stdout.write(f"ok    {name}: {check()}")
            except (Unwell, Error, OSError) as error:
                failed += 1
                self.stdout.write(self.style.ERROR(f"FAIL  {name}: {' '.join(str(error).split())}"))
        if failed:
            self.stdout.write(f"{failed} of {len(CHECKS)} checks failed.")
            sys.exit(1)
        self.stdout.write("All is well.")
