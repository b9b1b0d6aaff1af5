"""How many judgments an item gets: until it is decided, or as a lead wants it; never fewer (I1)."""

from itertools import product

import pytest
from django.db import transaction

from annotation.errors import Refused
from annotation.models import Assignment, AuditEvent, Batch, Item, Judgment, Membership
from annotation.services.batches import close_batch
from annotation.services.judgments import correct_judgment
from annotation.services.overlap import raise_overlap, saving_of
from annotation.services.returning import release_assignment
from comparisons.stopping import certainty
from tests.annotation.engine.people import (
    answer,
    correction,
    in_thread,
    join,
    prefer,
    reason,
    take,
    wait_until_blocked,
)
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db


def sequential(world: World, items: int = 1, *, overlap: int = 2, maximum: int = 5) -> Batch:
    return world.batch(items=items, overlap=overlap, overlap_policy="sequential", overlap_max=maximum)


def vote(world: World, *firsts: bool) -> list[Judgment]:
    """New people judge the item that comes next, for its first completion or its second."""
    found = []
    for first in firsts:
        lease = take(world.member())
        body = answer(world, lease, NOW, **prefer(lease, first=first)).body
        found.append(Judgment.objects.get(pk=body["judgment"]))
    return found


def states(item: Item) -> dict[str, int]:
    slots = Assignment.objects.filter(item=item, purpose="work").values_list("state", flat=True)
    return {state: list(slots).count(state) for state in ("open", "submitted", "void")}


def only_item(batch: Batch) -> Item:
    return batch.items.get()


def test_two_that_agree_are_enough(world: World) -> None:
    batch = sequential(world)
    vote(world, True, True)
    assert states(only_item(batch)) == {"open": 0, "submitted": 2, "void": 0}
    assert only_item(batch).target_overlap == 2
    assert reason(world.member()) == "batch_done"


def test_one_against_one_goes_on_one_by_one_up_to_the_maximum(world: World) -> None:
    batch = sequential(world, maximum=4)
    for number, first in enumerate([True, False, True, False], start=1):
        vote(world, first)
        expected = {1: (1, 2), 2: (1, 3), 3: (1, 4), 4: (0, 4)}[number]
        assert (states(only_item(batch))["open"], only_item(batch).target_overlap) == expected
    assert reason(world.member()) == "batch_done"
    raised = AuditEvent.objects.filter(action="item.overlap_raised")
    assert [(one.actor_id, one.data["overlap"]) for one in raised.order_by("id")] == [(None, 3), (None, 4)]


def test_nothing_is_decided_while_an_answer_is_out(world: World) -> None:
    batch = sequential(world, overlap=3)
    held = take(world.member())
    vote(world, True, False)
    assert states(only_item(batch)) == {"open": 0, "submitted": 2, "void": 0}
    answer(world, held, NOW, **prefer(held, first=True))
    assert only_item(batch).target_overlap == 4


def test_in_a_closed_batch_nothing_more_is_asked(world: World) -> None:
    batch = sequential(world)
    vote(world, True)
    held = take(world.member())
    close_batch(batch=batch, actor=world.lead, now=NOW)
    answer(world, held, NOW, **prefer(held, first=False))
    assert only_item(batch).target_overlap == 2


def test_a_batch_without_a_policy_keeps_its_overlap(world: World) -> None:
    batch = world.batch(items=1, overlap=2)
    vote(world, True, False)
    assert only_item(batch).target_overlap == 2


def test_the_rule_is_the_one_that_is_documented() -> None:
    """Two that agree reach 0.875, three of four 0.8125; it is symmetric and a tie counts half for each."""
    assert certainty(2, 0) == pytest.approx(0.875)
    assert certainty(3, 1) == pytest.approx(0.8125)
    assert certainty(0, 0) == certainty(0, 0, 2) == pytest.approx(0.5)
    for first, second, ties in product(range(4), repeat=3):
        assert certainty(first, second, ties) == pytest.approx(certainty(second, first, ties))
        assert 0.5 <= certainty(first, second, ties) < 1


def test_two_ties_go_on(world: World) -> None:
    batch = sequential(world)
    for _ in range(2):
        answer(world, take(world.member()), NOW, tie="both_good")
    assert only_item(batch).target_overlap == 3


def test_a_void_opens_one_replacement_and_the_policy_looks_again_after_it(world: World) -> None:
    batch = sequential(world)
    first, _ = vote(world, True, True)
    sent = correction(first, {"cannot_judge": "expertise"})
    correct_judgment(annotator=first.annotator, judgment=first, submission=sent, now=NOW)
    item = only_item(batch)
    assert (states(item), item.target_overlap) == ({"open": 1, "submitted": 1, "void": 1}, 2)
    vote(world, False)
    item.refresh_from_db()
    assert (states(item), item.target_overlap) == ({"open": 1, "submitted": 2, "void": 1}, 3)
    assert reason(first.annotator) == "nothing_left_for_you"


def test_the_policy_reads_corrected_answers(world: World) -> None:
    batch = sequential(world, overlap=3)
    first, _ = vote(world, True, True)
    fixed = correction(first, prefer_of(first, first=False))
    correct_judgment(annotator=first.annotator, judgment=first, submission=fixed, now=NOW)
    vote(world, True)
    assert only_item(batch).target_overlap == 4  # two against one; uncorrected it would be three of three


def prefer_of(judgment: Judgment, first: bool) -> dict[str, object]:
    label = "A" if (judgment.display_order[0] == 0) == first else "B"
    return {"preferred": label, "strength": 2}


def test_a_correction_that_undoes_the_decision_asks_for_one_more(world: World) -> None:
    batch = sequential(world)
    first, _ = vote(world, True, True)
    fixed = correction(first, prefer_of(first, first=False))
    correct_judgment(annotator=first.annotator, judgment=first, submission=fixed, now=NOW)
    assert only_item(batch).target_overlap == 3


def test_an_item_given_back_is_still_open_and_decides_nothing(world: World) -> None:
    batch = sequential(world)
    vote(world, True)
    lease = take(world.member())
    release_assignment(annotator=lease.annotator, assignment=lease.assignment, reason="skipped", now=NOW)
    assert (states(only_item(batch))["open"], only_item(batch).target_overlap) == (1, 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("votes", [(True, True), (True, False)])
def test_the_last_two_answers_at_once_decide_once(world: World, votes: tuple[bool, bool]) -> None:
    """Both are stored before either has committed; whoever comes second waits, sees both and decides."""
    batch = sequential(world)
    leases = [take(world.member()) for _ in votes]
    with transaction.atomic():
        answer(world, leases[0], NOW, **prefer(leases[0], first=votes[0]))
        thread, found = in_thread(lambda: answer(world, leases[1], NOW, **prefer(leases[1], first=votes[1])))
        wait_until_blocked()
    join(thread)
    assert found[0].body["state"] == "accepted"
    assert only_item(batch).target_overlap == (2 if votes[0] == votes[1] else 3)


def test_the_saving_compares_settled_items_to_the_maximum(world: World) -> None:
    batch = sequential(world, items=3, maximum=4)
    assert (saving_of(batch).settled, saving_of(batch).share) == (0, None)
    vote(world, True, True)  # the first item is decided
    saving = saving_of(batch)
    assert (saving.items, saving.settled, saving.judgments, saving.at_maximum) == (3, 1, 2, 4)
    assert saving.share == pytest.approx(0.5)
    vote(world, True, False)  # the second goes on at the end of the pool
    assert saving_of(batch) == saving
    vote(world, True, True)
    assert (saving_of(batch).settled, saving_of(batch).judgments) == (2, 4)


def test_what_a_lead_asks_for_beyond_the_maximum_saves_nothing(world: World) -> None:
    batch = sequential(world, maximum=2)
    raise_overlap(batch=batch, overlap=4, actor=world.lead, now=NOW)
    vote(world, True, True, True, True)
    share = saving_of(batch).share
    assert share is not None
    assert share >= 0


def test_more_judgments_later_leave_earlier_answers_alone(world: World) -> None:
    batch = world.batch(items=2, overlap=1)
    people: list[Membership] = [world.member(), world.member()]
    for annotator in people:
        answer(world, take(annotator), NOW)
    before = list(Judgment.objects.order_by("id").values())
    slots = list(Assignment.objects.order_by("id").values())
    assert raise_overlap(batch=batch, overlap=3, actor=world.lead, now=NOW, external_ids=["row-2"]) == 1
    assert list(Judgment.objects.order_by("id").values()) == before
    assert (
        list(Assignment.objects.filter(pk__in=[slot["id"] for slot in slots]).order_by("id").values())
        == slots
    )
    assert [item.target_overlap for item in batch.items.order_by("number")] == [1, 3]
    assert reason(people[1]) == "nothing_left_for_you"  # judged row 2 already
    for annotator in (people[0], world.member()):
        assert take(annotator).assignment.item.external_id == "row-2"
    assert raise_overlap(batch=batch, overlap=2, actor=world.lead, now=NOW) == 1  # row 1 alone


@pytest.mark.parametrize("overlap", [0, 101])
def test_an_overlap_out_of_range_or_an_unknown_item_changes_nothing(world: World, overlap: int) -> None:
    batch = world.batch(items=1, overlap=1)
    with pytest.raises(Refused, match="1 to 100"):
        raise_overlap(batch=batch, overlap=overlap, actor=world.lead, now=NOW)
    with pytest.raises(Refused, match="no item 'row-9'"):
        raise_overlap(
            batch=batch, overlap=2, actor=world.lead, now=NOW, external_ids=["row-1", "row-9", "row-9"]
        )
    assert only_item(batch).target_overlap == 1


def test_a_closed_batch_gets_no_more_judgments(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    close_batch(batch=batch, actor=world.lead, now=NOW)
    with pytest.raises(Refused, match="not open"):
        raise_overlap(batch=batch, overlap=2, actor=world.lead, now=NOW)
    assert only_item(batch).target_overlap == 1
