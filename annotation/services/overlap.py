"""How many judgments an item gets: slots added later, by a policy or by a lead. Never fewer, and no earlier
answer is touched (I1)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Q, Sum, Value
from django.db.models.functions import Greatest

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.models import Assignment, Batch, Item, Pool, User
from annotation.models.assignment import NEXT_POSITION
from annotation.registry import Registry
from annotation.services.locks import lock_pools


@dataclass(frozen=True)
class OverlapPolicy:
    """Says of an item whose slots are all answered whether it needs one more judgment.

    `kinds` are the judgment kinds it understands. `needs_more(item_id)` reads the current judgments.
    """

    name: str
    kinds: frozenset[str]
    needs_more: Callable[[int], bool]


overlap_policies: Registry[OverlapPolicy] = Registry("overlap policy")


def add_slots(item_id: int, batch_id: int, pool_id: int, *, count: int) -> list[Assignment]:
    """Open `count` more work slots at the end of the pool. The caller holds the item's row."""
    lock_pools({pool_id})
    last = Assignment.objects.filter(item=item_id, purpose=Assignment.Purpose.WORK).aggregate(n=Max("number"))
    number = last["n"] or 0
    return Assignment.objects.bulk_create(
        Assignment(
            item_id=item_id,
            batch_id=batch_id,
            pool_id=pool_id,
            number=number + index,
            purpose=Assignment.Purpose.WORK,
        )
        for index in range(1, count + 1)
    )


def continue_item(*, item_id: int, batch: Batch, now: datetime) -> bool:
    """After an answer in a batch with a policy: one more slot when the item is undecided; answers whether.

    Race: the item's last two answers come at once. Its row makes them take turns; the first sees a slot that is
    not answered yet and leaves the decision to the second.
    """
    item = Item.objects.select_for_update(no_key=True).get(pk=item_id)
    slots = Assignment.objects.filter(item=item, purpose=Assignment.Purpose.WORK)
    if slots.filter(state__in=[Assignment.State.OPEN, Assignment.State.LEASED]).exists():
        return False
    if item.target_overlap >= (batch.overlap_max or 0) or batch.state != Batch.State.OPEN:
        return False
    if not overlap_policies.get(batch.overlap_policy).needs_more(item.pk):
        return False
    raise_item(item, batch, item.target_overlap + 1, actor=None, why=batch.overlap_policy, now=now)
    return True


def raise_overlap(
    *, batch: Batch, overlap: int, actor: User, now: datetime, external_ids: Iterable[str] | None = None
) -> int:
    """A lead wants more judgments for the named items of an open batch (for all of them without names).

    Answers how many items got new slots; one that has `overlap` already keeps what it has. Gold items have none.
    Raises Refused for an overlap out of range, a closed batch or an unknown name.
    """
    if not 1 <= overlap <= 100:
        raise Refused("The overlap is a number from 1 to 100.", field="overlap")
    with transaction.atomic():
        batch = Batch.objects.select_for_update(no_key=True).select_related("project").get(pk=batch.pk)
        if batch.state != Batch.State.OPEN:
            raise Refused(f"Batch {batch.number} is not open.", code="batch_not_open", status=409)
        items = batch.items.all()
        if external_ids is not None:
            wanted = list(dict.fromkeys(external_ids))
            items = items.filter(external_id__in=wanted)
            unknown = set(wanted) - set(items.values_list("external_id", flat=True))
            if unknown:
                raise Refused(f"There is no item {sorted(unknown)[0]!r} in this batch.", field="items")
        chosen = list(
            items.filter(target_overlap__gt=0, target_overlap__lt=overlap)
            .select_for_update(no_key=True)
            .order_by("pk")
        )
        # All at once and in one order, as everybody locks pools.
        slots = Assignment.objects.filter(item__in=[item.pk for item in chosen], pool__isnull=False)
        lock_pools(set(slots.values_list("pool_id", flat=True)))
        for item in chosen:
            raise_item(item, batch, overlap, actor=actor, why="lead", now=now)
    return len(chosen)


def raise_item(
    item: Item, batch: Batch, overlap: int, *, actor: User | None, why: str, now: datetime
) -> None:
    count = overlap - item.target_overlap
    # The pool of the slots that wait, where the item has some: `set_priorities` moves those and no others.
    slots = Assignment.objects.filter(item=item, purpose=Assignment.Purpose.WORK, pool__isnull=False)
    newest = slots.annotate(waits=Q(state__in=["open", "leased"])).order_by("-waits", "-number")
    pool_id = newest.values_list("pool_id", flat=True).first()
    if pool_id is None:
        raise ValueError(f"item {item.pk} has no work slot to take the pool from")
    item.target_overlap = overlap
    item.save(update_fields=["target_overlap"])
    add_slots(item.pk, batch.pk, pool_id, count=count)
    record_audit(
        project=batch.project,
        actor=actor,
        action="item.overlap_raised",
        obj=item,
        now=now,
        data={"overlap": overlap, "why": why},
    )


def pool_of(batch: Batch, *, language: str = "", category: str = "", priority: int = 0) -> Pool:
    """The pool for such items, made when it is missing."""
    pool, _ = Pool.objects.get_or_create(batch=batch, language=language, category=category, priority=priority)
    return pool


def set_priorities(*, batch: Batch, priorities: dict[int, int], actor: User | None, now: datetime) -> int:
    """Move the slots of items (by id) to the pool of a new priority, higher first; answers how many moved.

    A slot that is moved waits at the end of its new pool, one that is leased once it opens again: an item's slots
    are always in one pool, void and submitted ones aside. Race: somebody leases or submits one of them. The item's
    slots are locked in order, so that only a late answer (which holds one and may want another) can collide; then
    PostgreSQL ends one of the two, and it is done again.
    """
    with transaction.atomic():
        batch = Batch.objects.select_for_update(no_key=True).select_related("project").get(pk=batch.pk)
        slots = list(
            Assignment.objects.filter(
                batch=batch,
                item__in=list(priorities),
                purpose=Assignment.Purpose.WORK,
                state__in=[Assignment.State.OPEN, Assignment.State.LEASED],
            )
            .select_for_update(of=("self",), no_key=True)
            .select_related("pool")
            .order_by("id")
        )
        moves: dict[int, list[int]] = {}
        for slot in slots:
            old = slot.pool
            if old is None or old.priority == priorities[slot.item_id]:
                continue
            new = pool_of(
                batch, language=old.language, category=old.category, priority=priorities[slot.item_id]
            )
            moves.setdefault(new.pk, []).append(slot.pk)
        lock_pools({slot.pool_id for slot in slots if slot.pool_id is not None} | set(moves))
        for pool_id, moved in moves.items():
            Assignment.objects.filter(pk__in=moved).update(pool=pool_id, position=NEXT_POSITION)
        count = sum(map(len, moves.values()))
        if count:
            record_audit(
                project=batch.project,
                actor=actor,
                action="batch.priorities_set",
                obj=batch,
                now=now,
                data={"slots": count},
            )
    return count


@dataclass(frozen=True)
class Saving:
    """What a policy saved so far: judgments asked for, and those that a fixed overlap at the maximum would take."""

    items: int
    settled: int
    """Items whose slots are all answered."""
    judgments: int
    at_maximum: int

    @property
    def share(self) -> float | None:
        """Of the judgments at the maximum, over settled items; None where none is settled."""
        return None if not self.at_maximum else 1 - self.judgments / self.at_maximum


def saving_of(batch: Batch) -> Saving:
    """Over the settled items of a batch with a policy."""
    waiting = Q(assignments__purpose="work", assignments__state__in=["open", "leased"])
    items = batch.items.filter(target_overlap__gt=0)
    settled = items.annotate(waiting=Count("assignments", filter=waiting)).filter(waiting=0)
    most = Greatest("target_overlap", Value(batch.overlap_max or batch.overlap))
    sums = settled.aggregate(judgments=Sum("target_overlap"), at_maximum=Sum(most))
    return Saving(
        items=items.count(),
        settled=settled.count(),
        judgments=sums["judgments"] or 0,
        at_maximum=sums["at_maximum"] or 0,
    )
