"""Every address of the site: each app brings its own."""

from csp.decorators import csp_update
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from annotation.config import health, metrics

# Swagger UI sets style attributes from its script and draws its icons from data: addresses. Only its own
# page allows that; it shows no text of models or people.
docs = csp_update({"style-src": ["'unsafe-inline'"], "img-src": ["data:"]})(
    SpectacularSwaggerSplitView.as_view(url_name="api-schema")
)

# Addresses are tried in this order, and the API's calls are by far the most frequent.
urlpatterns = [
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/v1/docs", docs, name="api-docs"),
    path("api/v1/", include("annotation.urls_api")),
    path("api/v1/", include("comparisons.urls_api")),
    path("api/v1/", include("exporters.urls_api")),
    path("api/v1/", include("rewards.urls_api")),
    path("", include("annotation.urls")),
    path("", include("comparisons.urls")),
    path("", include("exporters.urls")),
    path("", include("rewards.urls")),
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler404 = "annotation.config.health.not_found"
handler500 = "annotation.config.health.server_error"
