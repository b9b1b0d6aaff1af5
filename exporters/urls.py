"""Addresses of the release pages."""

from django.urls import path

from exporters import views, views_webhooks

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
    path("projects/<slug:slug>/webhooks", views_webhooks.webhooks, name="webhooks"),
    path(
        "projects/<slug:slug>/webhooks/<int:pk>/remove", views_webhooks.webhook_remove, name="webhook_remove"
    ),
    path(
        "projects/<slug:slug>/deliveries/<int:pk>/again", views_webhooks.delivery_again, name="delivery_again"
    ),
]
