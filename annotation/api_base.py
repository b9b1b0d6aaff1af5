"""What every API view shares: tokens and scopes, problem+json errors, idempotent calls, cursor pages."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import Http404
from django.utils import timezone
from rest_framework import exceptions, status
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from annotation.access import access_project
from annotation.errors import Refused
from annotation.models import ApiToken, IdempotentCall, User
from annotation.services.calls import forget_calls, remember_call


class ApiView(APIView):
    """A view for people with a token. `scopes` names the scope each method takes."""

    permission_classes = [IsAuthenticated]
    scopes: Mapping[str, str] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = request.method or "GET"
        needed = self.scopes.get(method, "read" if method in ("GET", "HEAD", "OPTIONS") else "manage")
        if needed not in self.token.scopes:
            raise PermissionDenied(f"This takes a token with the scope {needed}.")

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        """JSON, whatever is asked for: there is nothing to choose from."""
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        """JSON is no page: it gets a policy that allows nothing, instead of the pages' one built anew."""
        response = super().finalize_response(*args, **kwargs)
        response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return response

    @property
    def user(self) -> User:
        return cast(User, self.request.user)

    @property
    def token(self) -> ApiToken:
        return cast(ApiToken, self.request.auth)


def checked(serializer_class: type[BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """The validated body. Unknown fields are an error that names them, so that no typo passes silently."""
    if not isinstance(request.data, Mapping):
        raise Refused("Send a JSON object.", field="body")
    serializer = serializer_class(data=request.data)
    known = set(getattr(serializer, "fields", {}))
    unknown = sorted(str(key) for key in set(request.data) - known)
    if unknown:
        raise Refused(
            f"Unknown field {unknown[0]!r}; there are: {', '.join(sorted(known))}.",
            code="unknown",
            field=unknown[0],
        )
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class Pages(CursorPagination):
    """`{"results": […], "next": url | null}`."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """One page. Raises NotFound for a cursor that none of our answers gave."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except ValueError:
            # Its place is no number; DRF sees only whether the cursor can be decoded.
            raise exceptions.NotFound(self.invalid_cursor_message) from None

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link()})


def problem_json(error: Exception, context: dict[str, Any]) -> Response | None:
    """The exception handler: each refusal as application/problem+json (RFC 9457)."""
    if isinstance(error, Refused):
        errors = [{"field": e.field, "code": e.code, "detail": e.detail} for e in error.errors]
        return problem(error.status, error.detail, errors, code=error.code)
    if isinstance(error, Http404):
        return problem(404, "There is nothing here, or it is not yours to see.")
    if isinstance(error, PermissionDenied):
        return problem(403, str(error) or "You may not do this.")
    if isinstance(error, exceptions.ValidationError):
        return problem(422, "The request is not valid; nothing was stored.", list(flat_errors(error.detail)))
    if isinstance(error, exceptions.APIException):
        response = problem(error.status_code, str(error.detail))
        if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
            response["WWW-Authenticate"] = getattr(error, "auth_header", 'Bearer realm="concord"')
        wait = getattr(error, "wait", None)  # set on Throttled
        if wait:
            response["Retry-After"] = str(int(wait) + 1)
        return response
    return None


def flat_errors(detail: Any, field: str = "") -> list[dict[str, Any]]:
    """DRF's nested error detail as a list of {"field", "code", "detail"} with dotted fields."""
    if isinstance(detail, Mapping):
        parts = [flat_errors(value, f"{field}.{key}" if field else str(key)) for key, value in detail.items()]
        return [error for part in parts for error in part]
    if isinstance(detail, list):
        return [error for value in detail for error in flat_errors(value, field)]
    return [{"field": field, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}]


TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    422: "Not valid",
    429: "Too many requests",
    503: "Not available now",
}


def problem(
    code_status: int, detail: str, errors: list[dict[str, Any]] | None = None, *, code: str = ""
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:concord:{code}" if code else "about:blank",
        "title": TITLES.get(code_status, "Error"),
        "status": code_status,
        "detail": detail,
        "errors": errors or [],
    }
    return Response(body, status=code_status, content_type="application/problem+json")


View = TypeVar("View", bound=Callable[..., Response])


def idempotent(method: View) -> View:
    """Honour `Idempotency-Key`: the same call again gets the same answer, stored with the change.

    Kept 24 hours per (person, route, key). The same key with another body is refused with 409. Who has lost
    the project meanwhile, or comes with a token that does not reach it, gets the 404 of anybody outside.
    """

    @wraps(method)
    def call(view: ApiView, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return method(view, request, *args, **kwargs)
        if len(key) > 200:
            raise Refused("An Idempotency-Key has at most 200 characters.", field="Idempotency-Key")
        if "slug" in kwargs:
            access_project(view.user, kwargs["slug"], token=view.token)
        now = timezone.now()
        body_hash = request_hash(request)
        with transaction.atomic():
            # Race: the same call twice at once. The advisory lock on the key makes them take turns.
            lock_key(view.user.pk, request.path, key)
            forget_calls(now)
            calls = IdempotentCall.objects.filter(user=view.user, route=request.path[:200], key=key)
            earlier = calls.first()
            if earlier is not None:
                return remembered(earlier, body_hash)
            response = method(view, request, *args, **kwargs)
            remember_call(
                user=view.user,
                route=request.path[:200],
                key=key,
                body_hash=body_hash,
                status=response.status_code,
                answer=json.loads(JSONRenderer().render(response.data)),
                now=now,
            )
            return response

    return cast(View, call)


def remembered(earlier: IdempotentCall, body_hash: bytes) -> Response:
    """The earlier answer. Raises Refused when the body was another one."""
    if bytes(earlier.body_hash) != body_hash:
        raise Refused(
            "This Idempotency-Key came before with another body.",
            code="conflict",
            field="Idempotency-Key",
            status=status.HTTP_409_CONFLICT,
        )
    return Response(earlier.answer, status=earlier.status)


def request_hash(request: Request) -> bytes:
    """SHA-256 of the parsed body; files count by name, size and content."""
    digest = hashlib.sha256()
    data = request.data if isinstance(request.data, Mapping) else {"": request.data}
    plain = {key: value for key, value in data.items() if key not in request.FILES}
    digest.update(json.dumps(plain, sort_keys=True, default=str).encode())
    for name, file in sorted(request.FILES.items()):
        digest.update(f"{name}:{file.size}:".encode())
        for chunk in file.chunks():
            digest.update(chunk)
        file.seek(0)
    return digest.digest()


def lock_key(user_id: int, route: str, key: str) -> None:
    number = int.from_bytes(
        hashlib.sha256(f"{user_id} {route} {key}".encode()).digest()[:8], "big", signed=True
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
