"""What the command says instead of a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CommandError(Exception):
    """One sentence for the person at the terminal; `errors` are shown as a table below it."""

    def __init__(self, detail: str, errors: Sequence[dict[str, Any]] = (), *, status: int = 0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.status = status
        """The HTTP status it came with; 0 when there was no answer."""
