"""Addresses of pages about what judgments mean."""

from django.urls import path

from comparisons import views

urlpatterns = [
    path("projects/<slug:slug>/statistics", views.statistics, name="statistics"),
    path("projects/<slug:slug>/statistics/compute", views.recompute_statistics, name="recompute_statistics"),
    path("projects/<slug:slug>/strata", views.strata, name="strata"),
    path("projects/<slug:slug>/agreement", views.recompute_agreement, name="recompute_agreement"),
]
