"""Reward models trained on releases."""

from django.apps import AppConfig


class RewardsConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "rewards"

    def ready(self) -> None:
        """Nothing to register yet."""
