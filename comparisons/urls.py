"""Addresses of pages about what judgments mean."""

from django.urls import path

from comparisons import views, views_review

urlpatterns = [
    path("projects/<slug:slug>/statistics", views.statistics, name="statistics"),
    path("projects/<slug:slug>/statistics/compute", views.recompute_statistics, name="recompute_statistics"),
    path("projects/<slug:slug>/strata", views.strata, name="strata"),
    path("projects/<slug:slug>/agreement", views.recompute_agreement, name="recompute_agreement"),
    path("projects/<slug:slug>/review", views_review.review, name="review"),
    path(
        "projects/<slug:slug>/review/<int:number>/<int:item_number>",
        views_review.review_item,
        name="review_item",
    ),
    path(
        "projects/<slug:slug>/review/<int:number>/<int:item_number>/decision",
        views_review.review_decision,
        name="review_decision",
    ),
]
