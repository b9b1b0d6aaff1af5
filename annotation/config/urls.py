"""Every address of the site: each app brings its own."""

from django.urls import path

from annotation.config import health

urlpatterns = [
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
]

handler500 = "annotation.config.health.server_error"
