"""The workplace: people, projects, batches, the assignment engine, judgments and receipts."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "annotation"

    def ready(self) -> None:
        """Nothing to register yet."""
