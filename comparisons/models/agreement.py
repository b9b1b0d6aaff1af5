"""How much the annotators of a project agree, as it was computed at one moment."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

IMMUTABLE = pgtrigger.Update | pgtrigger.Delete


class AgreementReport(models.Model):
    """One coefficient for one criterion. The reports of one job belong together; they are never changed.

    Either `value`, `low` and `high` are there and `reason` is empty, or `reason` is the sentence that says why
    there is no number. Judgments on scales that differ are never mixed: a criterion whose scale changed with
    the protocol has reports for each (`kind`, `scale_low`, `scale_high`).
    """

    project = models.ForeignKey(
        "annotation.Project", on_delete=models.PROTECT, related_name="agreement_reports"
    )
    job = models.ForeignKey("annotation.Job", on_delete=models.PROTECT, related_name="agreement_reports")
    computed_at = models.DateTimeField()
    criterion = models.SlugField(max_length=40)
    """Key of the criterion, the same over versions of the protocol."""
    kind = models.CharField(max_length=20)
    scale_low = models.SmallIntegerField(null=True)
    scale_high = models.SmallIntegerField(null=True)
    coefficient = models.CharField(max_length=30)
    level = models.CharField(max_length=10)
    value = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    """Bounds of the `confidence` bootstrap interval over items."""
    raw_agreement = models.FloatField(null=True)
    """Mean share of agreeing pairs of answers in [0, 1], not corrected for chance; null without a shared item."""
    items = models.PositiveIntegerField()
    """Items that at least two people judged."""
    judgments = models.PositiveIntegerField()
    """Answers to those items."""
    annotators = models.PositiveIntegerField()
    reason = models.CharField(max_length=300, blank=True)
    confidence = models.FloatField()
    n_resamples = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    last_judgment = models.ForeignKey(
        "annotation.Judgment", on_delete=models.PROTECT, null=True, related_name="+"
    )
    """The newest judgment of the project when this was computed, of whatever state; null: none yet."""

    class Meta:
        constraints = [
            # A job that a second worker runs again after a crash adds nothing.
            models.UniqueConstraint(
                fields=["job", "criterion", "kind", "scale_low", "scale_high", "level"],
                nulls_distinct=False,
                name="agreementreport_once_per_job",
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=False, low__isnull=False, high__isnull=False, reason="")
                | (Q(value__isnull=True, low__isnull=True, high__isnull=True) & ~Q(reason="")),
                name="agreementreport_number_or_reason",
            ),
            models.CheckConstraint(
                condition=Q(low__isnull=True) | Q(low__lte=F("high")), name="agreementreport_interval_ordered"
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=True) | Q(value__lte=1), name="agreementreport_value_at_most_one"
            ),
            models.CheckConstraint(
                condition=Q(raw_agreement__isnull=True) | Q(raw_agreement__gte=0, raw_agreement__lte=1),
                name="agreementreport_raw_is_share",
            ),
            models.CheckConstraint(
                condition=Q(level__in=["nominal", "ordinal", "interval", "ratio"]),
                name="agreementreport_level_known",
            ),
        ]
        indexes = [models.Index(fields=["project", "-computed_at"], name="agreementreport_latest")]
        triggers = [pgtrigger.Protect(name="agreementreport_immutable", operation=IMMUTABLE)]

    def __str__(self) -> str:
        number = "no value" if self.value is None else f"{self.value:.3f}"
        return f"{self.level} α of {self.criterion}: {number}"
