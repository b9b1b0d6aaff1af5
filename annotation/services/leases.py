"""Who gets what: leasing, extending, giving back and sweeping slots.

Locks are taken in one order: the annotator's membership row, then a slot, then the slot's item. Slots are
picked with SKIP LOCKED, so nobody waits for anybody else's slot and no deadlock is possible.
"""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.models import (
    Assignment,
    Batch,
    Completion,
    Consent,
    ConsentText,
    Exclusion,
    Lease,
    Membership,
)
from annotation.selectors import current_guideline

LEASES_MAX = 2
"""The current item and a spare (reliability.md, Prefetch)."""


@dataclass(frozen=True)
class LeaseResult:
    """What `lease_next` answers: the lease to work on, or the reason why there is none.

    `reason` is one of batch_done, nothing_left_for_you, consent_needed.
    """

    lease: Lease | None
    reason: str | None = None


def lease_next(*, annotator: Membership, now: datetime, seed: int, batch: Batch | None = None) -> LeaseResult:
    """Lease the next open slot that fits `annotator`.

    With no free place (two are held), or when nothing else is left, the oldest held lease is answered
    again. `seed` draws the order of display.
    """
    if needs_consent(annotator):
        return LeaseResult(None, "consent_needed")
    with transaction.atomic():
        lock_annotator(annotator)
        everywhere = held_leases(annotator, now)
        held = [lease for lease in everywhere if batch is None or lease.assignment.batch_id == batch.pk]
        if len(everywhere) >= LEASES_MAX:
            return LeaseResult((held or everywhere)[0])
        batches = open_batches(annotator, batch)
        slot = pick_slot(annotator, batches) or pick_after_sweep(annotator, batches, now)
        if slot is None and held:
            return LeaseResult(held[0])
        if slot is None:
            return LeaseResult(None, reason_for_nothing(batches))
        return LeaseResult(take_slot(slot=slot, annotator=annotator, now=now, seed=seed))


def lock_annotator(annotator: Membership) -> None:
    """Race: two tabs of one person lease and submit at once. Their membership row makes them take turns."""
    Membership.objects.select_for_update(no_key=True).get(pk=annotator.pk)


def needs_consent(annotator: Membership) -> bool:
    """Whether the project has a consent text whose current version this person has not agreed to."""
    given = Consent.objects.filter(consent_text=OuterRef("pk"), annotator=annotator)
    texts = ConsentText.objects.filter(project=annotator.project_id).annotate(is_given=Exists(given))
    current = texts.order_by("-number").values_list("is_given", flat=True).first()
    return current is False


def held_leases(annotator: Membership, now: datetime) -> list[Lease]:
    """Running leases of a person in their project, oldest first."""
    leases = Lease.objects.filter(
        annotator=annotator,
        assignment__annotator=annotator,
        assignment__state=Assignment.State.LEASED,
        assignment__expires_at__gt=now,
        assignment__attempt=F("attempt"),
    )
    return list(leases.select_related("assignment__batch__protocol").order_by("leased_at", "id"))


def open_batches(annotator: Membership, batch: Batch | None) -> Sequence[Batch]:
    batches = Batch.objects.filter(project_id=annotator.project_id, state=Batch.State.OPEN)
    if batch is not None:
        batches = batches.filter(pk=batch.pk)
    return list(batches.select_related("protocol").order_by("-priority", "number"))


def fitting_slots(annotator: Membership, batch: Batch) -> QuerySet[Assignment]:
    """Open work slots of items that this person has no slot of, is not excluded from, and that few refused."""
    mine = Assignment.objects.filter(item=OuterRef("item"), annotator=annotator).exclude(
        state=Assignment.State.VOID
    )
    excluded = Exclusion.objects.filter(item=OuterRef("item"), annotator=annotator)
    refusals = (
        Exclusion.objects.filter(item=OuterRef("item"))
        .order_by()
        .values("item")
        .annotate(count=Count("id"))
        .values("count")
    )
    return (
        Assignment.objects.filter(
            ~Exists(mine),
            ~Exists(excluded),
            batch=batch,
            state=Assignment.State.OPEN,
            purpose=Assignment.Purpose.WORK,
        )
        .alias(refusals=Coalesce(Subquery(refusals), 0))
        .filter(refusals__lt=annotator.project.exclusion_limit)
        .order_by("-priority", "id")
    )


def pick_slot(annotator: Membership, batches: Sequence[Batch]) -> Assignment | None:
    """The first fitting open slot, locked.

    Race: fifty people want it at once. Each locks a row of its own and steps over those locked by
    others; PostgreSQL checks `state = 'open'` again on the locked row, so no slot is handed out twice.
    """
    for batch in batches:
        slots = fitting_slots(annotator, batch).select_related("item")
        slot = slots.select_for_update(skip_locked=True, of=("self",)).first()
        if slot is not None:
            slot.batch = batch
            return slot
    return None


def pick_after_sweep(annotator: Membership, batches: Sequence[Batch], now: datetime) -> Assignment | None:
    """Answers like `pick_slot`: "nothing left" is never said while an expired lease hides eligible work."""
    if not sweep_leases(now, batches):
        return None
    return pick_slot(annotator, batches)


def has_work(annotator: Membership, now: datetime) -> bool:
    """Whether `lease_next` would answer a lease now, consent apart: one that is held, or an open slot that fits."""
    if held_leases(annotator, now):
        return True
    return any(fitting_slots(annotator, batch).exists() for batch in open_batches(annotator, None))


def reason_for_nothing(batches: Sequence[Batch]) -> str:
    unfinished = Assignment.objects.filter(
        batch__in=batches, purpose=Assignment.Purpose.WORK, state__in=["open", "leased"]
    )
    return "nothing_left_for_you" if unfinished.exists() else "batch_done"


def take_slot(
    *, slot: Assignment, annotator: Membership, now: datetime, seed: int, shown: Lease | None = None
) -> Lease:
    """Give a locked open slot to `annotator` under the next attempt. Needs the caller's transaction.

    The order of display is drawn from `seed`. An answer that came late was `shown` before: its lease
    keeps the order, the guide and the key of that one.
    """
    slot.state = Assignment.State.LEASED
    slot.annotator = annotator
    slot.attempt += 1
    slot.expires_at = now + timedelta(seconds=slot.batch.lease_seconds)
    slot.save(update_fields=["state", "annotator", "attempt", "expires_at"])
    lease = Lease.objects.create(
        assignment=slot,
        attempt=slot.attempt,
        annotator=annotator,
        submission_id=shown.submission_id if shown else uuid.uuid4(),
        guideline_id=shown.guideline_id if shown else current_guideline(annotator.project_id).pk,
        display_seed=shown.display_seed if shown else seed,
        display_order=shown.display_order if shown else drawn_order(slot, seed),
        leased_at=now,
    )
    record_audit(
        project=annotator.project,
        actor=annotator.user,
        action="assignment.leased",
        obj=slot,
        now=now,
        data={"attempt": slot.attempt},
    )
    return lease


def drawn_order(slot: Assignment, seed: int) -> list[int]:
    """Positions of the item's completions, shuffled by `seed`."""
    completions = Completion.objects.filter(item_id=slot.item_id).order_by("position")
    positions = list(completions.values_list("position", flat=True))
    random.Random(seed).shuffle(positions)
    return positions


def extend_lease(*, annotator: Membership, assignment: Assignment, now: datetime) -> datetime:
    """Push the expiry of a held slot out again; answers the new expiry. Raises Refused when it is over."""
    with transaction.atomic():
        slot = lock_slot(assignment)
        if slot.state != Assignment.State.LEASED or slot.annotator_id != annotator.pk:
            raise Refused(
                "This lease is over; your answer will still be taken.", code="lease_over", field="id"
            )
        slot.expires_at = now + timedelta(seconds=slot.batch.lease_seconds)
        slot.save(update_fields=["expires_at"])
        record_audit(
            project=annotator.project,
            actor=annotator.user,
            action="assignment.extended",
            obj=slot,
            now=now,
            data={"attempt": slot.attempt},
        )
    return slot.expires_at


CANNOT_JUDGE = (
    Exclusion.Reason.EXPERTISE,
    Exclusion.Reason.BROKEN_PROMPT,
    Exclusion.Reason.LANGUAGE,
    Exclusion.Reason.CUT_OFF,
    Exclusion.Reason.RATHER_NOT,
    Exclusion.Reason.PRIVATE_DATA,
)
RELEASE_REASONS = (Exclusion.Reason.SKIPPED, *CANNOT_JUDGE)


def release_assignment(*, annotator: Membership, assignment: Assignment, reason: str, now: datetime) -> None:
    """Skip or can't judge: the slot opens again for others, and this person is not offered the item again.

    Done twice (a double click) it does the same as once. Raises Refused for an unknown reason.
    """
    if reason not in RELEASE_REASONS:
        known = ", ".join(RELEASE_REASONS)
        raise Refused(f"The reasons are {known}.", field="reason")
    with transaction.atomic():
        lock_annotator(annotator)
        slot = lock_slot(assignment)
        if slot.state == Assignment.State.LEASED and slot.annotator_id == annotator.pk:
            give_back(slot=slot, annotator=annotator, reason=reason, now=now)
            exclude(annotator=annotator, item_id=slot.item_id, reason=reason, now=now)


def give_back(*, slot: Assignment, annotator: Membership, reason: str, now: datetime) -> None:
    """Open a locked slot that `annotator` holds."""
    open_slot(slot)
    record_audit(
        project=annotator.project,
        actor=annotator.user,
        action="assignment.released",
        obj=slot,
        now=now,
        data={"attempt": slot.attempt, "reason": reason},
    )


def exclude(*, annotator: Membership, item_id: int, reason: str, now: datetime) -> None:
    Exclusion.objects.get_or_create(
        item_id=item_id, annotator=annotator, defaults={"reason": reason, "created_at": now}
    )


def open_slot(slot: Assignment) -> None:
    slot.state = Assignment.State.OPEN
    slot.annotator = None
    slot.expires_at = None
    slot.save(update_fields=["state", "annotator", "expires_at"])


def lock_slot(assignment: Assignment) -> Assignment:
    """The slot as it is now, locked until the transaction ends."""
    return (
        Assignment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("batch__project", "batch__protocol")
        .get(pk=assignment.pk)
    )


def sweep_leases(now: datetime, batches: Sequence[Batch] | None = None, limit: int = 1000) -> int:
    """Open the slots whose lease ran out; returns how many.

    Race: a late submit holds the row. It is skipped, and submitted by the time of the next sweep.
    """
    with transaction.atomic():
        expired = Assignment.objects.filter(state=Assignment.State.LEASED, expires_at__lte=now)
        if batches is not None:
            expired = expired.filter(batch__in=batches)
        slots = list(
            expired.select_for_update(skip_locked=True, of=("self",), no_key=True)
            .select_related("batch__project")
            .order_by("expires_at")[:limit]
        )
        for slot in slots:
            open_slot(slot)
            record_audit(
                project=slot.batch.project,
                actor=None,
                action="assignment.expired",
                obj=slot,
                now=now,
                data={"attempt": slot.attempt},
            )
    return len(slots)
