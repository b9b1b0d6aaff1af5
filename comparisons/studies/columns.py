"""Reads: columns of a query as arrays, without a Python object for each value; a million rows take seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import Expression, F, Func, QuerySet, Value
from django.db.models.functions import Cast, Coalesce

NOTHING = -1
"""What stands for NULL in a column of whole numbers."""
TYPES: Mapping[str, tuple[models.Field[Any, Any], Any]] = {
    ">i8": (models.BigIntegerField(), NOTHING),
    ">f8": (models.FloatField(), float("nan")),
}
"""The field, and what stands for NULL."""
BETWEEN = "\x1f"
STRUNG = {
    ">i8": "string_agg(int8send({}), '')",
    ">f8": "string_agg(float8send({}), '')",
    "U": "string_agg({}, E'\\x1f')",
}
SPACE = "".join(c for c in map(chr, range(1, 0x3001)) if c.isspace())


def read_columns(
    rows: QuerySet[Any],
    whole: Mapping[str, str | Expression],
    real: Mapping[str, str | Expression] | None = None,
    short: Mapping[str, str] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Name → array of shape (R,) in the order of `rows`: int64 for `whole` (NULL is NOTHING), float64 for `real` (NaN),
    text for `short`, a few letters without control characters and never NULL.

    PostgreSQL strings the values of a column together, so that a million of them arrive as one.
    """
    sources = {**whole, **(real or {}), **(short or {})}
    kinds = dict.fromkeys(whole, ">i8") | dict.fromkeys(real or {}, ">f8") | dict.fromkeys(short or {}, "U")
    asked = [_asked(source, kinds[name]) for name, source in sources.items()]
    sql, values = rows.values_list(*asked).query.sql_with_params()
    strung = ", ".join(STRUNG[kind].format(f"c{at}") for at, kind in enumerate(kinds.values()))
    names = ", ".join(f"c{at}" for at in range(len(kinds)))
    with connection.cursor() as cursor:
        # Aggregates take their rows in the order of the subquery: nothing is joined to it.
        cursor.execute(f"SELECT {strung} FROM ({sql}) AS ordered ({names})", values)
        found = cursor.fetchone() or ()
    return {
        name: np.zeros(0, dtype=kind.replace(">", "=")) if data is None else _array(data, kind)
        for (name, kind), data in zip(kinds.items(), found, strict=True)
    }


def _asked(source: str | Expression, kind: str) -> Expression:
    value = F(source) if isinstance(source, str) else source
    if kind == "U":
        return Cast(value, models.TextField())
    field, null = TYPES[kind]
    return Coalesce(Cast(value, field), Value(null, field))


def _array(data: bytes | str, kind: str) -> npt.NDArray[Any]:
    if isinstance(data, str):
        return np.array(data.split(BETWEEN), dtype=str)
    return np.frombuffer(data, dtype=kind).astype(kind.replace(">", "="))


def position_in(names: Sequence[str], column: str) -> Expression:
    """The place of a text among `names`, from 0; NOTHING where it is none of them."""
    texts = Value(list(names), ArrayField(models.TextField()))
    return Func(texts, Cast(column, models.TextField()), function="array_position") - 1


def spoken_characters(column: str) -> Expression:
    """How many characters a completion has: what the model said in all its turns, without space around it."""
    # Nearly all completions are one message; gathering several takes ten times as long.
    said = Func(
        F(column),
        template="CASE jsonb_array_length(%(expressions)s) WHEN 1 THEN %(expressions)s->0->>'content' ELSE"
        " (SELECT string_agg(t.turn->>'content', E'\\n\\n' ORDER BY t.place)"
        " FROM jsonb_array_elements(%(expressions)s) WITH ORDINALITY AS t (turn, place)"
        " WHERE t.turn->>'role' = 'assistant') END",
        output_field=models.TextField(),
    )
    trimmed = Func(said, Value(SPACE), function="btrim", output_field=models.TextField())
    return Func(trimmed, function="length", output_field=models.IntegerField())
