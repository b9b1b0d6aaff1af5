"""The workplace: people, projects, batches, the assignment engine, judgments and receipts."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    """Register this app's own jobs and checks."""

    name = "annotation"

    def ready(self) -> None:
        from annotation.jobs import register_job  # models are importable only now
        from annotation.periodic import periodic_checks
        from annotation.services.batches import JOB_KIND
        from annotation.services.calls import forget_calls
        from annotation.services.import_job import fail_abandoned_imports, run_import

        register_job(JOB_KIND, run_import)
        periodic_checks.register("abandoned imports", fail_abandoned_imports)
        periodic_checks.register("remembered calls", forget_calls)
