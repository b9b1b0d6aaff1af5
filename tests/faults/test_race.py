"""24 annotators race for 300 items that need three judgments each; and the twin with the guards off.

The twin is the control: it runs the same race with the row locks, the unique constraints and the
life-cycle trigger taken away, and must show surplus judgments. A race test whose control cannot fail
proves nothing.
"""

import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, connections
from django.db.utils import DatabaseError

from annotation.errors import Refused
from annotation.invariants import violations
from annotation.models import Assignment, Judgment, Lease, Membership
from annotation.services import judgment_sql, judgments, lease_sql, leases, returning
from annotation.statements import Statement
from tests.factories import NOW, World, make_world

ITEMS, OVERLAP, ANNOTATORS = 300, 3, 24
CONTROL_RACES = 10
"""On a busy machine threads may happen to take turns for a whole race of the control, so it may race again."""

pytestmark = pytest.mark.django_db(transaction=True)


def race(world: World, annotators: list[Membership], *, errors_stop: bool) -> list[BaseException]:
    """Let every annotator lease and submit until nothing is left; answers the errors that came up."""
    start = threading.Barrier(len(annotators))
    errors: list[BaseException] = []

    def work(annotator: Membership, seed: int) -> None:
        draw = random.Random(seed)
        start.wait()
        try:
            for _ in range(ITEMS * 2):
                try:
                    lease = leases.lease_next(annotator=annotator, now=NOW, seed=draw.getrandbits(60)).lease
                    if lease is None:
                        return
                    world.submit(lease, {"preferred": draw.choice("AB"), "strength": draw.randint(1, 3)})
                except DatabaseError as error:
                    errors.append(error)
                    if errors_stop:
                        return
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(a, seed)) for seed, a in enumerate(annotators)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def surplus_judgments() -> int:
    """Accepted root judgments beyond three an item, summed over items."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(n - %s), 0) FROM (SELECT count(*) AS n FROM annotation_judgment"
            " WHERE state = 'accepted' AND supersedes_id IS NULL GROUP BY item_id) AS t WHERE n > %s",
            [OVERLAP, OVERLAP],
        )
        return int(cursor.fetchone()[0])


def test_a_race_for_300_items_gives_exactly_900_judgments() -> None:
    world = make_world()
    world.batch(items=ITEMS, overlap=OVERLAP)
    errors = race(world, [world.member() for _ in range(ANNOTATORS)], errors_stop=True)
    count = Judgment.objects.current().count()
    print(f"\n{ANNOTATORS} annotators, {ITEMS} × {OVERLAP}: {count} judgments, {surplus_judgments()} surplus")
    assert errors == []
    assert (count, surplus_judgments()) == (ITEMS * OVERLAP, 0)
    assert not Judgment.objects.filter(state="late").exists()
    assert violations() == []


GUARDS = [
    (Judgment, "judgment_one_root_per_slot"),
    (Lease, "lease_one_per_attempt"),
    (Assignment, "assignment_one_per_person"),
]


@contextmanager
def guards_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Slots are read without a lock and written blindly, and the tables let it pass."""

    unlocked = judgment_sql.FIND_SLOT.sql.replace("FOR NO KEY UPDATE OF a", "")
    blind = Statement("find_slot_unlocked", judgment_sql.FIND_SLOT.types, unlocked)
    monkeypatch.setattr(lease_sql, "PICK", lease_sql.LOOK)
    monkeypatch.setattr(judgment_sql, "FIND_SLOT", blind)
    constraints = [
        (model, next(c for c in model._meta.constraints if c.name == name)) for model, name in GUARDS
    ]
    with connection.schema_editor() as editor:
        for model, constraint in constraints:
            editor.remove_constraint(model, constraint)
        editor.execute("ALTER TABLE annotation_assignment DISABLE TRIGGER USER")
    try:
        yield
    finally:
        tables = "annotation_judgment, annotation_lease, annotation_assignment"
        with connection.schema_editor() as editor:
            editor.execute(f"TRUNCATE {tables} CASCADE")
            for model, constraint in constraints:
                editor.add_constraint(model, constraint)
            editor.execute("ALTER TABLE annotation_assignment ENABLE TRIGGER USER")


def test_control_without_the_guards_the_same_race_gives_surplus(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    annotators = [world.member() for _ in range(ANNOTATORS)]
    with guards_off(monkeypatch):
        for _ in range(CONTROL_RACES):
            world.batch(items=ITEMS // 10, overlap=OVERLAP)
            race(world, annotators, errors_stop=False)
            if surplus_judgments():
                break
        surplus, broken = surplus_judgments(), {violation.code for violation in violations()}
        print(f"\nguards off: {surplus} surplus judgments, broken invariants {sorted(broken)}")
        assert surplus > 0
        assert broken


def together(*calls: Callable[[], object]) -> list[BaseException]:
    """Run the calls at the same moment in threads of their own; answers what they raised."""
    start, errors = threading.Barrier(len(calls)), []

    def run(call: Callable[[], object]) -> None:
        start.wait()
        try:
            call()
        except (DatabaseError, Refused, AssertionError) as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_a_late_answer_and_a_lease_of_the_same_person_do_not_collide() -> None:
    """Both may want a slot of the same item; the membership row makes them take turns."""
    world = make_world()
    batch = world.batch(items=40, overlap=2)
    annotator = world.member()
    for round_number in range(12):
        start = round_number * batch.lease_seconds * 2
        lease = world.lease(annotator, after=start)
        later = start + batch.lease_seconds
        returning.sweep_leases(NOW + timedelta(seconds=later))
        errors = together(
            partial(world.submit, lease, after=later), partial(world.lease, annotator, after=later)
        )
        assert errors == []
    assert violations() == []


def test_two_answers_of_one_item_are_voided_at_once() -> None:
    """Each void opens a replacement with the next number; the item's row makes them number in turn."""
    world = make_world()
    world.batch(items=8, overlap=2)
    people = [world.member(), world.member()]
    for _ in range(8):
        done = [Judgment.objects.get(pk=world.judge(person).body["judgment"]) for person in people]

        def void(judgment: Judgment) -> object:
            return judgments.correct_judgment(
                annotator=judgment.annotator,
                judgment=judgment,
                submission=judgments.Submission(uuid.uuid4(), judgment.attempt, {"cannot_judge": "language"}),
                now=NOW,
            )

        assert together(*(partial(void, judgment) for judgment in done)) == []
    assert Assignment.objects.filter(state="void").count() == 16
    assert violations() == []
