"""The API takes tokens only; the pages take sessions only.

What an annotator calls all day opens one thing, a membership or a lease, and signs in with the query that finds it:
one query less for each call. `access.py` hands it out, and asks by itself where nothing was found.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from annotation.access import ANNOTATOR_OF, LEASE_OF, annotator_from, lease_from
from annotation.models import ApiToken, Lease, Membership, User
from annotation.services.people import TOKEN_PREFIX, token_digest
from annotation.statements import Columns, Statement, know, load_side_by_side

TOKEN = Columns(ApiToken, "id user_id scopes is_limited_to_projects")
USER = Columns(User, "id email name is_active can_create_projects")


def find_token(name: str, subject_type: str = "", opened: str = "") -> Statement:
    """A token that is in force, its person, and with `opened` (SQL of access.py) what they open with it, or nulls."""
    of_both = {"user": "u.id", "subject": "$3", "limit": "CASE WHEN k.is_limited_to_projects THEN k.id END"}
    return Statement(
        name,
        ["bytea", "timestamptz", *filter(None, [subject_type])],  # digest, now, subject
        f"""
        SELECT {TOKEN.of("k")}, {USER.of("u")}{", o.*" if opened else ""}
        FROM annotation_apitoken k JOIN annotation_user u ON u.id = k.user_id
        {f"LEFT JOIN LATERAL ({opened.format(**of_both)}) AS o ON true" if opened else ""}
        WHERE k.digest = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2) AND u.is_active
        """,
    )


FIND_TOKEN = find_token("find_token")
FIND_TOKEN_AND_ANNOTATOR = find_token("find_token_and_annotator", "text", ANNOTATOR_OF)
FIND_TOKEN_AND_LEASE = find_token("find_token_and_lease", "bigint", LEASE_OF)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer ccd_…`. One answer for a wrong, revoked and expired token alike."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if len(parts) != 2 or parts[0].lower() != b"bearer":
            raise AuthenticationFailed("Send the header 'Authorization: Bearer <token>'.")
        try:
            token = parts[1].decode("ascii")
        except UnicodeDecodeError:
            raise AuthenticationFailed("This token is not valid.") from None
        row = self.find(request, token_digest(token), timezone.now())
        if row is None or not token.startswith(TOKEN_PREFIX):
            raise AuthenticationFailed("This token is not valid.")
        found: ApiToken
        found, user = load_side_by_side(row, TOKEN, USER)
        know(found, user=user)
        opened = row[TOKEN.width + USER.width :]
        if opened and opened[0] is not None:
            found.__dict__["opened"] = self.opened(opened, user)
        return user, found

    def find(self, request: Any, digest: bytes, now: datetime) -> tuple[Any, ...] | None:
        return FIND_TOKEN.row(digest, now)

    def opened(self, row: Sequence[Any], user: User) -> Membership | Lease | None:
        """What `find` found beside the token, out of its columns; here, nothing."""
        return None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="concord"'


class AnnotatorAuthentication(TokenAuthentication):
    """Of the views with the address of a project in which the caller judges."""

    def find(self, request: Any, digest: bytes, now: datetime) -> tuple[Any, ...] | None:
        return FIND_TOKEN_AND_ANNOTATOR.row(digest, now, request.parser_context["kwargs"]["slug"])

    def opened(self, row: Sequence[Any], user: User) -> Membership:
        return annotator_from(row, user)


class LeaseAuthentication(TokenAuthentication):
    """Of the views with the address of a lease."""

    def find(self, request: Any, digest: bytes, now: datetime) -> tuple[Any, ...] | None:
        public_id = request.parser_context["kwargs"]["pk"]
        return FIND_TOKEN_AND_LEASE.row(digest, now, public_id if public_id < 2**63 else None)

    def opened(self, row: Sequence[Any], user: User) -> Lease:
        return lease_from(row, user)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "annotation.authentication.TokenAuthentication"
    match_subclasses = True
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
