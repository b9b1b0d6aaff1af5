"""Hot queries, written in SQL and planned once a connection.

The ORM builds a query's text anew each time it is asked, which costs several times what the database takes to
answer (docs/engine-profile.md). A lease and a submit are asked all day, so their queries stand here as text:
`PREPARE` on a connection's first use, `EXECUTE` from then on. Everything that is asked seldom stays with the ORM.
"""

from collections.abc import Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import connection, models

M = TypeVar("M", bound=models.Model)

_prepared: "WeakKeyDictionary[Any, set[str]]" = WeakKeyDictionary()
"""Names by connection of the driver: one that was lost takes its prepared statements with it."""


class Statement:
    """A query with parameters $1, $2, … of the given PostgreSQL types. `name` is unique in the code."""

    def __init__(self, name: str, types: Sequence[str], sql: str) -> None:
        self.name = name
        self.types = types
        self.sql = sql
        self._prepare = f"PREPARE {name} ({', '.join(types)}) AS {sql}".replace("%", "%%")
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(types))})" if types else f"EXECUTE {name}"

    def rows(self, *parameters: Any, before: str = "") -> list[tuple[Any, ...]]:
        """Every row. `before` is a statement sent in the same round trip, with a snapshot of its own."""
        with connection.cursor() as cursor:
            known = _prepared.setdefault(connection.connection, set())
            if self.name not in known:
                cursor.execute(self._prepare)
                known.add(self.name)
            cursor.execute(before + self._execute, parameters)
            if before:
                cursor.nextset()
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def row(self, *parameters: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.rows(*parameters)
        return rows[0] if rows else None

    def one(self, *parameters: Any) -> tuple[Any, ...]:
        """The row of a query that always has one."""
        return self.rows(*parameters)[0]


def columns(model: type[models.Model], alias: str) -> str:
    """The columns of `model` as `load` wants them: `alias.id, alias.name, …`."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def width(model: type[models.Model]) -> int:
    """How many columns `columns` names."""
    return len(model._meta.concrete_fields)


def load(model: type[M], values: Sequence[Any]) -> M:
    """An instance out of the values of `columns`; JSON columns stay text."""
    return model.from_db("default", [field.attname for field in model._meta.concrete_fields], values)


def load_side_by_side(row: Sequence[Any], *kinds: type[models.Model]) -> list[Any]:
    """One instance of each model out of a row that holds their `columns` one after the other."""
    found, start = [], 0
    for model in kinds:
        found.append(load(model, row[start : start + width(model)]))
        start += width(model)
    return found
