"""What judgments mean: kinds, answers, agreement, aggregation."""

from django.apps import AppConfig


class ComparisonsConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "comparisons"

    def ready(self) -> None:
        # Models are importable only now.
        from annotation.jobs import register_job
        from annotation.panels import overview_panels
        from annotation.periodic import periodic_checks
        from comparisons import services
        from comparisons.kinds import register_kinds
        from comparisons.panels import agreement_panel

        register_kinds()
        register_job(services.JOB_KIND, services.run_agreement_job)
        periodic_checks.register("agreement", services.enqueue_stale_agreement)
        overview_panels.register("agreement", agreement_panel)
