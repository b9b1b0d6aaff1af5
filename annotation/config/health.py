"""Two addresses for supervisors and load balancers, and what is answered when something breaks."""

import sys
from collections.abc import Mapping

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

log = structlog.get_logger(__name__)

DATABASE_GONE = (
    "The database cannot be reached at the moment. Send the same again in a few seconds: "
    "an answer that did arrive is never counted twice."
)
BROKEN = "Something broke on our side. The log has it under the request id in X-Request-Id."


@require_safe
@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers too, else 503."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ready\n", content_type="text/plain; charset=utf-8")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for an exception nobody caught, in middleware too: 503 for a lost database, else 500.

    Django calls this while the exception is being handled.
    """
    gone = isinstance(sys.exception(), OperationalError | InterfaceError)
    status, title, detail = (
        (503, "Service Unavailable", DATABASE_GONE) if gone else (500, "Server Error", BROKEN)
    )
    headers = {"Retry-After": "5"} if gone else {}
    if request.path.startswith("/api/"):
        return problem(status, title, detail, headers)
    if gone:
        return HttpResponse(detail, status=status, headers=headers, content_type="text/plain; charset=utf-8")
    return defaults.server_error(request)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for an address that nothing is behind: the API's as a problem, any other as a page."""
    if request.path.startswith("/api/"):
        return problem(404, "Not Found", "The API has no such address; /api/v1/docs lists them.", {})
    return defaults.page_not_found(request, exception)


def problem(status: int, title: str, detail: str, headers: Mapping[str, str]) -> HttpResponse:
    """application/problem+json (RFC 9457), without what the API's views need to be loaded."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": []}
    return JsonResponse(body, status=status, headers=headers, content_type="application/problem+json")
