"""What the kinds share when they read the answer of an export: every completion by its position of import."""

from collections.abc import Sequence
from typing import Any

from annotation.kinds import Screen
from comparisons.kinds.checks import Problems, spoken


def label_at(position: Any, field: str, screen: Screen, problems: Problems) -> str:
    """The label of the completion at `position` on a screen in the order of import."""
    at = problems.integer(position, field, 0, len(screen.labels) - 1)
    return "" if at is None else screen.labels[at]


def one_for_each(value: Any, field: str, screen: Screen, problems: Problems) -> Sequence[Any]:
    """`value` when it is a list with an entry for each completion; otherwise reports it and returns none."""
    if isinstance(value, list) and len(value) == len(screen.labels):
        return value
    problems.add(field, "wrong_length", f"Send a list of {len(screen.labels)}, one for each completion.")
    return []


def only_keys(value: Any, field: str, wanted: Sequence[str], problems: Problems) -> dict[str, Any]:
    """`value` when it is an object with exactly the keys `wanted`; otherwise reports it and returns {}."""
    if isinstance(value, dict) and set(value) == set(wanted):
        return value
    problems.add(field, "not_an_object", f"Send an object with {spoken(wanted)}.")
    return {}


def unchanged_lines(text: Any, field: str, problems: Problems) -> Any:
    """`text`, whose line ends are newlines: with others it would not be stored as it is."""
    if isinstance(text, str) and "\r" in text:
        problems.add(field, "line_ends", "Write line ends as newlines, without carriage returns.")
    return text
