"""How a slot comes back: extended, given back with a reason, or swept when its lease ran out."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction

from annotation.audit import record_audit, record_audits
from annotation.errors import Refused
from annotation.models import Assignment, Exclusion, Membership
from annotation.models.assignment import NEXT_POSITION
from annotation.services.locks import lock_annotator, lock_pools, lock_slot
from annotation.services.reports import report_cannot_judge

SWEEP_ROWS = 1000
"""Swept at once, at most."""


def extend_lease(*, annotator: Membership, assignment: Assignment, now: datetime) -> datetime:
    """Push the expiry of a held slot out again; answers the new expiry. Raises Refused when it is over."""
    with transaction.atomic():
        slot = lock_slot(assignment)
        is_held = slot.state == Assignment.State.LEASED and slot.annotator_id == annotator.pk
        # One that ran out counts for nothing any more, so the person may hold two others already.
        if not is_held or slot.expires_at is None or slot.expires_at <= now:
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

    Done twice (a double click) it does the same as once. A training item comes back: it belongs to the test.
    Raises Refused for an unknown reason.
    """
    if reason not in RELEASE_REASONS:
        known = ", ".join(RELEASE_REASONS)
        raise Refused(f"The reasons are {known}.", field="reason")
    with transaction.atomic():
        lock_annotator(annotator)
        slot = lock_slot(assignment)
        if slot.state == Assignment.State.LEASED and slot.annotator_id == annotator.pk:
            give_back(slot=slot, annotator=annotator, reason=reason, now=now)
            if slot.purpose != Assignment.Purpose.TRAINING:
                exclude(annotator=annotator, item_id=slot.item_id, reason=reason, now=now)
        # Also of a lease that ran out: what is wrong with the item is wrong all the same.
        report_cannot_judge(annotator=annotator, item_id=slot.item_id, reason=reason, now=now)


def give_back(*, slot: Assignment, annotator: Membership, reason: str, now: datetime) -> None:
    """Take a locked slot from `annotator`, who holds it: a work slot opens, one made for them alone is void."""
    is_work = slot.purpose == Assignment.Purpose.WORK
    if is_work:
        open_slots([slot])
    else:
        void_slots([slot], reason)
    record_audit(
        project=annotator.project,
        actor=annotator.user,
        action="assignment.released" if is_work else "assignment.voided",
        obj=slot,
        now=now,
        data={"attempt": slot.attempt, "reason": reason},
    )


def exclude(*, annotator: Membership, item_id: int, reason: str, now: datetime) -> None:
    Exclusion.objects.get_or_create(
        item_id=item_id, annotator=annotator, defaults={"reason": reason, "created_at": now}
    )


def open_slots(slots: Sequence[Assignment]) -> None:
    """Open locked work slots at the end of their pools; their pools stay locked until the caller commits."""
    lock_pools({slot.pool_id for slot in slots if slot.pool_id is not None})
    Assignment.objects.filter(pk__in=[slot.pk for slot in slots]).update(
        state=Assignment.State.OPEN, annotator=None, expires_at=None, position=NEXT_POSITION
    )
    for slot in slots:
        slot.state, slot.annotator_id, slot.expires_at = Assignment.State.OPEN, None, None


def void_slots(slots: Sequence[Assignment], reason: str) -> None:
    """Void locked slots that nobody answered and nobody else waits for."""
    Assignment.objects.filter(pk__in=[slot.pk for slot in slots]).update(
        state=Assignment.State.VOID, expires_at=None, void_reason=reason
    )
    for slot in slots:
        slot.state, slot.expires_at, slot.void_reason = Assignment.State.VOID, None, reason


def sweep_leases(
    now: datetime, *, project_id: int | None = None, waits: bool = False, limit: int = SWEEP_ROWS
) -> int:
    """Take back the slots whose lease ran out; returns how many. In one project, or in all.

    Race: a late submit holds the row. It is skipped, and submitted by the time of the next sweep. One who `waits`
    knows afterwards that no expired lease is left, whoever took it back; all lock in the order of ids.
    """
    with transaction.atomic():
        expired = Assignment.objects.filter(state=Assignment.State.LEASED, expires_at__lte=now)
        if project_id is not None:
            expired = expired.filter(batch__project=project_id)
        slots = list(
            expired.select_for_update(skip_locked=not waits, of=("self",), no_key=True)
            .select_related("batch__project")
            .order_by("id")[:limit]
        )
        if not slots:
            return 0
        work = [slot for slot in slots if slot.purpose == Assignment.Purpose.WORK]
        others = [slot for slot in slots if slot.purpose != Assignment.Purpose.WORK]
        holders = [(slot.annotator_id, slot.item_id) for slot in work]
        open_slots(work)
        void_slots(others, "its lease ran out")
        lower_places(holders)
        changes = [
            (slot.batch.project, action, slot, {"attempt": slot.attempt})
            for action, taken in (("assignment.expired", work), ("assignment.voided", others))
            for slot in taken
        ]
        record_audits(changes, actor=None, now=now)
    return len(slots)


def lower_places(holders: Sequence[tuple[int | None, int]]) -> None:
    """(annotator, item) whose lease ran out: the item fits the person again, and an open slot of it that they
    passed while they held it must be found. Its pool is locked by the caller."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE annotation_poolplace q SET position = a.position - 1
            FROM unnest(%s::bigint[], %s::bigint[]) AS h (annotator_id, item_id)
            CROSS JOIN LATERAL (
                SELECT a.pool_id, min(a.position) AS position FROM annotation_assignment a
                WHERE a.item_id = h.item_id AND a.state = 'open' GROUP BY a.pool_id) AS a
            WHERE q.annotator_id = h.annotator_id AND q.pool_id = a.pool_id AND q.position >= a.position
            """,
            [[annotator_id for annotator_id, _ in holders], [item_id for _, item_id in holders]],
        )
