"""What the tests of the engine share: gold, training, a shorter lease, and threads that meet in the database."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, connections

from annotation.errors import Refused
from annotation.models import (
    Assignment,
    Batch,
    Exclusion,
    GoldAnswer,
    Item,
    Judgment,
    Lease,
    Membership,
    TrainingTry,
)
from annotation.services.judgments import Submission
from annotation.services.leases import LeaseResult, lease_next, why_nothing
from tests.factories import NOW, World

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WAIT_SECONDS = 10.0


def reason(annotator: Membership, now: datetime = NOW, batch: Batch | None = None) -> str | None:
    """Why there is nothing, which the page says as well; None when an item is leased or held."""
    expected = why_nothing(annotator, now) if batch is None else None
    result = lease_next(annotator=annotator, now=now, seed=1, batch=batch)
    if batch is None:
        assert expected == result.reason
    return result.reason


def take(annotator: Membership, now: datetime = NOW, *, seed: int = 1, batch: Batch | None = None) -> Lease:
    result: LeaseResult = lease_next(annotator=annotator, now=now, seed=seed, batch=batch)
    assert result.lease is not None, result.reason
    return result.lease


def answer(world: World, lease: Lease, now: datetime, **answer: Any) -> Any:
    seconds = int((now - world.now).total_seconds())
    return world.submit(lease, answer or None, after=seconds)


def correction(judgment: Judgment, answer: dict[str, Any]) -> Submission:
    return Submission(submission_id=uuid.uuid4(), attempt=judgment.attempt, answer=answer)


def prefer(lease: Lease, first: bool) -> dict[str, Any]:
    """An answer for the first completion as imported (or the second), in the labels that were shown."""
    is_shown_first = lease.display_order[0] == 0
    return {"preferred": "A" if is_shown_first == first else "B", "strength": 2}


def add_gold(
    world: World,
    batch: Batch,
    *,
    count: int = 1,
    preference: int = -2,
    target: int = 0,
    why: str = "",
    **fields: Any,
) -> list[Item]:
    """Items of `batch` with a gold answer: checks without work slots."""
    criterion = batch.protocol.criteria.get(key="overall")
    start = batch.items.count() + 1
    items = []
    for number in range(start, start + count):
        item = world.item(batch, number, [f"G{number}.0", f"G{number}.1"], target_overlap=target, **fields)
        GoldAnswer.objects.create(item=item, criterion=criterion, preference=preference, tolerance=1, why=why)
        items.append(item)
    return items


def training_batch(world: World, items: int = 2, *, pass_share: float = 0.8, **fields: Any) -> Batch:
    batch = world.batch(items=0, purpose="training", pass_share=pass_share, **fields)
    add_gold(world, batch, count=items, why="The first one adds up.")
    return batch


def train(world: World, annotator: Membership, rights: Sequence[bool], now: datetime = NOW) -> list[Any]:
    """Answer the next training items, right or wrong as asked; answers the outcomes."""
    outcomes = []
    for is_right in rights:
        lease = take(annotator, now)
        assert lease.assignment.purpose == "training"
        outcomes.append(answer(world, lease, now, **prefer(lease, first=is_right)))
    return outcomes


def last_try(annotator: Membership) -> TrainingTry:
    return annotator.training_tries.latest("number")


def refuse(item: Item, annotator: Membership, why: str = "skipped") -> None:
    Exclusion.objects.create(item=item, annotator=annotator, reason=why, created_at=NOW)


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `work` on a connection of its own; its result or its error goes into the list."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except (Refused, DatabaseError, AssertionError) as error:
            results.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def wait_until_blocked(count: int = 1) -> None:
    """Until so many other connections wait for a lock; fails the test when they do not."""
    ends_at = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < ends_at:
        with connection.cursor() as cursor:
            # Without this a transaction goes on seeing the connections of its first look.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity s USING (pid)"
                " WHERE NOT l.granted AND s.datname = current_database()"
            )
            if cursor.fetchone()[0] >= count:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited for the lock")


def join(thread: threading.Thread) -> None:
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


# The oracle: who may be given which item, asked of every slot one by one.


def fitting_items(annotator: Membership, now: datetime) -> set[int]:
    """Ids of the items of which this person may be given a work slot now, swept or not."""
    return offers(annotator, now)[0]


def offers(annotator: Membership, now: datetime) -> tuple[set[int], set[int]]:
    """`fitting_items`, and the same as if there were no caps and no limits of exposure."""
    view = _View(annotator, now)
    free = [
        slot for slot in view.slots if slot.purpose == "work" and (slot.state == "open" or view.is_over(slot))
    ]

    def fitting(*, caps: bool) -> set[int]:
        return {
            slot.item_id
            for slot in free
            if view.batch_fits(slot.batch, caps=caps) and view.item_fits(slot.item, caps=caps)
        }

    return (set() if view.is_day_over() else fitting(caps=True)), fitting(caps=False)


class _View:
    """Everything that bears on one person at one moment, read without the code under test."""

    def __init__(self, annotator: Membership, now: datetime) -> None:
        self.me = Membership.objects.select_related("project").get(pk=annotator.pk)
        self.now, midnight = now, now.replace(hour=0, minute=0, second=0, microsecond=0)
        slots = Assignment.objects.filter(batch__project=self.me.project, batch__state="open")
        self.slots = list(slots.filter(batch__purpose="work").select_related("item", "batch"))
        self.mine = list(Assignment.objects.filter(annotator=self.me).exclude(state="void"))
        self.held = [slot for slot in self.mine if slot.state == "leased" and not self.is_over(slot)]
        self.refusals = list(Exclusion.objects.filter(item__project=self.me.project))
        self.today = self.me.judgments.filter(created_at__gte=midnight, supersedes=None).count()
        self.limits = dict(self.me.project.exposure_limits.values_list("category", "per_day"))
        seen = self.me.leases.filter(leased_at__gte=midnight)
        self.seen = set(seen.values_list("assignment__item__category", "assignment__item"))
        self.staff: dict[int, set[int]] = {}

    def is_over(self, slot: Assignment) -> bool:
        return slot.state == "leased" and slot.expires_at is not None and slot.expires_at <= self.now

    def is_day_over(self) -> bool:
        cap = self.me.project.daily_cap
        return cap is not None and self.today + len(self.held) >= cap

    def batch_fits(self, batch: Batch, *, caps: bool) -> bool:
        if batch.pk not in self.staff:
            self.staff[batch.pk] = set(batch.staff.values_list("pk", flat=True))
        named = self.staff[batch.pk]
        done = sum(slot.batch_id == batch.pk and slot.state == "submitted" for slot in self.mine)
        has = done + sum(slot.batch_id == batch.pk for slot in self.held)
        return (
            (not batch.skill or batch.skill in self.me.skills)
            and (not named or self.me.pk in named)
            and (not caps or batch.cap_per_annotator is None or has < batch.cap_per_annotator)
        )

    def item_fits(self, item: Item, *, caps: bool) -> bool:
        refused = [one for one in self.refusals if one.item_id == item.pk]
        shown = sum(category == item.category for category, _ in self.seen)
        return (
            (not item.language or not self.me.languages or item.language in self.me.languages)
            and all(slot.item_id != item.pk or self.is_over(slot) for slot in self.mine)
            and all(one.annotator_id != self.me.pk for one in refused)
            and sum(one.reason != "late" for one in refused) < self.me.project.exclusion_limit
            and (not caps or item.category not in self.limits or shown < self.limits[item.category])
        )


def wrong_places() -> list[tuple[int, int]]:
    """(annotator, slot) of open slots at or before a person's place that fit them: there must be none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT q.annotator_id, a.id
            FROM annotation_poolplace q
            JOIN annotation_assignment a
              ON a.pool_id = q.pool_id AND a.state = 'open' AND a.position <= q.position
            JOIN annotation_item i ON i.id = a.item_id
            JOIN annotation_project p ON p.id = i.project_id
            JOIN annotation_batch b ON b.id = i.batch_id AND b.state = 'open'
            WHERE NOT EXISTS (SELECT 1 FROM annotation_assignment o WHERE o.item_id = i.id
                              AND o.annotator_id = q.annotator_id AND o.state IN ('leased', 'submitted'))
              AND NOT EXISTS (SELECT 1 FROM annotation_exclusion x
                              WHERE x.item_id = i.id AND x.annotator_id = q.annotator_id)
              AND p.exclusion_limit > (SELECT count(*) FROM annotation_exclusion x
                                       WHERE x.item_id = i.id AND x.reason <> 'late')
            """
        )
        return [(annotator, slot) for annotator, slot in cursor.fetchall()]
