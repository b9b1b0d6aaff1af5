"""See the package."""

import select
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.utils import debug_transaction
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

READY = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


def checked(connection: Any, result: Any) -> Any:
    """A result of libpq's own call. Raises the driver's error where it is one."""
    if result.status in READY:
        return result
    if not result.error_field(pq.DiagnosticField.SQLSTATE):
        # libpq's own words and not the server's: the connection broke, whether libpq has noted so already or not.
        raise psycopg.OperationalError(f"the connection is lost: {connection.pgconn.get_error_message()}")
    raise error_from_result(result, connection.info.encoding)


@dataclass(frozen=True)
class StatementCursor:
    """What all hot queries of a connection share: a cursor of the driver, and the names of those prepared there.

    A prepared query is sent through libpq's own call. Through `cursor.execute` the driver writes the parameters into
    the text of an EXECUTE, which PostgreSQL parses again, and waits in Python (docs/engine-profile.md).
    """

    cursor: Any
    prepared: set[str] = field(default_factory=set)
    loaders: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loaders", Transformer(self.cursor))

    @property
    def has_own_isolation(self) -> bool:
        """Whether a transaction begins with more than BEGIN."""
        return self.cursor.connection.isolation_level is not None

    def run(self, text: str) -> None:
        """Statements without parameters, in one round trip. Begins the transaction as the driver would."""
        connection = self.cursor.connection
        is_idle = connection.pgconn.transaction_status == pq.TransactionStatus.IDLE
        begin = "BEGIN; " if is_idle and not connection.autocommit else ""
        checked(connection, connection.pgconn.exec_((begin + text).encode()))

    def rows(self, name: str, parameters: list[bytes | None]) -> list[tuple[Any, ...]]:
        """Every row of a prepared query; parameters are in PostgreSQL's text form."""
        connection = self.cursor.connection
        if not connection.autocommit and connection.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            self.run("")
        result = checked(connection, connection.pgconn.exec_prepared(name.encode(), parameters))
        self.loaders.set_pgresult(result)
        rows: list[tuple[Any, ...]] = self.loaders.load_rows(0, result.ntuples, tuple)
        return rows


class DatabaseWrapper(base.DatabaseWrapper):
    _statement_cursor: StatementCursor | None = None

    def statement_cursor(self) -> StatementCursor:
        """A cursor that is reused: making one costs half of what a short query does (docs/engine-profile.md).

        The caller reads each result to its end before the next query, as `annotation.statements` does. A lost
        connection takes its prepared statements with it; the next one gets a cursor of its own.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        self.validate_no_broken_transaction()
        kept = self._statement_cursor
        if kept is None or kept.cursor.connection is not self.connection:
            with self.wrap_database_errors:
                kept = self._statement_cursor = StatementCursor(self.create_cursor())
        return kept

    def _commit(self) -> None:
        """As the driver commits, but by libpq's own call, as hot queries go (`StatementCursor`)."""
        if self.connection is None:
            return
        with debug_transaction(self, "COMMIT"), self.wrap_database_errors:
            pgconn = self.connection.pgconn
            if pgconn.transaction_status != pq.TransactionStatus.IDLE:
                checked(self.connection, pgconn.exec_(b"COMMIT"))

    def is_usable(self) -> bool:
        """Whether the connection can be used, without a query.

        Django asks once a request. A server that went away has closed its end, which makes the idle socket
        readable; so does a notice that nobody has read, and then a new connection does no harm. A peer that
        vanished without closing (a cut cable) is found by the next query, as it would be by `SELECT 1`.
        """
        if self.connection is None or self.connection.closed:
            return False
        watch = select.poll()
        watch.register(self.connection.fileno(), select.POLLIN)
        return not watch.poll(0)
