"""The API takes tokens only; the pages take sessions only."""

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from annotation.models import ApiToken, User
from annotation.services.people import TOKEN_PREFIX, token_digest
from annotation.statements import Columns, Statement, know, load_side_by_side

TOKEN = Columns(ApiToken, "id user_id scopes is_limited_to_projects")
USER = Columns(User, "id email name is_active can_create_projects")

FIND_TOKEN = Statement(
    "find_token",
    ["bytea", "timestamptz"],  # digest, now
    f"""
    SELECT {TOKEN.of("t")}, {USER.of("u")}
    FROM annotation_apitoken t JOIN annotation_user u ON u.id = t.user_id
    WHERE t.digest = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2) AND u.is_active
    """,
)


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
        row = FIND_TOKEN.row(token_digest(token), timezone.now())
        if row is None or not token.startswith(TOKEN_PREFIX):
            raise AuthenticationFailed("This token is not valid.")
        found: ApiToken
        found, user = load_side_by_side(row, TOKEN, USER)
        know(found, user=user)
        return user, found

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="concord"'


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "annotation.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
