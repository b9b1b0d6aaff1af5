"""What the judgments of each item say together, as it was computed at one moment."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

POSTERIOR = ("posterior_first", "posterior_same", "posterior_second")
NO_POSTERIOR = Q(posterior_first=None, posterior_same=None, posterior_second=None, expected_gain=None)
ROUNDING = 1e-6


class Aggregate(models.Model):
    """A pairwise item's answers to the overall question, by the newest job. No row is changed; the next job puts its
    own in the place of all of them.

    `n_…` count the current judgments: the completion imported first is better, about the same, the second is.
    `certainty`, in [0.5, 1], and `tie_probability`, in [0, 1], rest on these counts alone
    (`comparisons.stopping.certainty`). The `posterior_…` are what Dawid and Skene's model believes, who weigh people by
    how they agree; `expected_gain`, in [0, 1], is how much surer one more judgment would make that model on average
    (`comparisons.stopping.gain`). Either these four are there and `reason` is empty, or `reason` says why not.
    """

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="aggregates")
    # The unique constraint begins with it, so it needs no index of its own.
    job = models.ForeignKey("annotation.Job", on_delete=models.PROTECT, related_name="+", db_index=False)
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="aggregates")
    computed_at = models.DateTimeField()
    n_first = models.PositiveIntegerField()
    n_same = models.PositiveIntegerField()
    n_second = models.PositiveIntegerField()
    certainty = models.FloatField()
    tie_probability = models.FloatField()
    posterior_first = models.FloatField(null=True)
    posterior_same = models.FloatField(null=True)
    posterior_second = models.FloatField(null=True)
    expected_gain = models.FloatField(null=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            # A job that a second worker runs again after a crash adds nothing.
            models.UniqueConstraint(fields=["job", "item"], name="aggregate_once_per_job"),
            models.CheckConstraint(
                condition=Q(n_first__gt=0) | Q(n_same__gt=0) | Q(n_second__gt=0),
                name="aggregate_rests_on_judgments",
            ),
            models.CheckConstraint(
                condition=Q(certainty__gte=0.5, certainty__lte=1), name="aggregate_certainty_in_range"
            ),
            models.CheckConstraint(
                condition=Q(tie_probability__gte=0, tie_probability__lte=1), name="aggregate_tie_is_share"
            ),
            models.CheckConstraint(
                condition=(
                    Q(**{f"{name}__isnull": False for name in (*POSTERIOR, "expected_gain")}, reason="")
                )
                | (NO_POSTERIOR & ~Q(reason="")),
                name="aggregate_posterior_or_reason",
            ),
            models.CheckConstraint(
                condition=Q(posterior_first=None)
                | Q(
                    **{f"{name}__gte": 0 for name in POSTERIOR},
                    posterior_first__gt=1 - ROUNDING - F("posterior_same") - F("posterior_second"),
                    posterior_first__lt=1 + ROUNDING - F("posterior_same") - F("posterior_second"),
                ),
                name="aggregate_posterior_is_distribution",
            ),
            models.CheckConstraint(
                condition=Q(expected_gain=None) | Q(expected_gain__gte=0, expected_gain__lte=1),
                name="aggregate_gain_is_share",
            ),
        ]
        triggers = [pgtrigger.Protect(name="aggregate_immutable", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"item {self.item_id}: {self.n_first}, {self.n_same}, {self.n_second}"

    @property
    def judgments(self) -> int:
        return self.n_first + self.n_same + self.n_second

    @property
    def leading(self) -> str:
        """Which completion leads: "first", "second", or "" where neither does."""
        if self.n_first == self.n_second:
            return ""
        return "first" if self.n_first > self.n_second else "second"
