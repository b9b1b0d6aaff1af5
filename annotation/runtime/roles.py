"""The two roles and the database of an instance, and the message queue's schema.

`concord_owner` owns the database and runs migrations; `concord` is what web and worker log in as: no
superuser, owner of no table and so of no trigger, with the right to read and change rows and nothing else.
"""

from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql

DATABASE = "concord"
OWNER = "concord_owner"
APPLICATION = "concord"


def create_roles(superuser_url: str, *, owner_password: str, application_password: str) -> None:
    """Make both roles and the database if they are missing, and set their passwords. Safe to repeat."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        for role, password in ((OWNER, owner_password), (APPLICATION, application_password)):
            exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = sql.SQL("ALTER" if exists else "CREATE")
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                    verb, sql.Identifier(role), sql.Literal(password)
                )
            )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            create_database(connection, DATABASE, owner=OWNER, user=APPLICATION)
        else:
            admit(connection, DATABASE, user=APPLICATION)


def create_database(connection: psycopg.Connection[Any], name: str, *, owner: str, user: str) -> None:
    """Make a database that only these two roles may come into."""
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
    )
    admit(connection, name, user=user)


def admit(connection: psycopg.Connection[Any], name: str, *, user: str) -> None:
    """Let nobody but the owner and `user` into a database. Safe to repeat."""
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    connection.execute(
        sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
            sql.Identifier(name), sql.Identifier(user)
        )
    )


def grant_rows(owner_url: str, *, user: str = APPLICATION) -> None:
    """Give the application's role the rows of every table the owner has or will make. Safe to repeat."""
    role = sql.Identifier(user)
    statements = (
        "GRANT USAGE ON SCHEMA public TO {}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {}",
    )
    with psycopg.connect(owner_url) as connection:
        for statement in statements:
            connection.execute(sql.SQL(statement).format(role))


def install_queue(url: str, *, user: str | None = None) -> bool:
    """Install pgmq's schema once; True when it was missing. `user` gets the right to make and use queues.

    The schema's own script is not repeatable, so it runs only where there is no `pgmq.meta`. Queues belong to
    the role that makes them, which is always the application's: its functions run with the caller's rights.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('concord:pgmq'))")
        found = connection.execute("SELECT to_regclass('pgmq.meta') IS NOT NULL").fetchone()
        missing = found is None or not found[0]
        if missing:
            script = files("pgmq").joinpath("sql", "pgmq.sql").read_bytes()
            connection.execute(script)
        if missing and user is not None:
            for statement in (
                "GRANT USAGE, CREATE ON SCHEMA pgmq TO {}",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgmq TO {}",
                "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA pgmq TO {}",
            ):
                connection.execute(sql.SQL(statement).format(sql.Identifier(user)))
    return missing
