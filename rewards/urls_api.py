"""Addresses of the API about reward models, below /api/v1/."""

from django.urls import path

from rewards import api

urlpatterns = [
    path("projects/<slug:slug>/reward-runs", api.RewardRunsView.as_view(), name="api-reward-runs"),
    path("projects/<slug:slug>/reward-runs/<int:run>", api.RewardRunView.as_view(), name="api-reward-run"),
]
