"""Reward runs: one training on one release, its figures, and the model that came out."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


class RewardRun(models.Model):
    """One training. Its state is that of its job; the figures come all at once, when the job succeeds.

    Accuracies are shares in [0, 1] on the test part of the release, with 95 % bootstrap intervals over
    prompts. `human_ceiling` is null where no test pair was judged by several people.
    """

    class Model(models.TextChoices):
        SURFACE = "surface", "Surface features"
        TFIDF_SURFACE = "tfidf_surface", "Words and surface features"

    class Loss(models.TextChoices):
        BRADLEY_TERRY = "bradley_terry", "Bradley–Terry"
        HINGE = "hinge", "Hinge"

    release = models.ForeignKey("exporters.Release", on_delete=models.PROTECT, related_name="reward_runs")
    job = models.OneToOneField("annotation.Job", on_delete=models.PROTECT, related_name="reward_run")
    model = models.CharField(max_length=20, choices=Model)
    loss = models.CharField(max_length=20, choices=Loss)
    seed = models.BigIntegerField()
    created_at = models.DateTimeField()
    created_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, null=True, related_name="+")
    """Null: the operator, at the command line."""

    finished_at = models.DateTimeField(null=True)
    accuracy = models.FloatField(null=True)
    accuracy_low = models.FloatField(null=True)
    accuracy_high = models.FloatField(null=True)
    n_pairs = models.PositiveIntegerField(null=True)
    n_prompts = models.PositiveIntegerField(null=True)
    train_pairs = models.PositiveIntegerField(null=True)
    train_prompts = models.PositiveIntegerField(null=True)
    longer_wins = models.FloatField(null=True)
    longer_wins_low = models.FloatField(null=True)
    longer_wins_high = models.FloatField(null=True)
    shorter_wins = models.FloatField(null=True)
    shorter_wins_low = models.FloatField(null=True)
    shorter_wins_high = models.FloatField(null=True)
    human_ceiling = models.FloatField(null=True)
    human_ceiling_low = models.FloatField(null=True)
    human_ceiling_high = models.FloatField(null=True)
    human_ceiling_pairs = models.PositiveIntegerField(null=True)
    c = models.FloatField(null=True)
    """Inverse strength of the penalty that cross-validation chose."""
    has_converged = models.BooleanField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(model__in=["surface", "tfidf_surface"]), name="rewardrun_model_known"
            ),
            models.CheckConstraint(
                condition=Q(loss__in=["bradley_terry", "hinge"]), name="rewardrun_loss_known"
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, accuracy__isnull=True)
                | Q(
                    finished_at__isnull=False,
                    accuracy__gte=0,
                    accuracy__lte=1,
                    accuracy_low__lte=F("accuracy_high"),
                    n_pairs__gte=1,
                    n_prompts__gte=1,
                    train_pairs__gte=1,
                    longer_wins__isnull=False,
                    shorter_wins__isnull=False,
                    c__isnull=False,
                    has_converged__isnull=False,
                ),
                name="rewardrun_result_whole",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="rewardrun_result_immutable",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__finished_at__isnull=False),
            ),
            pgtrigger.Protect(name="rewardrun_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.model} on release {self.release_id}"


class RewardModel(models.Model):
    """The scorer that a run produced. It means something only for the prompts of its release."""

    run = models.OneToOneField(RewardRun, on_delete=models.PROTECT, related_name="reward_model")
    data = models.BinaryField()
    """An npz archive of numbers and text (`rewards.storage`), read without pickle."""
    sha256 = models.CharField(max_length=64)
    n_columns = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        triggers = [pgtrigger.Protect(name="rewardmodel_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"model of run {self.run_id}"
