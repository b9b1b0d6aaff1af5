"""Addresses of the workplace's API, below /api/v1/."""

from django.urls import path

from annotation.api import batches, projects, work

urlpatterns = [
    path("projects", projects.ProjectsView.as_view(), name="api-projects"),
    path("projects/<slug:slug>", projects.ProjectView.as_view(), name="api-project"),
    path("projects/<slug:slug>/protocols", projects.ProtocolsView.as_view(), name="api-protocols"),
    path("projects/<slug:slug>/guidelines", projects.GuidelinesView.as_view(), name="api-guidelines"),
    path("projects/<slug:slug>/members", projects.MembersView.as_view(), name="api-members"),
    path("projects/<slug:slug>/lease", work.LeaseView.as_view(), name="api-lease"),
    path("jobs/<uuid:job_id>", projects.JobView.as_view(), name="api-job"),
    path("assignments/<int:pk>/extend", work.ExtendView.as_view(), name="api-extend"),
    path("assignments/<int:pk>/release", work.ReleaseAssignmentView.as_view(), name="api-release-assignment"),
    path("assignments/<int:pk>/judgments", work.JudgmentsView.as_view(), name="api-judgments"),
    path("judgments/<int:pk>/undo", work.UndoView.as_view(), name="api-undo"),
    path("judgments/<int:pk>/corrections", work.CorrectionsView.as_view(), name="api-corrections"),
    *batches.urlpatterns,
]
