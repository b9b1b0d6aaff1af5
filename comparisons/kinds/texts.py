"""What the kinds share whose answers are written texts."""

from typing import Any

from comparisons.kinds.checks import Problems


def plain_lines(text: str) -> str:
    """`text` with line ends as newlines: forms send CRLF, whatever was typed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(value: Any, field: str, ask: str, problems: Problems, *, longest: int) -> str:
    """A text of 1…`longest` characters that says something; otherwise reports it and returns "".

    `ask` is what to say when there is none.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        problems.add(field, "required", ask)
        return ""
    return problems.text(plain_lines(value) if isinstance(value, str) else value, field, longest=longest)


def shown_text(value: Any, otherwise: str = "") -> str:
    """What to put into a text field for an answer of any shape."""
    return value if isinstance(value, str) else otherwise
