"""Hot queries, written in SQL and planned once a connection.

The ORM builds a query's text anew each time it is asked, which costs several times what the database takes to
answer (docs/engine-profile.md). A lease and a submit are asked all day, so their queries stand here as text:
prepared on a connection's first use, then sent by name. Everything that is asked seldom stays with the ORM.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import DataError, connection, connections, models
from django.db.models.base import ModelState

from annotation.registry import Registry

M = TypeVar("M", bound=models.Model)

statements: "Registry[Statement]" = Registry("statement")
"""Every hot query, by name: for the test of their plans and for docs/engine-explain.md."""


def text_form(value: str) -> bytes:
    """The driver takes a C string here, which would end at a NUL. Raises DataError."""
    encoded = value.encode()
    if b"\0" in encoded:
        raise DataError("PostgreSQL text cannot hold NUL (0x00)")
    return encoded


def numbers_form(values: Sequence[int]) -> bytes:
    return b"{%s}" % b",".join(b"%d" % value for value in values)


def texts_form(values: Sequence[str]) -> bytes:
    quoted = ('"' + value.replace("\\", r"\\").replace('"', r"\"") + '"' for value in values)
    return text_form("{" + ",".join(quoted) + "}")


FORMS: Mapping[str, Callable[[Any], bytes]] = {
    "smallint": b"%d".__mod__,
    "int": b"%d".__mod__,
    "bigint": b"%d".__mod__,
    "smallint[]": numbers_form,
    "bigint[]": numbers_form,
    "float8": lambda value: repr(float(value)).encode(),
    "bool": lambda value: b"t" if value else b"f",
    "text": text_form,
    "text[]": texts_form,
    "jsonb": text_form,  # JSON, already written
    "uuid": lambda value: str(value).encode(),
    "timestamptz": lambda value: value.isoformat().encode(),
    "bytea": lambda value: b"\\x" + value.hex().encode(),
}
"""How PostgreSQL reads a value of each type as text. NULL is None everywhere, and in no array."""


class Statement:
    """A query with parameters $1, $2, … of the given PostgreSQL types (of `FORMS`). `name` is unique in the code."""

    def __init__(self, name: str, types: Sequence[str], sql: str) -> None:
        statements.register(name, self)
        self.name = name
        self.types = types
        self.sql = sql
        self._forms = [FORMS[type_name] for type_name in types]
        self._prepare = (
            f"PREPARE {name} ({', '.join(types)}) AS {sql}" if types else f"PREPARE {name} AS {sql}"
        )
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(types))})" if types else f"EXECUTE {name}"

    def rows(self, *parameters: Any, before: "Bound | None" = None) -> list[tuple[Any, ...]]:
        """Every row. `before` is sent ahead as a statement of its own with its own snapshot; it costs no round trip
        where a transaction is to be begun anyway."""
        wrapper: Any = connections["default"]
        kept = wrapper.statement_cursor()
        if wrapper.queries_logged or wrapper.execute_wrappers or kept.has_own_isolation:
            # Somebody counts or changes queries: through the cursor that shows them.
            with connection.cursor() as cursor:
                return self._show(cursor, kept.prepared, parameters, before)
        values = [
            None if value is None else form(value)
            for form, value in zip(self._forms, parameters, strict=True)
        ]
        with wrapper.wrap_database_errors:
            if before is not None:
                before.statement._have(kept.cursor, kept.prepared)
                kept.run(before.text)
            self._have(kept.cursor, kept.prepared)
            rows: list[tuple[Any, ...]] = kept.rows(self.name, values)
            return rows

    def _have(self, cursor: Any, prepared: set[str]) -> None:
        if self.name not in prepared:
            cursor.execute(self._prepare)
            prepared.add(self.name)

    def _show(
        self, cursor: Any, prepared: set[str], parameters: Sequence[Any], before: "Bound | None"
    ) -> list[tuple[Any, ...]]:
        if before is not None:
            before.statement._have(cursor, prepared)
            cursor.execute(before.text)
        self._have(cursor, prepared)
        cursor.execute(self._execute, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def on(self, pk: int) -> "Bound":
        """This statement of one row's id, to be sent before another."""
        return Bound(self, f"EXECUTE {self.name} ({pk:d})")

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


@dataclass(frozen=True)
class Bound:
    """A statement with its parameter in place."""

    statement: Statement
    text: str


class Columns(Generic[M]):
    """What a hot query reads of a table: the columns of these names, or all. An instance that is made of them fetches
    any other when it is asked for, at the price of a query."""

    def __init__(self, model: type[M], names: str = "") -> None:
        """`names`: of attributes, between spaces."""
        fields = {field.attname: field.column for field in model._meta.concrete_fields}
        self.model = model
        self.names = names.split() or list(fields)
        self.columns = [fields[name] for name in self.names]
        self.width = len(self.names)

    def of(self, alias: str) -> str:
        """For SELECT: `alias.id, alias.name, …`."""
        return ", ".join(f'{alias}."{column}"' for column in self.columns)

    def load(self, values: Sequence[Any]) -> M:
        """An instance out of the values, in the order of `of`; JSON columns stay text."""
        return stored(self.model, **dict(zip(self.names, values, strict=True)))


def know(instance: models.Model, **related: models.Model | None) -> None:
    """Tell a row what rows its foreign keys point at, whose ids it has. As `instance.name = row` would, which costs
    ten times as much: a lease and a submit do it some twenty times."""
    instance._state.fields_cache.update(related)


def load_side_by_side(row: Sequence[Any], *parts: Columns[Any]) -> list[Any]:
    """One instance for each part out of a row that holds their columns one after the other."""
    found, start = [], 0
    for part in parts:
        found.append(part.load(row[start : start + part.width]))
        start += part.width
    return found


def stored(model: type[M], **attributes: Any) -> M:
    """An instance of a row with these attributes and no others; asked for, the others are fetched.

    As `Model.from_db`, without the signals and the loop over fields, which take twenty times as long: a lease and
    a submit make some twenty instances.
    """
    instance = model.__new__(model)
    instance.__dict__.update(attributes)
    instance._state = ModelState()
    instance._state.adding = False
    instance._state.db = "default"
    return instance
