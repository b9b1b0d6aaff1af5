"""Long lists of ids in queries."""

from collections.abc import Collection

from django.db.models import BooleanField, F, Func, Value


def among(column: str, ids: Collection[int]) -> Func:
    """A condition for `filter`: `column` is one of `ids`.

    They are one parameter, and a plain text. `__in` makes and quotes one for each id, which takes longer than the
    query, and so does an array field; in a subquery they would be a list of unknown length to the planner.
    """
    return Func(
        F(column),
        Value(f"{{{','.join(map(str, ids))}}}"),
        template="(%(expressions)s::bigint[]))",
        arg_joiner=" = ANY (",
        output_field=BooleanField(),
    )
