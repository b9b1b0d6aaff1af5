"""See the package."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
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
