"""Single values of a line of judgments. Each returns the value, or a harmless one with an error added."""

from dataclasses import replace
from typing import Any, TypeVar

from annotation.importers.lines import Line
from annotation.importers.parsing import parse_object
from annotation.importers.rows import Problems, join_path

T = TypeVar("T")
INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1


def labels_of(completions: int) -> list[str]:
    """Labels on a screen with so many completions: "A", "B", …"""
    return [chr(ord("A") + index) for index in range(completions)]


def read_integer(value: Any, field: str, low: int, high: int, problems: Problems) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    problems.add(
        field,
        "out_of_range",
        value,
        f"a whole number from {low} to {high} is wanted",
        "send the release's file as it is",
    )
    return low


def read_list(value: Any, field: str, of: type[T], problems: Problems) -> list[T]:
    """A list whose every entry is of the type `of`; true and false are no numbers."""
    if isinstance(value, list) and all(isinstance(one, of) and not isinstance(one, bool) for one in value):
        return value
    names = {int: "whole numbers", str: "texts", dict: "objects"}
    problems.add(
        field, "not_a_list", value, f"this is a list of {names[of]}", "send the release's file as it is"
    )
    return []


def read_json_text(value: Any, field: str, problems: Problems) -> dict[str, Any]:
    """The object that is written as JSON in a text, held to the same rules as the line itself."""
    if not isinstance(value, str):
        problems.add(field, "not_text", value, "this field is JSON in a text", 'write "{}" for nothing')
        return {}
    inner = Problems(problems.line, problems.limits)
    found = parse_object(Line(problems.line, value.encode()), inner)
    for error in inner.errors:
        if not problems.is_full:
            problems.errors.append(
                replace(error, field=join_path(field, error.field) if error.field else field)
            )
    return found or {}
