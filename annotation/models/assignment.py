"""The slot: one required judgment of one item.

State          holds                                       goes to
open           nobody                                      leased, void
leased         annotator, expiry                           open (expired, released), submitted, void
submitted      annotator                                   void (audited, opens one replacement)
void           why                                         –

`attempt` grows by one with every lease and never falls: it fences off whoever held the slot before.
Capacity is rows: an item has as many non-void work slots as it needs judgments (I1), so no race can
give one too many. What the table can hold, it holds; the rest is in `check_invariants`. What was shown under
each attempt stays in `Lease`, so that an answer that comes late can still be read.
"""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Assignment(models.Model):
    class State(models.TextChoices):
        OPEN = "open", "Open"
        LEASED = "leased", "Leased"
        SUBMITTED = "submitted", "Submitted"
        VOID = "void", "Void"

    class Purpose(models.TextChoices):
        WORK = "work", "Work"
        GOLD = "gold", "Gold"
        TRAINING = "training", "Training"
        REPEAT = "repeat", "Repeat"

    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="assignments")
    batch = models.ForeignKey("annotation.Batch", on_delete=models.PROTECT, related_name="assignments")
    number = models.PositiveSmallIntegerField()
    purpose = models.CharField(max_length=8, choices=Purpose, default=Purpose.WORK)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    priority = models.IntegerField(default=0)
    annotator = models.ForeignKey(
        "annotation.Membership", on_delete=models.PROTECT, null=True, related_name="assignments"
    )
    attempt = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)
    repeats = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="repeated_by")
    submitted_at = models.DateTimeField(null=True)
    void_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "number"], condition=Q(purpose="work"), name="assignment_number_unique"
            ),
            # Two tabs lease at once: the second cannot hold the same item for the same person (I2).
            models.UniqueConstraint(
                fields=["annotator", "item", "purpose"],
                condition=Q(annotator__isnull=False) & ~Q(state="void"),
                name="assignment_one_per_person",
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=["work", "gold", "training", "repeat"]),
                name="assignment_purpose_known",
            ),
            models.CheckConstraint(
                condition=(
                    Q(
                        state="open",
                        annotator__isnull=True,
                        expires_at__isnull=True,
                        submitted_at__isnull=True,
                    )
                    | Q(
                        state="leased",
                        annotator__isnull=False,
                        attempt__gte=1,
                        expires_at__isnull=False,
                        submitted_at__isnull=True,
                    )
                    | Q(
                        state="submitted",
                        annotator__isnull=False,
                        attempt__gte=1,
                        submitted_at__isnull=False,
                        expires_at__isnull=True,
                    )
                    | (Q(state="void", expires_at__isnull=True) & ~Q(void_reason=""))
                ),
                name="assignment_state_complete",
            ),
            models.CheckConstraint(
                condition=Q(purpose="repeat", repeats__isnull=False)
                | (~Q(purpose="repeat") & Q(repeats__isnull=True)),
                name="assignment_repeat_has_first",
            ),
        ]
        indexes = [
            # lease_next walks the open slots of a batch in this order and stops at the first that fits.
            models.Index(
                fields=["batch", "-priority", "id"], condition=Q(state="open"), name="assignment_open"
            ),
            models.Index(fields=["expires_at"], condition=Q(state="leased"), name="assignment_expiring"),
            models.Index(fields=["annotator", "state"], name="assignment_held"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="assignment_lifecycle",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF NEW.attempt < OLD.attempt THEN
                        RAISE EXCEPTION 'assignment %: attempt fell from % to %',
                            OLD.id, OLD.attempt, NEW.attempt USING ERRCODE = 'check_violation';
                    END IF;
                    IF OLD.state = 'void' AND NEW.state <> 'void' THEN
                        RAISE EXCEPTION 'assignment %: void is final', OLD.id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    IF OLD.state = 'submitted' AND NEW.state NOT IN ('submitted', 'void') THEN
                        RAISE EXCEPTION 'assignment %: submitted may only be voided', OLD.id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    IF NEW.item_id <> OLD.item_id OR NEW.purpose <> OLD.purpose
                       OR NEW.number <> OLD.number THEN
                        RAISE EXCEPTION 'assignment %: item, purpose and number are fixed', OLD.id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"assignment {self.pk} ({self.state})"


class Lease(models.Model):
    """What one person was shown under one attempt, and the key their answer comes under. Immutable."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="leases")
    attempt = models.PositiveIntegerField()
    annotator = models.ForeignKey("annotation.Membership", on_delete=models.PROTECT, related_name="leases")
    submission_id = models.UUIDField()
    guideline = models.ForeignKey("annotation.GuidelineVersion", on_delete=models.PROTECT, related_name="+")
    """The guide in force when this was shown; the judgment is made under it."""
    display_seed = models.BigIntegerField()
    display_order = ArrayField(models.PositiveSmallIntegerField())
    """Positions of the completions as shown: display_order[0] is "A"."""
    leased_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "attempt"], name="lease_one_per_attempt"),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="lease_attempt_positive"),
        ]
        indexes = [models.Index(fields=["annotator", "submission_id"], name="lease_submission")]
        triggers = [pgtrigger.Protect(name="lease_immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"lease {self.attempt} of assignment {self.assignment_id}"
