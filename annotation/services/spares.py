"""The item that waits behind the one on the screen, so that the next one is there at once (reliability.md, Prefetch).

An annotator holds at most two leases in a project; `lease_next` sees to that under the lock on their row.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from annotation.errors import Refused
from annotation.models import Assignment, Draft, Lease, Membership, User
from annotation.services.leases import held_leases, lease_next
from annotation.services.locks import lock_annotator, lock_slot
from annotation.services.returning import extend_lease, give_back, lower_places

ENOUGH = 5 / 6
"""A lease of which this share is left is not extended when it comes on the screen: that would be one more audit row for
each answer, and nobody needs it."""


def lease_spare(
    *, annotator: Membership, held: Sequence[Lease], showing: int, now: datetime, seed: int
) -> Lease | None:
    """The lease to work on after the one with the public id `showing`: another of the running leases `held`, else a new
    one."""
    waiting = [lease for lease in held if lease.public_id != showing]
    if waiting:
        return waiting[0]
    if not has_enough_for_all(annotator, now):
        return None
    lease = lease_next(annotator=annotator, now=now, seed=seed).lease
    # With nothing left, or in training, it is the item on the screen again.
    return lease if lease is not None and lease.public_id != showing else None


def has_enough_for_all(annotator: Membership, now: datetime) -> bool:
    """Whether at least as many work slots are open as people are at work: else a spare takes somebody's next item."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(DISTINCT a.annotator_id) FROM annotation_assignment a
                    JOIN annotation_batch b ON b.id = a.batch_id
                    WHERE b.project_id = %(project)s AND b.state = 'open' AND a.state = 'leased'
                      AND a.expires_at > %(now)s) AS active,
                   (SELECT count(*) FROM (
                        SELECT FROM annotation_batch b
                        JOIN annotation_pool p ON p.batch_id = b.id
                        CROSS JOIN LATERAL (
                            SELECT FROM annotation_assignment a WHERE a.pool_id = p.id AND a.state = 'open'
                            ORDER BY a.position LIMIT 200) AS slot
                        WHERE b.project_id = %(project)s AND b.state = 'open' AND b.purpose = 'work'
                        LIMIT 200) AS found) AS open
            """,
            {"project": annotator.project_id, "now": now},
        )
        active, is_open = cursor.fetchone()
    return bool(is_open >= min(active, 200))


def keep_shown(lease: Lease, *, now: datetime) -> None:
    """A spare comes on the screen some time after it was leased: its time begins anew."""
    expires_at = lease.assignment.expires_at
    if expires_at is not None and expires_at - now >= ENOUGH * (expires_at - lease.leased_at):
        return
    # Race: it is answered in another tab or swept meanwhile. Then there is nothing to keep.
    with suppress(Refused):
        extend_lease(annotator=lease.annotator, assignment=lease.assignment, now=now)


def release_spare(*, annotator: Membership, spare: int, now: datetime) -> None:
    """Give back the lease with the public id `spare`, if it is held: the person leaves, or takes a spare no more."""
    with transaction.atomic():
        lock_annotator(annotator)
        give_back_all([one for one in held_leases(annotator, now) if one.public_id == spare], now)


def release_all_spares(*, user: User, now: datetime) -> None:
    """Signing out: in every project, what waits behind the oldest lease."""
    memberships: QuerySet[Membership] = user.memberships.filter(
        role=Membership.Role.ANNOTATOR, is_active=True
    )
    for annotator in memberships.select_related("project", "user").order_by("id"):
        with transaction.atomic():
            lock_annotator(annotator)
            give_back_all(held_leases(annotator, now)[1:], now)


def give_back_all(leases: Sequence[Lease], now: datetime) -> None:
    """What holds a draft stays theirs. Nobody is kept from an item for this: it may come again."""
    drafted = set(Draft.objects.filter(lease__in=leases).values_list("lease_id", flat=True))
    given = [lease for lease in leases if lease.pk not in drafted]
    # Race: an answer to one of them arrives meanwhile. Slots are locked in the order of their ids, before pools.
    slots = [(one, lock_slot(one.assignment)) for one in sorted(given, key=lambda one: one.assignment_id)]
    for lease, slot in slots:
        if slot.state == Assignment.State.LEASED and slot.annotator_id == lease.annotator_id:
            give_back(slot=slot, annotator=lease.annotator, reason="left", now=now)
            # The item fits them again, and so may a slot of it that they passed while they held this one.
            lower_places([(lease.annotator_id, slot.item_id)])
