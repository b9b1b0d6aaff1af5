"""Tables, as `csv` and `parquet` read them: columns with flat names → the row of a `jsonl` file.

    id, prompt, language, category                           as in `jsonl`
    completion_1 … completion_8, model_1 … model_8           _a and _b are other names of _1 and _2
    gold_preference, gold_tolerance, gold_why                the gold answer
    metadata.NAME                                            one entry of metadata

An empty cell is no value. What the row holds is checked as that of `jsonl`; its errors then name the column.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from annotation.importers.fields import nearest_name
from annotation.importers.jsonl import FIELDS, JsonlImporter
from annotation.importers.rows import ItemRow, Problems, RowError, join_path, printable_key, shorten

Place = tuple[str | int, ...]
"""Where a value stands in the row of a `jsonl` file, as in ("completions", 0, "content")."""

FLAT = {name: (name,) for name in ("id", "prompt", "language", "category")} | {
    f"gold_{name}": ("gold", name) for name in ("preference", "tolerance", "why")
}
NESTED = tuple(name for name in FIELDS if name not in FLAT)
KNOWN = "id, prompt, language, category, completion_1 … completion_8, model_1 … model_8, " + ", ".join(
    name for name in FLAT if name.startswith("gold_")
)
_NUMBERED = re.compile(r"(completion|model)_([1-8ab])")
_NUMBERS = {"a": 0, "b": 1} | {str(number): number - 1 for number in range(1, 9)}
_NAMES = [*FLAT, *NESTED, *(f"{name}_{number}" for name in ("completion", "model") for number in range(1, 9))]
_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,9})(?:\.0*)?\s*")


@lru_cache(1_024)
def place_of(column: str) -> Place | None:
    """None for a column that is not known."""
    if column in FLAT:
        return FLAT[column]
    if column in NESTED:
        return (column,)
    if column.startswith("metadata.") and column != "metadata.":
        return ("metadata", column.removeprefix("metadata."))
    numbered = _NUMBERED.fullmatch(column)
    if numbered is None:
        return None
    return ("completions", _NUMBERS[numbered[2]], "content" if numbered[1] == "completion" else "model")


def check_columns(names: Sequence[str], problems: Problems, *, takes_nested: bool) -> None:
    """Errors for columns that are unknown, doubled or missing. `takes_nested`: also those of `jsonl` itself."""
    if len(names) > problems.limits.keys:
        problems.add(
            "",
            "too_many_columns",
            f"{len(names)} columns",
            f"a table may have at most {problems.limits.keys} columns",
            "keep the columns of what is judged",
        )
        return
    columns: dict[Place, str] = {}
    for name in names:
        place = place_of(name)
        if place is None or (name in NESTED and not takes_nested):
            _add_unknown(name, problems)
        elif place in columns:
            _add_doubled(name, columns[place], problems)
        else:
            columns[place] = name
    for place, name in columns.items():
        if len(place) > 1 and place[:1] in columns:
            _add_doubled(name, columns[place[:1]], problems)
    for name in _missing(columns, problems.limits.completions_min):
        problems.add(
            name, "column_missing", None, "the table has no such column", "add the column, or rename another"
        )


def _missing(columns: Mapping[Place, str], completions_min: int) -> list[str]:
    missing = [] if ("prompt",) in columns else ["prompt"]
    if ("completions",) not in columns:
        used = [place[1] for place in columns if place[0] == "completions" and isinstance(place[1], int)]
        wanted = range(max([completions_min, *(number + 1 for number in used)]))
        missing += [f"completion_{n + 1}" for n in wanted if ("completions", n, "content") not in columns]
    has_gold = any(place[0] == "gold" and len(place) > 1 for place in columns)
    if has_gold and ("gold", "preference") not in columns:
        missing.append("gold_preference")
    return missing


def _add_unknown(name: str, problems: Problems) -> None:
    near = nearest_name(name, _NAMES)
    problems.add(
        printable_key(name),
        "unknown_column",
        name,
        "this column is not known here" + (f"; did you mean {near!r}?" if near else ""),
        f"use {KNOWN}, or for anything else metadata.NAME",
    )


def _add_doubled(name: str, other: str, problems: Problems) -> None:
    problems.add(
        printable_key(name),
        "duplicate_column",
        name,
        f"the column {shorten(other)} is there for the same",
        "keep one of the two",
    )


class TableImporter:
    """What the formats of tables share: a row is a dictionary of columns that `check_columns` let through."""

    holds_judgments = False
    _jsonl = JsonlImporter()

    def item(self, raw: Mapping[str, Any], problems: Problems) -> ItemRow | None:
        item = self._jsonl.item(as_jsonl(raw, problems.limits.completions_min), problems)
        problems.errors[:] = [_with_column(error, raw) for error in problems.errors]
        return item


def as_jsonl(raw: Mapping[str, Any], completions_min: int) -> dict[str, Any]:
    """The row as a `jsonl` file has it. Completions end with the last that has a value, not before the least number."""
    row: dict[str, Any] = {}
    completions: dict[int, dict[str, Any]] = {}
    for column, value in raw.items():
        place = place_of(column)
        if value is None or value == "" or place is None:
            continue
        match place:
            case ("completions", int(number), str(key)):
                completions.setdefault(number, {})[key] = value
            case ("gold", str(key)):
                row.setdefault("gold", {})[key] = value if key == "why" else _whole(value)
            case (str(name), str(key)):
                row.setdefault(name, {})[key] = value
            case (str(name),):
                row[name] = value
    if "completions" not in raw:
        number = max([completions_min, *(number + 1 for number in completions)])
        row["completions"] = [completions.get(index, {}) for index in range(number)]
    return row


def _whole(value: Any) -> Any:
    """A whole number that came as text or as 2.0, as tools write a column with gaps; anything else as it is."""
    if isinstance(value, str) and (match := _WHOLE.fullmatch(value)):
        return int(match[1])
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_column(error: RowError, raw: Mapping[str, Any]) -> RowError:
    for column in raw:
        path = _path(place_of(column) or ())
        rest = error.field.removeprefix(path)
        if path and error.field.startswith(path) and rest[:1] in ("", ".", "["):
            is_text = isinstance(raw[column], str) or raw[column] is None
            return replace(error, field=printable_key(column) + ("" if is_text else rest))
    return error


def _path(place: Place) -> str:
    path = ""
    for step in place:
        path = f"{path}[{step}]" if isinstance(step, int) else join_path(path, step)
    return path
