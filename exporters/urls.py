"""Addresses of the release pages."""

from django.urls import path

from exporters import views

urlpatterns = [
    path("projects/<slug:slug>/releases", views.releases, name="releases"),
    path("projects/<slug:slug>/releases/<str:version>", views.release, name="release"),
    path(
        "projects/<slug:slug>/releases/<str:version>/compare/<str:other>",
        views.compare_releases,
        name="compare_releases",
    ),
    path(
        "projects/<slug:slug>/releases/<str:version>/files/<path:name>",
        views.release_file,
        name="release_file",
    ),
]
