"""A database out to a file and in again, by PostgreSQL's own tools, and what shows that both hold the same.

The message queue stays behind: it is rebuilt from the jobs' rows. Knows nothing of Django.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from annotation.backup.manifest import Table
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.postgres import find_binaries

QUEUE_SCHEMA = "pgmq"
LOCK_WAIT = "60s"
"""A migration under way holds tables; a backup that waited for longer is tried again later."""
TRANSACTIONS_MAX = 50_000_000
"""So many ids are passed over in some minutes."""

# What a row looks like as text must not depend on who asks.
AS_TEXT = """
    SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres';
    SET bytea_output = 'hex'; SET extra_float_digits = 1
"""
TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY c.relname
"""
CONTENT = """
    SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text
    FROM public.{} AS t
"""
PASS_OVER = """
    DO $$ BEGIN
        WHILE pg_current_xact_id()::text::bigint < {} LOOP COMMIT; END LOOP;
    END $$
"""


def dump(url: str, *, snapshot: str, to: Path) -> None:
    """Write what `snapshot` sees to the file `to`."""
    options = ["--format=custom", f"--exclude-schema={QUEUE_SCHEMA}", "--no-owner", "--no-privileges"]
    options += [f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_WAIT}", f"--file={to}"]
    _run("pg_dump", url, options, "The database could not be written out")


def load(url: str, file: Path) -> None:
    """Read a dump into an empty database, whole or not at all."""
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(file)]
    _run("pg_restore", url, options, "The database could not be read in")


def _run(tool: str, url: str, options: Sequence[str], failure: str) -> None:
    where = conninfo_to_dict(url)
    password = where.pop("password", None)
    # Every user of the machine can read arguments; nobody else reads the environment.
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(
        [str(find_binaries() / tool), *options, "--dbname", make_conninfo(**_strings(where))],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if "error:" in line] or done.stdout.splitlines()
        raise RuntimeFault(f"{failure}: {' '.join(lines[:2]) or f'{tool} ended with {done.returncode}'}")


def _strings(parts: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in parts.items()}


def contents(session: psycopg.Connection[Any]) -> tuple[Table, ...]:
    """Rows and digest of every table, as the session's transaction sees them."""
    session.execute(AS_TEXT)
    found = []
    for (name,) in session.execute(TABLES).fetchall():
        rows, digest = _one(session, sql.SQL(CONTENT).format(sql.Identifier(name)))
        found.append(Table(name, rows, digest))
    return tuple(found)


def differences(wanted: Sequence[Table], found: Sequence[Table]) -> list[str]:
    """In words, each table that does not hold what it should."""
    there = {table.name: table for table in found}
    words = []
    for table in wanted:
        other = there.pop(table.name, None)
        if other is None:
            words.append(f"{table.name} is missing")
        elif other.rows != table.rows:
            words.append(f"{table.name} has {other.rows} rows of {table.rows}")
        elif other.digest != table.digest:
            words.append(f"{table.name} has other rows than were backed up")
    return words + [f"{name} is not in the manifest" for name in there]


def is_empty(url: str) -> bool:
    """Whether the database has no table of anybody's but the queue's."""
    with psycopg.connect(url) as session:
        return not session.execute(TABLES).fetchall()


def export_snapshot(session: psycopg.Connection[Any]) -> str:
    """Begin a transaction that sees one moment, and answer the name by which another session sees the same."""
    session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    session.execute("SET idle_in_transaction_session_timeout = 0")
    return str(_one(session, "SELECT pg_export_snapshot()")[0])


def next_transaction(session: psycopg.Connection[Any]) -> int:
    """The id that the server gives to the next transaction."""
    return int(_one(session, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0])


def pass_over_transactions(url: str, until: int) -> bool:
    """Have the server number its transactions from `until` on; False when that is too far away.

    Judgments are streamed in the order of their transactions, and only below the oldest that runs. In a new cluster,
    which counts from the beginning, those that were restored would not be streamed for a long time.
    """
    with psycopg.connect(url, autocommit=True) as session:
        if until - next_transaction(session) > TRANSACTIONS_MAX:
            return False
        session.execute("SET synchronous_commit = off")
        session.execute(sql.SQL(PASS_OVER).format(sql.Literal(until)))
    return True


def empty_again(url: str) -> None:
    """Take back what `load` has put into a database that was empty."""
    with psycopg.connect(url) as session:
        session.execute("DROP SCHEMA public CASCADE")
        session.execute("CREATE SCHEMA public")


def _one(session: psycopg.Connection[Any], statement: Any) -> tuple[Any, ...]:
    found: list[tuple[Any, ...]] = session.execute(statement).fetchall()
    return found[0]
