"""Releases: snapshots, formats, manifests, the command-line client."""

from django.apps import AppConfig


class ExportersConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "exporters"

    def ready(self) -> None:
        from annotation.backup.making import stored_files
        from annotation.invariants import invariants
        from annotation.jobs import job_ends, register_job
        from annotation.panels import NavigationEntry, overview_panels, project_navigation
        from annotation.periodic import periodic_checks
        from exporters.erasure import erase_released_texts
        from exporters.formats import export_formats
        from exporters.formats.members import FORMATS
        from exporters.invariants import RELEASED_ROWS
        from exporters.panels import releases_panel
        from exporters.services.releases import JOB_KIND, cut_release, fail_abandoned_releases
        from exporters.services.webhooks import JOB_KIND as DELIVERY_KIND
        from exporters.services.webhooks import announce_job, deliver_webhook

        invariants.register("I14", RELEASED_ROWS)
        stored_files.register(
            "release files",
            "SELECT storage_name, sha256, size FROM exporters_releasefile WHERE erased_at IS NULL",
        )
        for export_format in FORMATS:
            export_formats.register(export_format.key, export_format)
        register_job(JOB_KIND, cut_release)
        register_job(DELIVERY_KIND, deliver_webhook)
        job_ends.register("webhooks", announce_job)
        periodic_checks.register("abandoned releases", fail_abandoned_releases)
        periodic_checks.register("erased texts in releases", erase_released_texts)
        overview_panels.register("releases", releases_panel)
        project_navigation.register(
            "releases", NavigationEntry("Releases", "package", "releases", frozenset({"engineer"}))
        )
        project_navigation.register(
            "webhooks", NavigationEntry("Webhooks", "external-link", "webhooks", frozenset({"lead"}))
        )
