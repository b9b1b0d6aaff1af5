"""Addresses of the workplace's API, below /api/v1/."""

from django.urls import path

from annotation.api import batches, jobs, people, projects, staffing, work

urlpatterns = [
    path("projects/<slug:slug>/lease", work.LeaseView.as_view(), name="api-lease"),
    path("assignments/<int:pk>/judgments", work.JudgmentsView.as_view(), name="api-judgments"),
    path("projects", projects.ProjectsView.as_view(), name="api-projects"),
    path("projects/<slug:slug>", projects.ProjectView.as_view(), name="api-project"),
    path("projects/<slug:slug>/protocols", projects.ProtocolsView.as_view(), name="api-protocols"),
    path("projects/<slug:slug>/guidelines", projects.GuidelinesView.as_view(), name="api-guidelines"),
    *people.urlpatterns,
    path("jobs/<uuid:job_id>", jobs.JobView.as_view(), name="api-job"),
    path("jobs/<uuid:job_id>/cancel", jobs.CancelJobView.as_view(), name="api-job-cancel"),
    path("jobs/<uuid:job_id>/retry", jobs.RetryJobView.as_view(), name="api-job-retry"),
    path("assignments/<int:pk>/extend", work.ExtendView.as_view(), name="api-extend"),
    path("assignments/<int:pk>/release", work.ReleaseAssignmentView.as_view(), name="api-release-assignment"),
    path("judgments/<int:pk>/undo", work.UndoView.as_view(), name="api-undo"),
    path("judgments/<int:pk>/corrections", work.CorrectionsView.as_view(), name="api-corrections"),
    *batches.urlpatterns,
    *staffing.urlpatterns,
]
