"""What judgments mean: kinds, answers, agreement, aggregation."""

from django.apps import AppConfig


class ComparisonsConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "comparisons"

    def ready(self) -> None:
        from comparisons.kinds import register_kinds  # models are importable only now

        register_kinds()
