"""Addresses of the API about what judgments mean, below /api/v1/."""

from django.urls import path

from comparisons import api, api_statistics

urlpatterns = [
    path("projects/<slug:slug>/agreement", api.AgreementView.as_view(), name="api-agreement"),
    path("projects/<slug:slug>/statistics", api_statistics.StatisticsView.as_view(), name="api-statistics"),
    path(
        "projects/<slug:slug>/statistics/items",
        api_statistics.ItemStatisticsView.as_view(),
        name="api-item-statistics",
    ),
]
