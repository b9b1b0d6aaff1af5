"""Ids met so far and their lines, in a temporary file which SQLite deletes: a million ids cost no memory."""

import sqlite3


class SeenIds:
    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -2048")  # KiB
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def line_of(self, external_id: str, line: int) -> int | None:
        """The line on which this id stood before; None, and it is noted, when it is new.

        Ids of rows without one (`line-<number>`) are unique by themselves and not kept.
        """
        return None if external_id == f"line-{line}" else self.note(external_id, line)

    def note(self, key: str, line: int) -> int | None:
        """As `line_of`, for any text."""
        added = self._database.execute("INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING", (key, line))
        if added.rowcount:
            return None
        (earlier,) = self._database.execute("SELECT line FROM seen WHERE id = ?", (key,)).fetchone()
        return int(earlier)

    def close(self) -> None:
        self._database.close()
