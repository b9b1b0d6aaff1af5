"""Addresses of pages about reward models."""

from django.urls import path

from rewards import views

urlpatterns = [
    path("projects/<slug:slug>/reward-runs", views.start, name="start_reward_run"),
    path("projects/<slug:slug>/reward-runs/<int:run>", views.reward_run, name="reward_run"),
]
