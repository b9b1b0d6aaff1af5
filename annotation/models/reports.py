"""What annotators say about an item beside their answer, and which helps they used on it."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import MD5

from annotation.models.erasing import erased_only


class Report(models.Model):
    """Something is wrong with an item. open → handled, once, by a lead or reviewer; the rest never changes, but
    for a note that is blanked when its author is to be forgotten."""

    class Reason(models.TextChoices):
        HARMFUL = "harmful", "Harmful content"
        PRIVATE_DATA = "private_data", "Someone’s private data"
        BROKEN = "broken", "The item is broken"
        OTHER = "other", "It names a model, or something else"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        HANDLED = "handled", "Handled"

    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="reports")
    completion = models.ForeignKey(
        "annotation.Completion", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    """The response it is about; null: the whole item."""
    annotator = models.ForeignKey(
        "annotation.Membership", on_delete=models.PROTECT, related_name="reports", db_index=False
    )
    reason = models.CharField(max_length=12, choices=Reason)
    note = models.TextField(blank=True)
    erased_at = models.DateTimeField(null=True)
    """When the note was blanked, because its author is to be forgotten (I12)."""
    created_at = models.DateTimeField()
    state = models.CharField(max_length=7, choices=State, default=State.OPEN)
    handled_at = models.DateTimeField(null=True)
    handled_by = models.ForeignKey("annotation.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            # A double click, or a retry after a lost reply: the same words about the same thing are one report.
            models.UniqueConstraint(
                "annotator",
                "item",
                "completion",
                "reason",
                MD5("note"),
                # Blanked notes are alike without being the same report.
                condition=Q(erased_at__isnull=True),
                name="report_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["harmful", "private_data", "broken", "other"]),
                name="report_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(state="open", handled_at__isnull=True, handled_by__isnull=True)
                | Q(state="handled", handled_at__isnull=False, handled_by__isnull=False),
                name="report_state_complete",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], condition=Q(state="open"), name="report_open")]
        triggers = [
            pgtrigger.Protect(name="report_not_deleted", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(
                name="report_immutable", exclude=["state", "handled_at", "handled_by", "note", "erased_at"]
            ),
            erased_only("report_note_erased_only", "note"),
            pgtrigger.Protect(
                name="report_handled_once",
                operation=pgtrigger.UpdateOf("state", "handled_at", "handled_by_id"),  # type: ignore[no-untyped-call]
                condition=pgtrigger.Q(old__state="handled"),
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.pk} of item {self.item_id}"


class ViewUse(models.Model):
    """That somebody looked at what they judge in a way of its own, under one lease. Immutable."""

    class View(models.TextChoices):
        DIFFERENCES = "differences", "Differences"

    lease = models.ForeignKey(
        "annotation.Lease", on_delete=models.PROTECT, related_name="view_uses", db_index=False
    )
    view = models.CharField(max_length=20, choices=View)
    at = models.DateTimeField()
    """The first time."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lease", "view"], name="viewuse_once_per_lease"),
            models.CheckConstraint(condition=Q(view__in=["differences"]), name="viewuse_view_known"),
        ]
        triggers = [
            pgtrigger.Protect(name="viewuse_immutable", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.view} under lease {self.lease_id}"
