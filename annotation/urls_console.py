"""Addresses of the console: the pages of leads, reviewers and engineers, and everybody's settings."""

from django.urls import path

from annotation.views import console, jobs, reports, settings_page, setup, staffing, strata

urlpatterns = [
    path("projects", console.projects, name="projects"),
    path("projects/new", setup.project_new, name="project_new"),
    path("projects/<slug:slug>", console.project, name="project"),
    path("projects/<slug:slug>/protocol", setup.protocol, name="protocol"),
    path("projects/<slug:slug>/texts", setup.texts, name="texts"),
    path("projects/<slug:slug>/members", console.members, name="members"),
    path("projects/<slug:slug>/batches/new", console.batch_new, name="batch_new"),
    path("projects/<slug:slug>/batches/<int:number>", console.batch, name="batch"),
    path("projects/<slug:slug>/batches/<int:number>/close", console.batch_close, name="batch_close"),
    path("projects/<slug:slug>/batches/<int:number>/items/<int:item_number>", console.item, name="item"),
    path("projects/<slug:slug>/batches/<int:number>/overlap", staffing.batch_overlap, name="batch_overlap"),
    path("projects/<slug:slug>/batches/<int:number>/staff", staffing.batch_staff, name="batch_staff"),
    path("projects/<slug:slug>/members/<slug:pseudonym>", staffing.member, name="member"),
    path("projects/<slug:slug>/members/<slug:pseudonym>/pause", staffing.member_pause, name="member_pause"),
    path(
        "projects/<slug:slug>/members/<slug:pseudonym>/resume", staffing.member_resume, name="member_resume"
    ),
    path(
        "projects/<slug:slug>/members/<slug:pseudonym>/qualify/<int:number>",
        staffing.member_qualify,
        name="member_qualify",
    ),
    path("projects/<slug:slug>/questions", strata.strata_questions, name="strata_questions"),
    path("projects/<slug:slug>/questions/<int:pk>/delete", strata.stratum_drop, name="stratum_drop"),
    path("projects/<slug:slug>/limits", staffing.limits, name="limits"),
    path("projects/<slug:slug>/reports/<int:pk>/handled", reports.report_handled, name="report_handled"),
    path("projects/<slug:slug>/jobs", jobs.jobs, name="jobs"),
    path("jobs/<uuid:job_id>", console.job, name="job"),
    path("jobs/<uuid:job_id>/cancel", jobs.job_cancel, name="job_cancel"),
    path("jobs/<uuid:job_id>/retry", jobs.job_retry, name="job_retry"),
    path("settings", settings_page.settings, name="settings"),
    path("settings/tokens", settings_page.tokens, name="tokens"),
    path("settings/tokens/<int:pk>/revoke", settings_page.token_revoke, name="token_revoke"),
]
