"""Trains a run on its release and keeps the figures and the model; imported only where that is done."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.db import transaction

from annotation.audit import record_audit
from annotation.jobs import Progress
from rewards.encoding import ModelKind
from rewards.evaluation import Accuracy, human_ceiling, longer_wins, pairwise_accuracy, shorter_wins
from rewards.models import RewardModel, RewardRun
from rewards.pairs import prompt_groups
from rewards.selectors import release_pairs
from rewards.storage import dump_model
from rewards.training import Loss, TooFewPairs, TrainedModel, train_model


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
