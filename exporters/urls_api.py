"""Addresses of the releases API, below /api/v1/."""

from django.urls import path

from exporters import api, api_stream

urlpatterns = [
    path("projects/<slug:slug>/releases", api.ReleasesView.as_view(), name="api-releases"),
    path("projects/<slug:slug>/releases/<str:version>", api.ReleaseView.as_view(), name="api-release"),
    path(
        "projects/<slug:slug>/releases/<str:version>/compare/<str:other>",
        api.CompareView.as_view(),
        name="api-compare-releases",
    ),
    path(
        "projects/<slug:slug>/releases/<str:version>/files/<path:name>",
        api.ReleaseFileView.as_view(),
        name="api-release-file",
    ),
    path(
        "projects/<slug:slug>/judgments", api_stream.JudgmentStreamView.as_view(), name="api-judgment-stream"
    ),
]
