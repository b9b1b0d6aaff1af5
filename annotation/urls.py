"""Addresses of the workplace: signing in, and the pages of a judging annotator."""

from django.urls import include, path

from annotation.views import about_you, annotator, differences, drafts, reports, session, task

urlpatterns = [
    path("", include("annotation.urls_console")),
    path("", annotator.home, name="home"),
    path("login", session.login, name="login"),
    path("logout", session.logout, name="logout"),
    path("theme", session.theme, name="theme"),
    path("single-keys", session.single_keys, name="single_keys"),
    path("mail-wish", session.mail_wish, name="mail_wish"),
    path("pay-visibility", session.pay_visibility, name="pay_visibility"),
    path("csp-report", session.csp_report, name="csp_report"),
    path("projects/<slug:slug>/guide", annotator.guide, name="guide"),
    path("projects/<slug:slug>/work", annotator.work, name="work"),
    path("projects/<slug:slug>/quality", annotator.quality, name="quality"),
    path("projects/<slug:slug>/done", annotator.done, name="done"),
    path("projects/<slug:slug>/about-you", about_you.about_you, name="about_you"),
    path("projects/<slug:slug>/break", annotator.break_, name="break"),
    path("projects/<slug:slug>/task", annotator.task, name="task"),
    path("projects/<slug:slug>/lease", task.lease, name="lease"),
    path("projects/<slug:slug>/spare", task.spare, name="spare"),
    path("assignments/<int:pk>", task.assignment, name="assignment"),
    path("assignments/<int:pk>/judgments", task.submit, name="submit"),
    path("assignments/<int:pk>/release", task.release, name="release_assignment"),
    path("assignments/<int:pk>/extend", task.extend, name="extend"),
    path("assignments/<int:pk>/differences", differences.differences, name="differences"),
    path("assignments/<int:pk>/reports", reports.report, name="report"),
    path("assignments/<int:pk>/draft", drafts.draft, name="draft"),
    path("assignments/<int:pk>/preview", drafts.preview, name="preview"),
    path("judgments/<int:pk>/preview", drafts.correction_preview, name="correction_preview"),
    path("judgments/<int:pk>/undo", task.undo, name="undo"),
    path("judgments/<int:pk>/corrections", task.corrections, name="corrections"),
]
