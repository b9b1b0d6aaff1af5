"""JSON bodies, with odd text refused before anything else sees it."""

import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEPTH_MAX = 32
INTEGER_MAX = 2**63


class StrictJSONParser(JSONParser):
    """As DRF's (which refuses NaN), and no NUL, lone surrogate, integer of 2^63 or more, or deep nesting."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            data = super().parse(stream, media_type, dict(parser_context or {}))
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        refuse_odd_values(data)
        return data


def refuse_odd_values(data: Any) -> None:
    """Walk `data` without recursion; raises ParseError at the first value that no table could hold."""
    stack = [(data, 0)]
    while stack:
        value, depth = stack.pop()
        if depth > DEPTH_MAX:
            raise ParseError(f"The JSON is nested more than {DEPTH_MAX} deep.")
        if isinstance(value, str):
            refuse_odd_text(value)
        elif isinstance(value, int) and abs(value) >= INTEGER_MAX:
            raise ParseError("The JSON holds an integer of 2^63 or more.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ParseError("The JSON holds a number beyond what a float can hold.")
        elif isinstance(value, dict):
            stack += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            stack += [(part, depth + 1) for part in value]


def refuse_odd_text(text: str) -> None:
    if "\x00" in text:
        raise ParseError("The JSON holds a NUL character (\\u0000); leave it out.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ParseError("The JSON holds half of a surrogate pair (\\ud800 to \\udfff alone).") from None
