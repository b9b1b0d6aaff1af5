"""Places in pools are hints that never hide work: "nothing left" is never said while somebody may be given an item.

Places move after every answer here (`PLACE_EVERY` is 1), and an oracle that asks every slot knows better.
"""

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction

from annotation.models import Assignment, Batch, Item, Judgment, Lease, Membership, Pool, PoolPlace
from annotation.services import judgments
from annotation.services.judgments import correct_judgment
from annotation.services.leases import lease_next
from annotation.services.overlap import raise_overlap, set_priorities
from annotation.services.people import describe_annotator
from annotation.services.projects import set_limits
from annotation.services.returning import extend_lease, release_assignment, sweep_leases
from tests.annotation.engine.histories import History
from tests.annotation.engine.people import (
    MINUTE,
    answer,
    correction,
    fitting_items,
    in_thread,
    join,
    reason,
    refuse,
    take,
    wait_until_blocked,
    wrong_places,
)
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db

HISTORIES, STEPS, PARTS = 40, 25, 4
LATER = NOW + timedelta(seconds=70)


@pytest.fixture(autouse=True)
def _places_move_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgments, "PLACE_EVERY", 1)


def people_of(world: World) -> list[Membership]:
    people = [world.member() for _ in range(4)]
    for annotator, languages in zip(people, [[], ["de"], ["en"], ["de", "en"]], strict=True):
        describe_annotator(
            annotator=annotator, languages=languages, skills=[], actor=world.lead, now=world.now
        )
    return people


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_hides_work(world: World, part: int) -> None:
    people, now, looks, nothing = people_of(world), NOW, 0, 0
    for seed in range(part * HISTORIES // PARTS, (part + 1) * HISTORIES // PARTS):
        history = History(world, people, random.Random(seed), now)
        for number in range(STEPS):
            try:
                history.step()
            except AssertionError as error:
                error.add_note(f"seed {seed}, step {number}")
                raise
        history.end()
        now = history.now + timedelta(hours=3)
        looks, nothing = looks + history.looks, nothing + history.found_nothing
    assert min(nothing, looks - nothing) >= 3  # both answers were put to the test


def walk_to_the_end(annotator: Membership) -> None:
    """Let the person walk to the end of every pool and be told that nothing is left."""
    assert lease_next(annotator=annotator, now=NOW, seed=1).lease is None
    assert PoolPlace.objects.filter(annotator=annotator).exists()


def refused_item(world: World, annotator: Membership, **fields: Any) -> tuple[Batch, Item]:
    """A batch of two items; the person refused the first, so an open slot keeps the pool alive for their place."""
    batch = world.batch(items=2, overlap=1, lease_seconds=60, **fields)
    first, second = batch.items.order_by("number")
    refuse(first, annotator)
    return batch, second


def test_a_slot_that_somebody_gives_back_is_found_behind_the_place(world: World) -> None:
    annotator, other = world.member(), world.member()
    _, item = refused_item(world, annotator)
    refuse(item.batch.items.get(number=1), other)
    lease = take(other)
    walk_to_the_end(annotator)
    release_assignment(annotator=other, assignment=lease.assignment, reason="skipped", now=NOW)
    assert take(annotator).assignment.item_id == item.pk


def test_a_slot_whose_lease_ran_out_is_found_behind_the_place(world: World) -> None:
    annotator, other = world.member(), world.member()
    _, item = refused_item(world, annotator)
    refuse(item.batch.items.get(number=1), other)
    take(other)
    walk_to_the_end(annotator)
    assert take(annotator, LATER).assignment.item_id == item.pk


def test_a_replacement_is_found_behind_the_place(world: World) -> None:
    annotator, other = world.member(), world.member()
    _, item = refused_item(world, annotator)
    refuse(item.batch.items.get(number=1), other)
    judgment = Judgment.objects.get(pk=answer(world, take(other), NOW).body["judgment"])
    walk_to_the_end(annotator)
    sent = correction(judgment, {"cannot_judge": "expertise"})
    correct_judgment(annotator=other, judgment=judgment, submission=sent, now=NOW)
    assert take(annotator).assignment.item_id == item.pk


def test_more_judgments_are_found_behind_the_place(world: World) -> None:
    annotator, other = world.member(), world.member()
    batch, item = refused_item(world, annotator)
    refuse(batch.items.get(number=1), other)
    answer(world, take(other), NOW)
    walk_to_the_end(annotator)
    raise_overlap(batch=batch, overlap=2, external_ids=["row-2"], actor=world.lead, now=NOW)
    assert take(annotator).assignment.item_id == item.pk
    assert reason(other) == "nothing_left_for_you"


def test_an_item_of_another_priority_is_found_in_its_new_pool(world: World) -> None:
    batch = world.batch(items=3, overlap=1)
    first, second, _ = batch.items.order_by("number")
    annotator = world.member()
    for item in (first, second):
        refuse(item, annotator)
    answer(world, take(annotator), NOW)
    walk_to_the_end(annotator)
    other = world.member()
    for priority in (5, 0, -5, 0):
        set_priorities(batch=batch, priorities={first.pk: priority}, actor=world.lead, now=NOW)
        assert wrong_places() == []
    assert take(other).assignment.item_id == second.pk
    assert take(other).assignment.item_id == first.pk


def test_items_that_too_many_refused_are_found_once_the_limit_rises(world: World) -> None:
    annotator = world.member()
    batch = world.batch(items=2, overlap=1)
    for item in batch.items.all():
        refuse(item, world.member())
    rise(world, 1)
    walk_to_the_end(annotator)
    rise(world, 2)
    assert take(annotator).assignment.item_id == batch.items.get(number=1).pk


def rise(world: World, exclusion_limit: int) -> None:
    set_limits(
        project=world.project,
        daily_cap=None,
        exposure={},
        exclusion_limit=exclusion_limit,
        actor=world.lead,
        now=NOW,
    )


def passed_while_held(world: World, annotator: Membership) -> tuple[Lease, Lease, Assignment]:
    """The person holds a slot of item 1 whose lease runs out before `LATER`, and one of item 2 that does not;
    the other slot of item 1 is open and lies before that of item 2."""
    batch = world.batch(items=1, overlap=2, lease_seconds=60)
    item = world.item(batch, 2, ["2.0", "2.1"], target_overlap=1)
    running_out = take(annotator)
    second = take(annotator, NOW + timedelta(seconds=50))
    assert second.assignment.item_id == item.pk
    return running_out, second, Assignment.objects.get(state="open")


def test_who_passed_a_slot_while_holding_its_item_finds_it_when_the_lease_runs_out(world: World) -> None:
    annotator, other = world.member(), world.member()
    _, second, passed = passed_while_held(world, annotator)
    answer(world, second, NOW + timedelta(seconds=55))
    assert PoolPlace.objects.get(annotator=annotator).position >= passed.position
    sweep_leases(LATER)
    assert wrong_places() == []
    taken = take(other, LATER)
    assert taken.assignment_id == passed.pk
    release_assignment(annotator=other, assignment=taken.assignment, reason="skipped", now=LATER)
    assert take(annotator, LATER).assignment.item_id == passed.item_id


@pytest.mark.django_db(transaction=True)
def test_a_place_waits_for_a_sweep_that_is_under_way(world: World) -> None:
    """The sweep has opened the item for the person again and not committed; without the pool's lock, the
    answer in between would move their place past a slot that fits them."""
    annotator = world.member()
    _, second, passed = passed_while_held(world, annotator)
    with transaction.atomic():
        assert sweep_leases(LATER) == 1
        thread, found = in_thread(lambda: answer(world, second, LATER))
        wait_until_blocked()
    join(thread)
    assert found[0].body["state"] == "accepted"
    assert wrong_places() == []
    assert passed.item_id in fitting_items(annotator, LATER)


@pytest.mark.django_db(transaction=True)
def test_a_place_waits_for_a_sweep_also_in_the_items_other_pool(world: World) -> None:
    """Item 1 has a slot in two pools: its open one was given another priority while the first was held."""
    annotator, other = world.member(), world.member()
    batch = world.batch(items=1, overlap=2, lease_seconds=60)
    item = world.item(batch, 2, ["2.0", "2.1"], target_overlap=1)
    first = take(annotator)
    for pk in (first.assignment.item_id, item.pk):
        set_priorities(batch=batch, priorities={pk: -5}, actor=world.lead, now=NOW)
    second = take(annotator, NOW + timedelta(seconds=50))
    with transaction.atomic():
        assert sweep_leases(LATER) == 1
        thread, found = in_thread(lambda: answer(world, second, LATER))
        thread.join(2)
    join(thread)
    assert found[0].body["state"] == "accepted"
    assert take(other, LATER).assignment.item_id == first.assignment.item_id
    assert fitting_items(annotator, LATER) == {first.assignment.item_id}
    take(annotator, LATER)


@pytest.mark.django_db(transaction=True)
def test_a_limit_that_rises_while_a_place_moves_hides_nothing(world: World) -> None:
    annotator = world.member()
    (item,) = world.batch(items=1, overlap=1).items.all()
    refuse(item, world.member())
    rise(world, 1)
    with transaction.atomic():
        rise(world, 2)
        thread, found = in_thread(lambda: lease_next(annotator=annotator, now=NOW, seed=1))
        thread.join(2)
    join(thread)
    assert found[0].reason == "nothing_left_for_you"  # as it was before the limit rose
    assert wrong_places() == []
    assert take(annotator).assignment.item_id == item.pk


@pytest.mark.django_db(transaction=True)
def test_a_lease_sees_slots_that_change_their_priority_meanwhile(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    annotator = world.member()
    with transaction.atomic():
        priorities = {item.pk: 5 for item in batch.items.all()}
        assert set_priorities(batch=batch, priorities=priorities, actor=world.lead, now=NOW) == 1
        thread, found = in_thread(lambda: lease_next(annotator=annotator, now=NOW, seed=1))
        wait_until_blocked()
    join(thread)
    assert found[0].reason is None


@pytest.mark.django_db(transaction=True)
def test_no_cap_is_named_where_there_is_none(world: World) -> None:
    """The other's release is not committed when the person looks; their place waits for its pool, and then the
    open slot is there, which is taken for one that a cap keeps back."""
    annotator, other = world.member(), world.member()
    batch, _ = refused_item(world, annotator)
    refuse(batch.items.get(number=1), other)
    lease = take(other)
    with transaction.atomic():
        release_assignment(annotator=other, assignment=lease.assignment, reason="skipped", now=NOW)
        thread, found = in_thread(lambda: lease_next(annotator=annotator, now=NOW, seed=1))
        wait_until_blocked()
    join(thread)
    assert found[0].reason in (None, "nothing_left_for_you")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ending", ["nothing", "sweep", "submit", "extend"])
def test_a_lease_waits_for_an_expired_slot_that_somebody_looks_at(world: World, ending: str) -> None:
    """Another transaction holds the row of the only slot, whose lease ran out: what it does decides."""
    world.batch(items=1, overlap=1, lease_seconds=60)
    holder, annotator = world.member(), world.member()
    lease = take(holder)
    with transaction.atomic():
        Assignment.objects.select_for_update().get(pk=lease.assignment_id)
        thread, found = in_thread(lambda: lease_next(annotator=annotator, now=LATER, seed=1))
        wait_until_blocked()
        if ending == "sweep":
            assert sweep_leases(LATER) == 1
        elif ending == "submit":
            answer(world, lease, LATER)
        elif ending == "extend":
            in_time = NOW + timedelta(seconds=59)
            extend_lease(annotator=holder, assignment=lease.assignment, now=in_time)
    join(thread)
    result = found[0]
    if ending in ("nothing", "sweep"):
        assert (result.reason, result.lease.assignment_id) == (None, lease.assignment_id)
    else:
        assert result.reason == {"submit": "batch_done", "extend": "nothing_left_for_you"}[ending]


@pytest.mark.django_db(transaction=True)
def test_a_lease_waits_for_an_open_slot_that_somebody_lets_go(world: World) -> None:
    world.batch(items=1, overlap=1)
    annotator = world.member()
    with transaction.atomic():
        Assignment.objects.select_for_update().get()
        thread, found = in_thread(lambda: lease_next(annotator=annotator, now=NOW, seed=1))
        wait_until_blocked()
    join(thread)
    assert found[0].reason is None


@pytest.mark.django_db(transaction=True)
def test_a_lease_steps_over_a_slot_that_is_locked_while_there_are_others(world: World) -> None:
    world.batch(items=2, overlap=1)
    annotator = world.member()
    with transaction.atomic():
        Assignment.objects.select_for_update().get(item__number=1)
        thread, found = in_thread(lambda: lease_next(annotator=annotator, now=NOW, seed=1))
        join(thread)
    assert found[0].lease.assignment.item.number == 2


@pytest.mark.django_db(transaction=True)
def test_more_judgments_and_places_lock_pools_in_one_order(world: World) -> None:
    batch = world.batch(items=2, overlap=1)
    first, second = batch.items.order_by("number")
    set_priorities(batch=batch, priorities={first.pk: -5}, actor=world.lead, now=NOW)
    early, late = Pool.objects.order_by("pk")
    annotator = world.member()
    for item in (first, second):
        refuse(item, annotator)
    with transaction.atomic():
        Pool.objects.select_for_update().get(pk=late.pk)
        raising = in_thread(lambda: raise_overlap(batch=batch, overlap=2, actor=world.lead, now=NOW))
        wait_until_blocked()
        leasing = in_thread(lambda: lease_next(annotator=annotator, now=NOW, seed=1))
        wait_until_blocked(2)
    join(raising[0])
    join(leasing[0])
    assert early.pk < late.pk
    assert [type(found[0]).__name__ for _, found in (raising, leasing)] == ["int", "LeaseResult"]


@pytest.mark.django_db(transaction=True)
def test_a_lease_that_swept_waits_for_no_slot_while_it_holds_a_pool(world: World) -> None:
    batch = world.batch(items=2, overlap=1, lease_seconds=60)
    first, second = batch.items.order_by("number")
    set_priorities(batch=batch, priorities={second.pk: -5}, actor=world.lead, now=NOW)
    holder, annotator = world.member(), world.member()
    refuse(first, annotator)
    assert take(holder).assignment.item_id == first.pk
    errors: list[Exception] = []
    try:
        with transaction.atomic():
            Assignment.objects.select_for_update().get(item=second)  # as set_priorities does first
            thread, found = in_thread(lambda: lease_next(annotator=annotator, now=LATER, seed=1))
            wait_until_blocked()
            set_priorities(batch=batch, priorities={second.pk: 0}, actor=world.lead, now=LATER)
    except DatabaseError as error:
        errors.append(error)
    join(thread)
    errors += [one for one in found if isinstance(one, Exception)]
    assert errors == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(3))
def test_short_bursts_at_once_hide_no_work(world: World, seed: int) -> None:
    """Four people lease, answer, give back and let go at once; between the bursts the oracle looks."""
    world.batch(items=6, overlap=2, lease_seconds=60, overlap_policy="sequential", overlap_max=3)
    people = [world.member() for _ in range(4)]
    rise(world, 4)
    errors: list[Exception] = []

    def burst(annotator: Membership, draw: random.Random, now: Any) -> None:
        try:
            for _ in range(3):
                result = lease_next(annotator=annotator, now=now, seed=draw.getrandbits(40))
                if result.lease is None:
                    continue
                what = draw.random()
                if what < 0.5:
                    answer(world, result.lease, now, preferred=draw.choice("AB"), strength=1)
                elif what < 0.6:
                    release_assignment(
                        annotator=annotator, assignment=result.lease.assignment, reason="skipped", now=now
                    )
                elif what < 0.7:
                    sweep_leases(now)
        except DatabaseError as error:
            errors.append(error)
        finally:
            connections.close_all()

    now = NOW
    for number in range(6):
        draws = [random.Random(f"{seed} {number} {index}") for index in range(len(people))]
        threads = [
            threading.Thread(target=burst, args=(one, draw, now))
            for one, draw in zip(people, draws, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            join(thread)
        assert errors == []
        assert wrong_places() == []
        now += 2 * MINUTE if number % 2 else timedelta(seconds=20)
        for annotator in people:
            expected = fitting_items(annotator, now)
            result = lease_next(annotator=annotator, now=now, seed=number)
            assert result.lease is not None or not expected
