"""Who may see a page: somebody who is signed in. Which rows they may see is decided in `access.py`."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext
from django_htmx.middleware import HtmxDetails

from annotation.models import User

P = ParamSpec("P")


class SignedInRequest(HttpRequest):
    """A request of a person; `htmx` is true when htmx sent it and wants a fragment."""

    user: User
    htmx: HtmxDetails


Page = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def signed_in(view: Page[P]) -> View[P]:
    """Send strangers to the sign-in page. A request of htmx gets 401 instead, and the page stays as it is."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)  # type: ignore[arg-type]
        if request.headers.get("HX-Request"):
            return HttpResponse(
                gettext("Please sign in again."), status=401, content_type="text/plain; charset=utf-8"
            )
        # Only a GET can be asked for again after signing in.
        return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")

    return guarded
