"""The workplace: people, projects, batches, the assignment engine, judgments and receipts."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    """Register this app's own jobs and checks."""

    name = "annotation"

    def ready(self) -> None:
        from annotation import nightly
        from annotation.jobs import register_job  # models are importable only now
        from annotation.models import Membership
        from annotation.panels import NavigationEntry, overview_panels, project_navigation
        from annotation.periodic import periodic_checks
        from annotation.selectors_reports import reports_panel
        from annotation.services.batches import JOB_KIND
        from annotation.services.calls import forget_calls
        from annotation.services.drafts import forget_drafts
        from annotation.services.import_job import fail_abandoned_imports, run_import
        from annotation.services.notices import JOB_KIND as NOTICES
        from annotation.services.notices import run_notices_job

        register_job(JOB_KIND, run_import)
        register_job(NOTICES, run_notices_job)
        register_job(nightly.JOB_KIND, nightly.check_invariants)
        periodic_checks.register("abandoned imports", fail_abandoned_imports)
        periodic_checks.register("remembered calls", forget_calls)
        periodic_checks.register("finished drafts", forget_drafts)
        overview_panels.register("reports", reports_panel)
        leads = frozenset({Membership.Role.LEAD.value})
        project_navigation.register("protocol", NavigationEntry("Protocol", "list", "protocol", leads))
        project_navigation.register(
            "texts", NavigationEntry("Guide and consent", "file-text", "texts", leads)
        )
        project_navigation.register("jobs", NavigationEntry("Jobs", "list-checks", "jobs", leads))
        project_navigation.register("limits", NavigationEntry("Limits", "clock", "limits", leads))
