"""Addresses of the workplace: signing in, and the pages of a judging annotator."""

from django.urls import include, path

from annotation.views import annotator, session, task

urlpatterns = [
    path("", include("annotation.urls_console")),
    path("", annotator.home, name="home"),
    path("login", session.login, name="login"),
    path("logout", session.logout, name="logout"),
    path("theme", session.theme, name="theme"),
    path("single-keys", session.single_keys, name="single_keys"),
    path("csp-report", session.csp_report, name="csp_report"),
    path("projects/<slug:slug>/guide", annotator.guide, name="guide"),
    path("projects/<slug:slug>/work", annotator.work, name="work"),
    path("projects/<slug:slug>/done", annotator.done, name="done"),
    path("projects/<slug:slug>/task", annotator.task, name="task"),
    path("projects/<slug:slug>/lease", task.lease, name="lease"),
    path("assignments/<int:pk>", task.assignment, name="assignment"),
    path("assignments/<int:pk>/judgments", task.submit, name="submit"),
    path("assignments/<int:pk>/release", task.release, name="release_assignment"),
    path("judgments/<int:pk>/undo", task.undo, name="undo"),
    path("judgments/<int:pk>/corrections", task.corrections, name="corrections"),
]
