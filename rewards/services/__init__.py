"""Writes: a run is asked for here, and trained by a job (`train.py`, apart because it loads scikit-learn)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.jobs import enqueue_job
from annotation.models import Project, User
from exporters.models import Release
from exporters.selectors import latest_release
from rewards.models import RewardRun

JOB_KIND = "train_reward"


def start_reward_run(
    *,
    project: Project,
    actor: User | None,
    now: datetime,
    release: str = "latest",
    model: str = "surface",
    loss: str = "bradley_terry",
    seed: int = 0,
) -> RewardRun:
    """Queue a training on a frozen release (`latest` works), or return the unfinished run that asks the same.

    Raises Refused naming the field: an unknown model or loss, a release that is not there or not frozen.
    """
    if model not in RewardRun.Model.values:
        raise Refused(
            f"The models are {' and '.join(RewardRun.Model.values)}.", code="unknown", field="model"
        )
    if loss not in RewardRun.Loss.values:
        raise Refused(f"The losses are {' and '.join(RewardRun.Loss.values)}.", code="unknown", field="loss")
    frozen = _frozen_release(project, release)
    with transaction.atomic():
        job = enqueue_job(
            kind=JOB_KIND,
            key=f"{frozen.pk} {model} {loss} {seed}",
            project=project,
            actor=actor,
            now=now,
            arguments={"release": frozen.version, "model": model, "loss": loss, "seed": seed},
        )
        run, is_new = RewardRun.objects.get_or_create(
            job=job,
            defaults={
                "release": frozen,
                "model": model,
                "loss": loss,
                "seed": seed,
                "created_at": now,
                "created_by": actor,
            },
        )
        if is_new:
            record_audit(
                project=project,
                actor=actor,
                action="reward_run.started",
                obj=run,
                now=now,
                data=dict(job.arguments),
            )
    return run


def _frozen_release(project: Project, version: str) -> Release:
    if version == "latest":
        newest = latest_release(project)
        if newest is None:
            raise Refused("There is no release yet; cut one first.", code="missing", field="release")
        return newest
    found = project.releases.filter(version=version, state=Release.State.FROZEN).first()
    if found is None:
        raise Refused(f"There is no frozen release {version!r}.", code="missing", field="release")
    return found
