"""See the package."""

import select
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.postgresql import base


@dataclass(frozen=True)
class StatementCursor:
    """One cursor of the driver for all hot queries of a connection, and the names of those prepared there."""

    cursor: Any
    prepared: set[str] = field(default_factory=set)


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
