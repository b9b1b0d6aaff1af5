"""Reward models trained on releases."""

from django.apps import AppConfig


class RewardsConfig(AppConfig):
    """Register what this app offers to the rooms below it."""

    name = "rewards"

    def ready(self) -> None:
        # Models are importable only now.
        from annotation.jobs import register_job
        from annotation.panels import overview_panels
        from rewards.panels import reward_panel
        from rewards.services import JOB_KIND
        from rewards.tasks import run_reward_job

        register_job(JOB_KIND, run_reward_job)
        overview_panels.register("reward_model", reward_panel)
