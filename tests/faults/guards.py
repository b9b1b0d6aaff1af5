"""Taking the engine's guards away from a throw-away database, for controls; and a web server that uses none.

A fault test whose control cannot fail proves nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.db import connection

from tests.factories import World
from tests.faults.running import Workplace, web_server

TABLES = ("annotation_judgment", "annotation_lease", "annotation_assignment", "annotation_receipt")


@contextmanager
def guards_off(database_url: str, *, receipts: bool = True) -> Iterator[None]:
    """Unique constraints and triggers of the engine's tables away; without `receipts` none of those stay either.

    At the end the tables are emptied and everything is put back.
    """
    with psycopg.connect(database_url, autocommit=True) as session:
        uniques = session.execute(
            "SELECT i.indrelid::regclass::text, c.relname, pg_get_indexdef(i.indexrelid), k.conname,"
            " pg_get_constraintdef(k.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'u'"
            " WHERE i.indisunique AND NOT i.indisprimary AND i.indrelid::regclass::text = ANY(%s)",
            [list(TABLES)],
        ).fetchall()
        assert uniques, "there are no guards to take away"
        for table, index, _, constraint, _ in uniques:
            session.execute(
                f"ALTER TABLE {table} DROP CONSTRAINT {constraint}" if constraint else f"DROP INDEX {index}"
            )
        for table in TABLES:
            session.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        if not receipts:
            session.execute(FORGET_RECEIPTS)
        try:
            yield
        finally:
            if not receipts:
                session.execute("DROP FUNCTION forget_receipt CASCADE")
            session.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
            for table, _, definition, constraint, words in uniques:
                session.execute(
                    f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {words}" if constraint else definition
                )
            for table in TABLES:
                session.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


FORGET_RECEIPTS = """
    CREATE FUNCTION forget_receipt() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM annotation_receipt WHERE id = NEW.id; RETURN NULL; END $$;
    CREATE TRIGGER forget_receipt AFTER INSERT ON annotation_receipt
    FOR EACH ROW EXECUTE FUNCTION forget_receipt();
"""


def own_database_url() -> str:
    """The address of this test's own database."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


@contextmanager
def unguarded_server(var: Path, *, receipts: bool = True) -> Iterator[str]:
    """The whole application on this test's own database, every guard off; yields its address."""
    url = own_database_url()
    environment = {"DATABASE_URL": url, "SECRET_KEY": os.environ["SECRET_KEY"]}
    with (
        guards_off(url, receipts=receipts),
        web_server(
            var, application="tests.faults.unguarded:application", threads=12, **environment
        ) as address,
    ):
        yield address


def workplace_of(world: World, *, items: int, overlap: int, annotators: int) -> Workplace:
    """A batch of `world` with annotators who have tokens, as the load wants it."""
    batch = world.batch(items=items, overlap=overlap)
    tokens = [world.token(world.member().user) for _ in range(annotators)]
    return Workplace(world.project.slug, batch.number, items, overlap, tokens)
