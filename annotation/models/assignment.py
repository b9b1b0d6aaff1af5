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

Open work slots wait in pools, each in the order of `position`. A slot that opens again goes to the end, so a
person who has passed a position never has to look before it (`PoolPlace`; docs/decisions/0008).
Slots of the other purposes are made for one person when they are leased, and void when they are given back.
"""

import secrets

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, Q, Value

PUBLIC_ID_BITS = 53
"""What a JavaScript number holds exactly."""


NEXT_POSITION = Func(Value("annotation_assignment_position_seq"), function="nextval")


def new_public_id() -> int:
    """A random id, 0 < id < 2^53: nobody can tell from it when a slot was made, so not what it is for (I13)."""
    return secrets.randbits(PUBLIC_ID_BITS) or 1


class Pool(models.Model):
    """Open work slots that the same people may take: one pool for each batch, language, category and priority."""

    batch = models.ForeignKey("annotation.Batch", on_delete=models.PROTECT, related_name="pools")
    language = models.CharField(max_length=35, blank=True)
    """BCP 47 tag of the items; empty: for everybody."""
    category = models.CharField(max_length=40, blank=True)
    """Harmful category of the items, for exposure limits; empty: none."""
    priority = models.IntegerField(default=0)
    """Within the batch; higher comes first."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "language", "category", "priority"], name="pool_one_of_each"
            )
        ]

    def __str__(self) -> str:
        return f"pool {self.pk} of batch {self.batch_id}"


class PoolPlace(models.Model):
    """How far down a pool nothing is left for one person: no open slot at or before `position` fits them.

    A hint that only ever errs low: whatever makes an earlier slot fit again lowers it in the same transaction.
    """

    annotator = models.ForeignKey("annotation.Membership", on_delete=models.CASCADE, related_name="+")
    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="+")
    position = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["annotator", "pool"], name="poolplace_one_per_person")]

    def __str__(self) -> str:
        return f"{self.annotator_id} at {self.position} of pool {self.pool_id}"


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
    # Its open slots are found by assignment_open; nobody asks for the others by pool.
    pool = models.ForeignKey(
        Pool, on_delete=models.PROTECT, null=True, related_name="assignments", db_index=False
    )
    """Where a work slot waits; null for the other purposes."""
    position = models.BigIntegerField(db_default=NEXT_POSITION)
    """Order within the pool: a new number from one sequence whenever the slot opens."""
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
                condition=Q(purpose="work", pool__isnull=False)
                | (~Q(purpose="work") & Q(pool__isnull=True) & ~Q(state="open")),
                name="assignment_only_work_waits_in_pools",
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
            # lease_next walks a pool in this order and stops at the first slot that fits.
            models.Index(fields=["pool", "position"], condition=Q(state="open"), name="assignment_open"),
            models.Index(fields=["expires_at"], condition=Q(state="leased"), name="assignment_expiring"),
            models.Index(
                fields=["annotator", "expires_at"], condition=Q(state="leased"), name="assignment_held"
            ),
            # Caps for each day and batch, progress, and the first look that a repeat repeats.
            models.Index(
                fields=["annotator", "batch", "submitted_at"],
                condition=Q(state="submitted"),
                name="assignment_done",
            ),
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

    public_id = models.BigIntegerField(unique=True, default=new_public_id)
    """The `assignment` of the API and of the pages' addresses."""
    # No index of their own: the unique constraints begin with them, and nobody asks by guideline. Every index
    # less is a page less to write at each lease (so too below Judgment, Receipt, AuditEvent and the answers).
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, related_name="leases", db_index=False
    )
    attempt = models.PositiveIntegerField()
    ordinal = models.PositiveIntegerField()
    """The n-th lease of this person, from 1. Sides are balanced over it."""
    annotator = models.ForeignKey(
        "annotation.Membership", on_delete=models.PROTECT, related_name="leases", db_index=False
    )
    submission_id = models.UUIDField()
    guideline = models.ForeignKey(
        "annotation.GuidelineVersion", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    """The guide in force when this was shown; the judgment is made under it."""
    display_seed = models.BigIntegerField()
    display_order = ArrayField(models.PositiveSmallIntegerField())
    """Positions of the completions as shown: display_order[0] is "A"."""
    leased_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "attempt"], name="lease_one_per_attempt"),
            models.UniqueConstraint(fields=["annotator", "ordinal"], name="lease_ordinal_unique"),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="lease_attempt_positive"),
        ]
        indexes = [
            # Exposure limits count what somebody was shown today.
            models.Index(fields=["annotator", "leased_at"], name="lease_by_time")
        ]
        triggers = [pgtrigger.Protect(name="lease_immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"lease {self.attempt} of assignment {self.assignment_id}"
