"""The workplace: people, projects, batches, the assignment engine, judgments and receipts."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "annotation"

    def ready(self) -> None:
        from annotation.jobs import register_job  # models are importable only now
        from annotation.periodic import periodic_checks
        from annotation.services.batches import JOB_KIND
        from annotation.services.import_job import fail_abandoned_imports, run_import

        register_job(JOB_KIND, run_import)
        periodic_checks.register("abandoned imports", fail_abandoned_imports)
