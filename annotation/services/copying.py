"""Many new rows at once, through PostgreSQL's COPY and in the current transaction."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models


def new_ids(model: type[models.Model], count: int) -> list[int]:
    """`count` primary keys taken from the table's sequence, rising."""
    table, column = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [connection.ops.quote_name(table), column, count],
        )
        return [row[0] for row in cursor.fetchall()]


def copy_rows(model: type[models.Model], fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows`, each with the values of `fields` (names of the model's fields).

    JSON goes in as text (see `json_text`). Every column that is not named must have a database default
    or be nullable: the model's Python defaults are not applied.
    """
    quote = connection.ops.quote_name
    column_of = {field.name: field.column or "" for field in model._meta.concrete_fields}
    columns = ", ".join(quote(column_of[name]) for name in fields)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {quote(model._meta.db_table)} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
