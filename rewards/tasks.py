"""The handler of job kind `train_reward`."""

from typing import Any

from django.utils import timezone

from annotation.jobs import JobFailed, Progress
from annotation.models import Job
from rewards.models import RewardRun


def run_reward_job(job: Job, progress: Progress) -> dict[str, Any]:
    """Train the run of `job`. Raises JobFailed where the release cannot carry a model."""
    # scikit-learn takes two seconds to load: only the worker that trains pays for it, no web process.
    from rewards.services.train import train_reward_run
    from rewards.training import TooFewPairs

    run = RewardRun.objects.select_related("release__project").get(job=job)
    try:
        finished = train_reward_run(run=run, now=timezone.now(), progress=progress)
    except TooFewPairs as reason:
        raise JobFailed(str(reason)) from reason
    return {"run": finished.pk, "accuracy": finished.accuracy}
