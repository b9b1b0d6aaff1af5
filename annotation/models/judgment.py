"""Judgments and receipts: what an annotator answered, and the answer each submission got.

A judgment is never updated, but for the blanking of its note when a person is to be forgotten. A correction
is a new row that `supersedes` the earlier one; the current judgment is the end of that chain. Typed answers
live in the kinds' own tables. An imported judgment has an `Origin` in place of its slot, and no receipt.
"""

from typing import Any

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Cast

from annotation.models.assignment import Assignment
from annotation.models.erasing import immutable_but_for_erasure

CURRENT_TRANSACTION = Cast(
    Cast(Func(function="pg_current_xact_id"), models.TextField()), models.BigIntegerField()
)


IMPORTED = Q(assignment__isnull=True)
"""Judgments made elsewhere: they have an origin in place of a slot."""


class JudgmentQuerySet(models.QuerySet["Judgment"]):
    def current(self) -> "JudgmentQuerySet":
        """Accepted judgments that no later one supersedes, of slots that were not voided or imported without one."""
        return self.filter(
            Q(assignment__state="submitted") | IMPORTED,
            state=Judgment.State.ACCEPTED,
            superseded_by__isnull=True,
        )


class Judgment(models.Model):
    class State(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        LATE = "late", "Late"

    assignment = models.ForeignKey(
        "annotation.Assignment", on_delete=models.PROTECT, null=True, related_name="judgments"
    )
    """Null just when it was imported."""
    # Its index is judgment_one_per_origin, which a submit does not write to.
    origin = models.ForeignKey(
        "annotation.Origin", on_delete=models.PROTECT, null=True, related_name="judgments", db_index=False
    )
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="judgments")
    batch = models.ForeignKey("annotation.Batch", on_delete=models.PROTECT, related_name="judgments")
    annotator = models.ForeignKey(
        "annotation.Membership", on_delete=models.PROTECT, related_name="judgments", db_index=False
    )
    guideline = models.ForeignKey(
        "annotation.GuidelineVersion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    protocol = models.ForeignKey(
        "annotation.ProtocolVersion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    attempt = models.PositiveIntegerField()
    submission_id = models.UUIDField()
    state = models.CharField(max_length=8, choices=State)
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="superseded_by"
    )
    display_order = ArrayField(models.PositiveSmallIntegerField())
    """What was on the screen when this was answered (I15): display_order[0] is "A"."""
    active_seconds = models.FloatField(null=True)
    confidence = models.PositiveSmallIntegerField(null=True)
    note = models.TextField(blank=True)
    erased_at = models.DateTimeField(null=True)
    """When the note was blanked, because its author is to be forgotten (I12)."""
    read_to_end = ArrayField(models.CharField(max_length=1), default=list)
    """Labels of the completions that were scrolled to their end."""
    created_at = models.DateTimeField()
    transaction_id = models.BigIntegerField(db_default=CURRENT_TRANSACTION)
    """Orders incremental pulls: a row becomes visible only after every row of a finished transaction."""

    objects = JudgmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotator", "submission_id"], name="judgment_submission_once"),
            # Two requests submit one slot at once: one root judgment is accepted (I3).
            models.UniqueConstraint(
                fields=["assignment"],
                condition=Q(supersedes__isnull=True, state="accepted"),
                name="judgment_one_root_per_slot",
            ),
            models.UniqueConstraint(
                fields=["origin"], condition=Q(origin__isnull=False), name="judgment_one_per_origin"
            ),
            models.CheckConstraint(
                condition=Q(assignment__isnull=False, origin__isnull=True)
                | Q(assignment__isnull=True, origin__isnull=False, supersedes__isnull=True, state="accepted"),
                name="judgment_slot_or_origin",
            ),
            models.CheckConstraint(condition=Q(state__in=["accepted", "late"]), name="judgment_state_known"),
            models.CheckConstraint(
                condition=Q(supersedes__isnull=True) | ~Q(supersedes=F("id")), name="judgment_not_own_parent"
            ),
            models.CheckConstraint(
                condition=Q(confidence__isnull=True) | Q(confidence__gte=1, confidence__lte=3),
                name="judgment_confidence_in_scale",
            ),
            models.CheckConstraint(
                condition=Q(active_seconds__isnull=True) | Q(active_seconds__gte=0),
                name="judgment_time_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["transaction_id", "id"], name="judgment_stream"),
            models.Index(fields=["annotator", "-created_at"], name="judgment_of_annotator"),
        ]
        triggers = [immutable_but_for_erasure("judgment_immutable", "note")]

    def __str__(self) -> str:
        return f"judgment {self.pk}"

    @property
    def slot(self) -> Assignment:
        """Its assignment. Raises ValueError for an imported judgment, which nobody gave here."""
        if self.assignment is None:
            raise ValueError(f"judgment {self.pk} was imported")
        return self.assignment


class Receipt(models.Model):
    """The answer that a submission got. The same submission gets the same answer for ever (I6)."""

    annotator = models.ForeignKey(
        "annotation.Membership", on_delete=models.PROTECT, related_name="receipts", db_index=False
    )
    submission_id = models.UUIDField()
    body_hash = models.BinaryField(max_length=32)
    """SHA-256 of the canonical JSON of assignment and answer."""
    answer: Any = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotator", "submission_id"], name="receipt_once_per_submission")
        ]
        triggers = [
            pgtrigger.Protect(name="receipt_immutable", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return str(self.submission_id)
