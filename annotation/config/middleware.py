"""What every request gets: an id, one log line, and a count; and what only pages get, their language among it."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject
from django_htmx.middleware import HtmxMiddleware

from annotation.config.logs import info_line
from annotation.metrics import observe_request

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class RequestContextMiddleware:
    """Bind a request id (the caller's `X-Request-Id` when it is a plain one); log and count the outcome once."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - started
        response.headers["X-Request-Id"] = request_id
        match = request.resolver_match
        route = (match.view_name or "none") if match else "none"
        told = {
            "method": request.method,
            "path": request.path,
            "route": route,
            "status": response.status_code,
            "user_id": known_user_id(request),
            "milliseconds": round(seconds * 1000, 1),
            "request_id": request_id,
        }
        info_line(log, "request", told)
        observe_request(route, request.method or "", response.status_code, seconds)
        return response


def known_user_id(request: HttpRequest) -> int | None:
    """The id of the person who asked, if the view looked at all; asking here could cost a query.

    Of a session the user is lazy and, once loaded, cached on the request; of a token it was put in its place.
    """
    user = getattr(request, "user", None)
    if type(user) is SimpleLazyObject:
        user = getattr(request, "_cached_user", None)
    return getattr(user, "pk", None)


class PagePolicyMiddleware(CSPMiddleware):
    """The pages' Content-Security-Policy. An answer that brings one of its own (the API) keeps it, and the pages'
    is not built for nothing."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if HEADER in response:
            return response
        return super().process_response(request, response)


class ForPages:
    """Mixed into a middleware that serves pages only: the API has no session, messages or frames, and its calls
    are too many to build them each time."""

    get_response: Any

    def __call__(self, request: Any) -> Any:
        if request.path_info.startswith("/api/"):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class PageSessions(ForPages, SessionMiddleware):
    pass


class PageAuthentication(ForPages, AuthenticationMiddleware):
    pass


WORDLESS = ("/api/", "/healthz", "/readyz", "/metrics", "/csp-report")
"""Addresses that speak English to programs. Who asks is not looked up for them."""
TRANSLATED = frozenset(
    f"annotation.views.{name}"
    for name in (
        *("about_you", "annotator", "differences", "drafts", "reports", "session", "settings_page", "task"),
    )
)
"""Where the views are whose pages are translated; every other page is English from its frame to its errors."""


class PageLanguage:
    """The language of a page: the person's own, for a stranger that of the cookie or of the browser.

    The views look the person up anyway, so asking here first costs no query. What runs outside of a page on the same
    thread (the API, a health check) finds English.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(WORDLESS):
            return self.get_response(request)
        user = request.user
        language = user.language if user.is_authenticated else translation.get_language_from_request(request)
        request.LANGUAGE_CODE = language
        translation.activate(language)
        try:
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language() or "")
        finally:
            translation.deactivate()
        if not user.is_authenticated:
            patch_vary_headers(response, ["Accept-Language"])
        return response

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> None:
        """A page that is not translated is English throughout."""
        if getattr(request, "LANGUAGE_CODE", "en") != "en" and view.__module__ not in TRANSLATED:
            translation.activate("en")


class PageMessages(ForPages, MessageMiddleware):
    pass


class PageFrames(ForPages, XFrameOptionsMiddleware):
    pass


class PageHtmx(ForPages, HtmxMiddleware):
    pass
