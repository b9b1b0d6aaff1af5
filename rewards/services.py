"""Writes: a run is asked for, trained by a job, and kept with its figures and its model."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.jobs import JobFailed, Progress, enqueue_job
from annotation.models import Job, Project, User
from exporters.models import Release
from rewards.encoding import MODEL_KINDS, ModelKind
from rewards.evaluation import Accuracy, human_ceiling, longer_wins, pairwise_accuracy, shorter_wins
from rewards.models import RewardModel, RewardRun
from rewards.pairs import prompt_groups
from rewards.selectors import release_pairs
from rewards.storage import dump_model
from rewards.training import LOSSES, Loss, TooFewPairs, TrainedModel, train_model

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
    if model not in MODEL_KINDS:
        raise Refused(f"The models are {' and '.join(MODEL_KINDS)}.", code="unknown", field="model")
    if loss not in LOSSES:
        raise Refused(f"The losses are {' and '.join(LOSSES)}.", code="unknown", field="loss")
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
    releases = Release.objects.filter(project=project, state=Release.State.FROZEN)
    if version == "latest":
        found = releases.order_by("-number").first()
        if found is None:
            raise Refused("There is no release yet; cut one first.", code="missing", field="release")
        return found
    found = releases.filter(version=version).first()
    if found is None:
        raise Refused(f"There is no frozen release {version!r}.", code="missing", field="release")
    return found


def train_reward_run(*, run: RewardRun, now: datetime, progress: Progress | None = None) -> RewardRun:
    """Train on the release's training part and measure on its test part. A finished run is left as it is.

    Raises TooFewPairs where the release cannot carry a model or has no test part.
    """
    if run.finished_at is not None:
        return run
    step = _Steps(progress)
    pairs = release_pairs(run.release)
    step()
    if not pairs.test:
        raise TooFewPairs("The release has no preference pairs in its test part, so nothing can be measured.")
    model = train_model(pairs.train, kind=_kind(run), loss=_loss(run), seed=run.seed, tick=step)
    groups = prompt_groups(pairs.test)
    accuracy = pairwise_accuracy(model.margins(pairs.test), groups, seed=run.seed)
    step()
    longer = longer_wins(pairs.test, seed=run.seed)
    shorter = shorter_wins(pairs.test, seed=run.seed)
    ceiling = human_ceiling(pairs.votes, groups, seed=run.seed)
    step()
    with transaction.atomic():
        # Race: a worker taken for dead trains beside its successor. The first one to get here wins.
        locked = RewardRun.objects.select_for_update().get(pk=run.pk)
        if locked.finished_at is not None:
            return locked
        _keep(locked, model, now, accuracy=accuracy, longer=longer, shorter=shorter, ceiling=ceiling)
        record_audit(
            project=locked.release.project,
            actor=locked.created_by,
            action="reward_run.finished",
            obj=locked,
            now=now,
            data={
                "accuracy": accuracy.value,
                "n_pairs": accuracy.n_pairs,
                "model": locked.reward_model.sha256,
            },
        )
    return locked


class _Steps:
    """Turns ticks of unknown number into progress towards 1 and heartbeats."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.done = 0

    def __call__(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done / (self.done + 10))


def _kind(run: RewardRun) -> ModelKind:
    return "surface" if run.model == RewardRun.Model.SURFACE else "tfidf_surface"


def _loss(run: RewardRun) -> Loss:
    return "bradley_terry" if run.loss == RewardRun.Loss.BRADLEY_TERRY else "hinge"


def _keep(
    run: RewardRun,
    model: TrainedModel,
    now: datetime,
    *,
    accuracy: Accuracy,
    longer: Accuracy,
    shorter: Accuracy,
    ceiling: Accuracy | None,
) -> None:
    figures: dict[str, Any] = {
        "finished_at": now,
        "accuracy": accuracy.value,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "n_pairs": accuracy.n_pairs,
        "n_prompts": accuracy.n_prompts,
        "train_pairs": model.n_pairs,
        "train_prompts": model.n_prompts,
        "longer_wins": longer.value,
        "longer_wins_low": longer.low,
        "longer_wins_high": longer.high,
        "shorter_wins": shorter.value,
        "shorter_wins_low": shorter.low,
        "shorter_wins_high": shorter.high,
        "c": model.c,
        "has_converged": model.converged,
    }
    if ceiling is not None:
        figures |= {
            "human_ceiling": ceiling.value,
            "human_ceiling_low": ceiling.low,
            "human_ceiling_high": ceiling.high,
            "human_ceiling_pairs": ceiling.n_pairs,
        }
    for name, value in figures.items():
        setattr(run, name, value)
    run.save(update_fields=list(figures))
    data = dump_model(model)
    RewardModel.objects.create(
        run=run,
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        n_columns=len(model.weights),
        created_at=now,
    )


def run_reward_job(job: Job, progress: Progress) -> dict[str, Any]:
    """The handler of job kind `train_reward`."""
    run = RewardRun.objects.select_related("release__project").get(job=job)
    try:
        finished = train_reward_run(run=run, now=timezone.now(), progress=progress)
    except TooFewPairs as reason:
        raise JobFailed(str(reason)) from reason
    return {"run": finished.pk, "accuracy": finished.accuracy}
