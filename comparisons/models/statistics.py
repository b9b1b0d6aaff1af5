"""Figures about a project's judgments, as they were computed at one moment."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from comparisons.models.agreement import IMMUTABLE


class Statistic(models.Model):
    """One figure with its interval, its n and how it was found. The rows of one job belong together; none is changed.

    Either `value` is there and `reason` is empty, or `reason` is the sentence that says why there is no number. A
    value has an interval unless its `method` gives none, and then it is a diagnostic that nothing hangs on.
    """

    class Family(models.TextChoices):
        AGREEMENT = "agreement", "Agreement"
        PERSON = "person", "A person's quality"
        LEANING = "leaning", "What moves preferences"
        MODEL = "model", "Strengths of models"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="statistics")
    job = models.ForeignKey("annotation.Job", on_delete=models.PROTECT, related_name="statistics")
    computed_at = models.DateTimeField()
    family = models.CharField(max_length=9, choices=Family)
    name = models.CharField(max_length=40)
    """Of the figure: `gwet_ac1`, `gold_accuracy`, `position`, …"""
    criterion = models.SlugField(max_length=40, blank=True)
    """Key of the criterion; empty: the figure is of no single one."""
    slice_by = models.CharField(max_length=20, blank=True)
    """What the judgments were narrowed down by: batch, language, guideline, strength, model pair; empty: nothing."""
    slice_value = models.CharField(max_length=410, blank=True)
    annotator = models.ForeignKey(
        "annotation.Membership", on_delete=models.PROTECT, null=True, related_name="statistics"
    )
    """Whose figure it is; null: everybody's."""
    value = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    p_adjusted = models.FloatField(null=True)
    """Where several effects are looked at together: the p-value with all of them counted."""
    n = models.PositiveIntegerField()
    counted = models.CharField(max_length=40)
    """What `n` counts: items, gold answers, repeats, …"""
    reason = models.TextField(blank=True)
    method = models.CharField(max_length=120)
    confidence = models.FloatField()
    last_judgment = models.ForeignKey(
        "annotation.Judgment", on_delete=models.PROTECT, null=True, related_name="+"
    )
    """The newest judgment of the project when this was computed, of whatever state; null: none yet."""

    class Meta:
        constraints = [
            # A job that a second worker runs again after a crash adds nothing.
            models.UniqueConstraint(
                fields=["job", "family", "name", "criterion", "slice_by", "slice_value", "annotator"],
                nulls_distinct=False,
                name="statistic_once_per_job",
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=False, reason="")
                | (Q(value__isnull=True, low__isnull=True, high__isnull=True) & ~Q(reason="")),
                name="statistic_number_or_reason",
            ),
            models.CheckConstraint(
                condition=Q(low__isnull=True, high__isnull=True) | Q(low__lte=F("high")),
                name="statistic_interval_ordered",
            ),
            models.CheckConstraint(
                condition=Q(family__in=["agreement", "person", "leaning", "model"]),
                name="statistic_family_known",
            ),
            models.CheckConstraint(
                condition=Q(p_adjusted__isnull=True) | Q(p_adjusted__gte=0, p_adjusted__lte=1),
                name="statistic_p_is_share",
            ),
        ]
        indexes = [models.Index(fields=["project", "-computed_at"], name="statistic_latest")]
        triggers = [pgtrigger.Protect(name="statistic_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        return f"{self.name} of {self.project_id} at {self.computed_at:%Y-%m-%d %H:%M}"
