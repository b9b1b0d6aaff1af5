"""Addresses of the console: the pages of leads, reviewers and engineers, and everybody's settings."""

from django.urls import path

from annotation.views import console, settings_page

urlpatterns = [
    path("projects", console.projects, name="projects"),
    path("projects/<slug:slug>", console.project, name="project"),
    path("projects/<slug:slug>/members", console.members, name="members"),
    path("projects/<slug:slug>/batches/new", console.batch_new, name="batch_new"),
    path("projects/<slug:slug>/batches/<int:number>", console.batch, name="batch"),
    path("projects/<slug:slug>/batches/<int:number>/close", console.batch_close, name="batch_close"),
    path("projects/<slug:slug>/batches/<int:number>/items/<int:item_number>", console.item, name="item"),
    path("jobs/<uuid:job_id>", console.job, name="job"),
    path("settings", settings_page.settings, name="settings"),
    path("settings/tokens", settings_page.token_create, name="token_create"),
    path("settings/tokens/<int:pk>/revoke", settings_page.token_revoke, name="token_revoke"),
]
