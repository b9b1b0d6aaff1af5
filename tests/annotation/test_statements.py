"""Hot queries as they reach PostgreSQL: what values arrive, in which transaction, and what comes back as an error."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from annotation.statements import FORMS, Statement

WHEN = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
ODD = "a \"b\" \\c\\ {d,e} 'f' $1 %s NULL null\n\t\u200b\U0001f9ea"

VALUES: list[tuple[str, Any]] = [
    ("smallint", -32768),
    ("int", 2**31 - 1),
    ("bigint", -(2**63)),
    ("bigint", 0),
    ("smallint[]", [3, -1, 0]),
    ("bigint[]", []),
    ("bigint[]", (2**62, 1)),
    ("float8", 0.1),
    ("float8", -1e-300),
    ("float8", 20),
    ("bool", True),
    ("bool", False),
    ("text", ODD),
    ("text", ""),
    ("text[]", [ODD, "", "NULL", "{", '"', "\\", ","]),
    ("text[]", []),
    ("jsonb", '{"a": ["\\"", null]}'),
    ("uuid", UUID("12345678-1234-5678-9abc-def012345678")),
    ("timestamptz", WHEN),
    ("bytea", bytes(range(256))),
]
ECHO = {name: Statement(f"echo_{number}", [name], "SELECT $1") for number, name in enumerate(FORMS)}
ADD = Statement("add_project_row", ["text"], "INSERT INTO scratch (name) VALUES ($1) RETURNING name")
HOLD = Statement("hold_row", ["bigint"], "SELECT pg_backend_pid() + $1 - $1")


@pytest.mark.django_db
@pytest.mark.parametrize(("type_name", "value"), VALUES)
def test_a_value_arrives_as_it_was(type_name: str, value: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT CAST(%s AS {type_name})", [list(value) if isinstance(value, tuple) else value]
        )
        (as_the_driver_sends_it,) = cursor.fetchone()
    assert ECHO[type_name].one(value) == (as_the_driver_sends_it,)


@pytest.mark.django_db
@pytest.mark.parametrize("type_name", FORMS)
def test_none_arrives_as_null(type_name: str) -> None:
    assert ECHO[type_name].one(None) == (None,)


@pytest.mark.django_db
@pytest.mark.parametrize(("type_name", "value"), [("text", "a\0b"), ("text[]", ["a\0b"]), ("jsonb", '"\0"')])
def test_a_nul_is_refused_and_cuts_nothing_off(type_name: str, value: Any) -> None:
    with pytest.raises(DataError, match="NUL"):
        ECHO[type_name].one(value)
    with pytest.raises(TypeError):
        ECHO["bigint"].one("1")
    with pytest.raises(ValueError, match="zip"):
        ECHO["bigint"].one(1, 2)


@pytest.fixture
def scratch(transactional_db: None) -> Iterator[Callable[[], int]]:
    """A table; answers how many rows it has."""

    def run(sql: str) -> Any:
        with connection.cursor() as cursor:
            return cursor.execute(sql).fetchone() if sql.startswith("SELECT") else cursor.execute(sql)

    run("CREATE TABLE scratch (name text UNIQUE)")
    yield lambda: run("SELECT count(*) FROM scratch")[0]
    run("DROP TABLE scratch")


def test_a_hot_query_is_in_the_transaction_that_the_code_opened(scratch: Callable[[], int]) -> None:
    for before in (None, HOLD.on(1)):
        with transaction.atomic():
            ADD.rows("first", before=before)
            transaction.set_rollback(True)
        assert scratch() == 0
    with transaction.atomic():
        ADD.one("first")
        with pytest.raises(IntegrityError, match="scratch_name_key"), transaction.atomic():
            ADD.one("first")
        ADD.one("second")
    assert scratch() == 2
    ADD.one("third")  # without a transaction, it is one of its own
    connection.close()
    assert scratch() == 3


def test_a_lost_connection_is_an_operational_error_and_the_next_one_works(transactional_db: None) -> None:
    for before in (None, HOLD.on(1)):
        (pid,) = HOLD.one(0)
        with psycopg.connect(**connection_words(), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        with pytest.raises(OperationalError):
            HOLD.rows(0, before=before)
        connection.close()
        assert HOLD.one(0) != (pid,)


def test_what_fails_only_at_commit_is_told(scratch: Callable[[], int]) -> None:
    """A constraint that waits for the end, and a server that goes just before it: neither passes for a commit."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE scratch ADD CONSTRAINT once UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
        cursor.execute("ALTER TABLE scratch DROP CONSTRAINT scratch_name_key")
    with pytest.raises(IntegrityError, match="once"):
        add_twice_at_once()
    assert scratch() == 0
    with pytest.raises(OperationalError):
        add_and_lose_the_server()
    connection.close()
    assert scratch() == 0
    with transaction.atomic():
        ADD.one("third")
    assert scratch() == 1


@transaction.atomic
def add_twice_at_once() -> None:
    ADD.one("first")
    ADD.one("first")


@transaction.atomic
def add_and_lose_the_server() -> None:
    ADD.one("second")
    (pid,) = HOLD.one(0)
    with psycopg.connect(**connection_words(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def connection_words() -> dict[str, Any]:
    words = connection.get_connection_params()
    return {name: words[name] for name in ("dbname", "user", "password", "host", "port") if name in words}


def test_an_isolation_of_its_own_is_kept(transactional_db: None) -> None:
    level = Statement("isolation", [], "SELECT current_setting('transaction_isolation')")
    assert level.one() == ("read committed",)
    connection.connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    try:
        with transaction.atomic():
            assert level.one() == ("serializable",)
    finally:
        connection.close()
    with transaction.atomic():
        assert level.one() == ("read committed",)


def test_times_come_back_in_utc(db: None) -> None:
    (found,) = ECHO["timestamptz"].one(WHEN)
    assert found == WHEN and found.utcoffset() == UTC.utcoffset(None)
