"""Hot queries, written in SQL and planned once a connection.

The ORM builds a query's text anew each time it is asked, which costs several times what the database takes to
answer (docs/engine-profile.md). A lease and a submit are asked all day, so their queries stand here as text:
`PREPARE` on a connection's first use, `EXECUTE` from then on. Everything that is asked seldom stays with the ORM.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import connection, models
from django.db.models.base import ModelState

from annotation.registry import Registry

M = TypeVar("M", bound=models.Model)

_prepared: "WeakKeyDictionary[Any, set[str]]" = WeakKeyDictionary()
"""Names by connection of the driver: one that was lost takes its prepared statements with it."""


statements: "Registry[Statement]" = Registry("statement")
"""Every hot query, by name: for the test of their plans and for docs/engine-explain.md."""


class Statement:
    """A query with parameters $1, $2, … of the given PostgreSQL types. `name` is unique in the code."""

    def __init__(self, name: str, types: Sequence[str], sql: str) -> None:
        statements.register(name, self)
        self.name = name
        self.types = types
        self.sql = sql
        self._prepare = f"PREPARE {name} ({', '.join(types)}) AS {sql}".replace("%", "%%")
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(types))})" if types else f"EXECUTE {name}"

    def rows(self, *parameters: Any, before: str = "") -> list[tuple[Any, ...]]:
        """Every row. `before` is a statement sent in the same round trip, with a snapshot of its own."""
        with connection.cursor() as cursor:
            self.prepare()
            cursor.execute(before + self._execute, parameters)
            if before:
                cursor.nextset()
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def prepare(self) -> None:
        """Have the statement on this connection. Prepared statements outlive transactions, rolled back or not."""
        known = _prepared.setdefault(connection.connection, set())
        if self.name not in known:
            with connection.cursor() as cursor:
                cursor.execute(self._prepare)
            known.add(self.name)

    def plan(self) -> list[str]:
        """The lines of EXPLAIN for a new plan that serves every value of the parameters. Needs a transaction."""
        nulls = f" ({', '.join(['NULL'] * len(self.types))})" if self.types else ""
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor.execute(self._prepare.replace(self.name, "looked_at", 1))
            cursor.execute(f"EXPLAIN (VERBOSE) EXECUTE looked_at{nulls}")
            lines = [row[0] for row in cursor.fetchall()]
            cursor.execute("DEALLOCATE looked_at")
        return lines

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
    return len(attribute_names(model))


def load(model: type[M], values: Sequence[Any]) -> M:
    """An instance out of the values of `columns`; JSON columns stay text."""
    return stored(model, zip(attribute_names(model), values, strict=True))


def stored(model: type[M], attributes: Iterable[tuple[str, Any]]) -> M:
    """An instance of a stored row with these attributes and no others; asked for, the others are fetched.

    As `Model.from_db`, without the signals and the loop over fields, which take twenty times as long: a lease and
    a submit make some twenty instances.
    """
    instance = model.__new__(model)
    instance.__dict__.update(attributes)
    instance._state = ModelState()
    instance._state.adding = False
    instance._state.db = "default"
    return instance


@cache
def attribute_names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def load_side_by_side(row: Sequence[Any], *kinds: type[models.Model]) -> list[Any]:
    """One instance of each model out of a row that holds their `columns` one after the other."""
    found, start = [], 0
    for model in kinds:
        found.append(load(model, row[start : start + width(model)]))
        start += width(model)
    return found
