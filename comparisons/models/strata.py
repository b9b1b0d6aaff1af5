"""What strata of annotators prefer, as it was computed at one moment; nothing here is of one person."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from comparisons.strata.cells import MIN_CELL


class StratumFigure(models.Model):
    """A share of one stratum beside that of everybody else. A question's figures are deleted with it; none is changed.

    Shares are means over people, rounded to whole percentage points, and only of cells that may be shown
    (`comparisons.strata.cells`). Either there is a value, or `reason` says why the question has no figure at all.
    """

    class Measure(models.TextChoices):
        MODEL = "model", "Preferred over other models"
        LONGER = "longer", "The longer response preferred"
        PAIR = "pair", "The first of two models preferred"

    project = models.ForeignKey(
        "annotation.Project", on_delete=models.PROTECT, related_name="stratum_figures"
    )
    job = models.ForeignKey("annotation.Job", on_delete=models.PROTECT, related_name="+")
    computed_at = models.DateTimeField()
    question = models.ForeignKey(
        "annotation.StratumQuestion", on_delete=models.CASCADE, related_name="figures"
    )
    stratum = models.CharField(max_length=80, blank=True)
    """The option that its people chose."""
    measure = models.CharField(max_length=6, choices=Measure, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    """The model, of a pair the first; empty: of no single one."""
    other = models.CharField(max_length=200, blank=True)
    """Of a pair: the second model."""
    people = models.PositiveIntegerField(default=0)
    value = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    same = models.FloatField(null=True)
    """Of a pair of models: the share of "about the same", half of which is in `value`."""
    rest = models.FloatField(null=True)
    """The value of all annotators who are not in the cell, whatever they said; null: too few."""
    everybody = models.FloatField(null=True)
    p_adjusted = models.FloatField(null=True)
    method = models.CharField(max_length=120)
    confidence = models.FloatField()
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            # A job that a second worker runs again after a crash adds nothing.
            models.UniqueConstraint(
                fields=["job", "question", "stratum", "measure", "subject", "other"],
                name="stratumfigure_once_per_job",
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=False, low__lte=F("high"), reason="")
                | (Q(value__isnull=True, low__isnull=True, high__isnull=True) & ~Q(reason="")),
                name="stratumfigure_number_or_reason",
            ),
            # Whatever a study does, a small cell cannot be stored.
            models.CheckConstraint(
                condition=Q(value__isnull=True, people=0) | Q(people__gte=MIN_CELL),
                name="stratumfigure_minimum_cell",
            ),
            models.CheckConstraint(
                condition=Q(measure__in=["model", "longer", "pair", ""]), name="stratumfigure_measure_known"
            ),
        ]
        triggers = [pgtrigger.Protect(name="stratumfigure_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.measure} {self.subject} {self.other}, stratum of {self.question_id}"
