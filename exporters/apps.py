"""Releases: snapshots, formats, manifests, the command-line client."""

from django.apps import AppConfig


class ExportersConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "exporters"

    def ready(self) -> None:
        """Nothing to register yet."""
