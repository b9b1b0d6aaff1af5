"""Addresses of the API about what judgments mean, below /api/v1/."""

from django.urls import path

from comparisons import api

urlpatterns = [
    path("projects/<slug:slug>/agreement", api.AgreementView.as_view(), name="api-agreement"),
]
