"""The web application that takes a lost database for a fault of its own, for a control only: 500 instead of 503."""

from django.http import HttpRequest, HttpResponse

from annotation.config.wsgi import application

from annotation.config import urls  # isort: skip  (its views can be read only once the line above is)

__all__ = ["application"]


def broken(request: HttpRequest) -> HttpResponse:
    return HttpResponse("broken", status=500, content_type="text/plain")


urls.handler500 = f"{__name__}.broken"
