"""A break: the item at hand is kept, what waits behind it goes to others."""

from datetime import datetime

from django.db import transaction

from annotation.models import Assignment, Draft, Membership
from annotation.services.leases import held_leases
from annotation.services.locks import lock_annotator, lock_slot
from annotation.services.returning import extend_lease, give_back, lower_places


def take_break(*, annotator: Membership, now: datetime) -> datetime | None:
    """Extend the oldest held lease and give back the others that hold no draft; answers until when it is kept.

    None when nothing is held. Nobody is kept from an item for a break: what is given back may come again.
    """
    with transaction.atomic():
        lock_annotator(annotator)
        held = held_leases(annotator, now)
        if not held:
            return None
        # Race: an answer to one of them arrives meanwhile. Slots are locked in the order of their ids, before pools.
        in_order = sorted(held, key=lambda lease: lease.assignment_id)
        slots = {lease.pk: lock_slot(lease.assignment) for lease in in_order}
        running = [lease for lease in held if slots[lease.pk].state == Assignment.State.LEASED]
        drafted = set(Draft.objects.filter(lease__in=running).values_list("lease_id", flat=True))
        kept_until = None
        for lease in running:
            slot = slots[lease.pk]
            if kept_until is None:
                kept_until = extend_lease(annotator=annotator, assignment=slot, now=now)
            elif lease.pk not in drafted:
                give_back(slot=slot, annotator=annotator, reason="break", now=now)
                # The item fits them again, and so may a slot of it that they passed while they held this one.
                lower_places([(annotator.pk, slot.item_id)])
    return kept_until
