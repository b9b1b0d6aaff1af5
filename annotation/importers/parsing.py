"""One line of JSON → a dictionary whose every value PostgreSQL, a page and a trainer can hold.

Python's own decoder is lenient where data gets lost later: it takes NaN, integers of any length, the
last of two equal keys, lone surrogates and NUL. Each of those is found here, with its path.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from annotation.importers.lines import Line
from annotation.importers.rows import Limits, Problems, join_path, shorten

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1

# A whole string (or an unended one up to the end: possessive, so no quadratic retries), or a bracket.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]+|\\.)*+"?|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands in the parsed tree where a value was refused, until the walk names its path."""

    code: str
    value: str
    detail: str
    fix: str
    key: str = ""


def parse_object(line: Line, problems: Problems) -> dict[str, Any] | None:
    """The object on this line, or None with the reasons in `problems`. Raises nothing."""
    text = _decode(line.data, problems)
    if text is None or _too_deep(text, problems):
        return None
    try:
        value = _decoder(problems.limits).decode(text)
    except json.JSONDecodeError as error:
        problems.add(
            "",
            "not_json",
            text[max(0, error.pos - 20) : error.pos + 20],
            f"not valid JSON at column {error.pos + 1}: {error.msg}",
            "write one JSON object a line, with double quotes and without trailing commas",
        )
        return None
    _walk(value, "", problems)
    if problems:
        return None
    if not isinstance(value, dict):
        problems.add(
            "",
            "not_an_object",
            value,
            "the line is not a JSON object",
            'write {"field": value, …} on each line',
        )
        return None
    return value


def parse_row(values: Mapping[str, Any], problems: Problems) -> dict[str, Any] | None:
    """The same for a row of a table: it goes through the line of JSON that it could have been."""
    return parse_object(Line(problems.line, json.dumps(values, ensure_ascii=False).encode()), problems)


def _decode(data: bytes, problems: Problems) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.add(
            "",
            "not_utf8",
            data[max(0, error.start - 10) : error.start + 10],
            f"byte {error.start + 1} of the line is not valid UTF-8",
            "save the file as UTF-8",
        )
        return None
    if text.startswith("\ufeff"):
        problems.add(
            "",
            "byte_order_mark",
            text[:20],
            "a byte order mark stands inside the file",
            "remove it: it is accepted at the very start of a file only",
        )
        return None
    return text


def _too_deep(text: str, problems: Problems) -> bool:
    """Counted before parsing, so that nesting never reaches the decoder's recursion."""
    limit = problems.limits.depth
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        mark = text[match.start()]
        if mark in "[{":
            depth += 1
            if depth > limit:
                problems.add(
                    "",
                    "too_deep",
                    text[:40],
                    f"lists and objects are nested more than {limit} deep",
                    "flatten the row; deep structures can be kept as text in metadata",
                )
                return True
        elif mark in "]}":
            depth -= 1
    return False


def _decoder(limits: Limits) -> json.JSONDecoder:
    def integer(text: str) -> int | _Fault:
        if len(text) > limits.number_length:
            return _long_number(text, limits)
        value = int(text)
        return value if INTEGER_MIN <= value <= INTEGER_MAX else _too_large(text)

    def real(text: str) -> float | _Fault:
        if len(text) > limits.number_length:
            return _long_number(text, limits)
        value = float(text)
        if not math.isfinite(value):
            return _not_finite(text)
        # PostgreSQL keeps 1e20 as the integer of 21 digits, which would then be refused on its way back.
        return value if INTEGER_MIN <= value <= INTEGER_MAX else _too_large(text)

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Fault:
        return _object(pairs, limits)

    return json.JSONDecoder(
        object_pairs_hook=object_of, parse_int=integer, parse_float=real, parse_constant=_not_finite
    )


def _object(pairs: list[tuple[str, Any]], limits: Limits) -> dict[str, Any] | _Fault:
    value = dict(pairs)
    if len(value) > limits.keys:
        return _Fault(
            "too_many_keys",
            f"{len(value)} keys",
            f"an object may have at most {limits.keys} keys",
            "keep the row to what is judged; large structures can be kept as text in metadata",
        )
    if len(value) == len(pairs):
        return value
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            break
        seen.add(key)
    return _Fault(
        "duplicate_key", key, "the same key stands twice in one object", "keep one of the two", key=key
    )


def _too_large(text: str) -> _Fault:
    return _Fault(
        "number_too_large", text, "the number does not fit in 64 bits", "write it as text in quotes"
    )


def _long_number(text: str, limits: Limits) -> _Fault:
    return _Fault(
        "number_too_long",
        text,
        f"a number may have at most {limits.number_length} characters",
        "round it, or write it as text in quotes",
    )


def _not_finite(text: str) -> _Fault:
    return _Fault(
        "not_finite",
        text,
        "NaN and infinite numbers are not JSON",
        "leave the value out, or write null in metadata",
    )


def _walk(value: Any, path: str, problems: Problems) -> None:
    """Look at every value once. Recursion is bounded by `limits.depth`, which was checked before."""
    if isinstance(value, str):
        _check_text(value, path, problems)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            _walk(one, f"{path}[{index}]", problems)
    elif isinstance(value, dict):
        for key, one in value.items():
            inner = join_path(path, key)
            if len(key) > problems.limits.name_length:
                problems.add(
                    inner,
                    "name_too_long",
                    key,
                    f"a key may have at most {problems.limits.name_length} characters",
                    "use a shorter key",
                )
            _check_text(key, inner, problems)
            _walk(one, inner, problems)
    elif isinstance(value, _Fault):
        field = join_path(path, value.key) if value.key else path
        problems.add(field, value.code, value.value[:60], value.detail, value.fix)


def _check_text(text: str, path: str, problems: Problems) -> None:
    if len(text) > problems.limits.text_length:
        problems.add(
            path,
            "text_too_long",
            text,
            f"the text has {len(text)} characters, more than {problems.limits.text_length}",
            "shorten it",
        )
    if "\0" in text:
        problems.add(
            path,
            "nul",
            _around(text, text.index("\0")),
            "the text holds a NUL character (\\u0000), which cannot be stored",
            "remove it",
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        problems.add(
            path,
            "lone_surrogate",
            _around(text, error.start),
            f"the text holds half of a surrogate pair ({shorten(text[error.start])})",
            "remove it, or write the whole character",
        )


def _around(text: str, position: int) -> str:
    return text[max(0, position - 10) : position + 10]
