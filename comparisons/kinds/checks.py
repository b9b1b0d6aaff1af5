"""What the kinds share when they read an answer or a protocol: every problem is collected, none guessed."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from annotation.kinds import AnswerError, FieldError

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def dotted(*parts: str | int) -> str:
    """`dotted("criteria", "clarity", "tie")` is "criteria.clarity.tie"; empty parts fall out."""
    return ".".join(str(part) for part in parts if part != "")


def echoed(key: object) -> str:
    """An unknown key as it can be sent back: short, and without characters that no reply could carry."""
    return str(key)[:60].encode("ascii", "backslashreplace").decode("ascii")


def spoken(words: Iterable[object]) -> str:
    """A list for a sentence: "A, B, C"."""
    return ", ".join(str(word) for word in words)


class Problems:
    """The errors found so far in one input."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def add(self, field: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(field, code, detail))

    def raise_if_any(self) -> None:
        """Raises AnswerError with everything that was added."""
        if self.errors:
            raise AnswerError(self.errors)

    def mapping(self, value: Any, field: str, allowed: Collection[str]) -> Mapping[str, Any]:
        """`value` when it is an object; keys outside `allowed` are reported. Otherwise an empty mapping."""
        if not isinstance(value, Mapping):
            self.add(
                field,
                "not_an_object",
                f"Send an object with {spoken(allowed) or 'no keys'} here.",
            )
            return {}
        for key in value:
            if key == "preference" and key not in allowed:
                # The signed form means completion 0 or 1 as imported, which nobody sees on a lease: taking
                # it here would turn half of all answers round without a trace.
                self.add(
                    dotted(field, key),
                    "signed_form",
                    "The signed form is not taken on a lease; send preferred and strength in the labels shown.",
                )
            elif key not in allowed:
                self.add(
                    dotted(field, echoed(key)),
                    "unknown_field",
                    f"Unknown field; known here: {spoken(allowed) or 'none'}.",
                )
        return value

    def integer(self, value: Any, field: str, low: int, high: int) -> int | None:
        """`value` when it is a whole number in low…high; otherwise reports it and returns None."""
        if isinstance(value, bool) or not isinstance(value, int):
            self.add(field, "not_an_integer", f"Send a whole number from {low} to {high}.")
            return None
        if not low <= value <= high:
            self.add(field, "out_of_range", f"Send a whole number from {low} to {high}.")
            return None
        return value

    def text(self, value: Any, field: str, *, longest: int) -> str:
        """`value` when it is text of at most `longest` characters; otherwise reports it and returns ""."""
        if not isinstance(value, str):
            self.add(field, "not_text", "Send text here.")
            return ""
        if UNSTORABLE.search(value):
            self.add(field, "not_storable", "Remove the NUL characters and lone surrogates.")
            return ""
        if len(value) > longest:
            self.add(
                field,
                "too_long",
                f"Use at most {longest} characters; these are {len(value)}.",
            )
            return ""
        return value
