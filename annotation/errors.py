"""Refusals that a person can act on. Pages show them in place; the API turns them into problem+json."""

from collections.abc import Sequence

from annotation.kinds import FieldError


class Refused(Exception):
    """The request cannot be done as asked; nothing was stored.

    `status` is the HTTP status it takes in the API: 409, 413, 422 or 429.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str = "invalid",
        field: str = "",
        status: int = 422,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status
        self.errors = list(errors) or ([FieldError(field, code, detail)] if field else [])

    def below(self, field: str) -> "Refused":
        """The same refusal, its fields dotted below `field`."""
        errors = [
            FieldError(f"{field}.{e.field}" if e.field else field, e.code, e.detail) for e in self.errors
        ]
        return Refused(self.detail, code=self.code, status=self.status, errors=errors)
