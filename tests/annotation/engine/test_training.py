"""Training: work after passing only, feedback at once, two tries, then a lead's word."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from annotation.errors import Refused
from annotation.models import Assignment, AuditEvent, Exclusion, Judgment, Membership
from annotation.selectors import batch_counts
from annotation.services.batches import close_batch
from annotation.services.judgments import Submission, correct_judgment, submit_judgment, undo_judgment
from annotation.services.leases import lease_next
from annotation.services.projects import set_limits
from annotation.services.returning import release_assignment, sweep_leases
from annotation.services.training import qualify
from comparisons.selectors import work_judgments
from exporters.releasable import releasable_judgments
from tests.annotation.engine.people import (
    MINUTE,
    add_gold,
    answer,
    correction,
    in_thread,
    join,
    last_try,
    prefer,
    reason,
    take,
    train,
    training_batch,
)
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db


def purpose(annotator: Membership) -> str:
    return take(annotator).assignment.purpose


def test_work_comes_after_every_training_item_was_answered_and_passed(world: World) -> None:
    world.batch(priority=100)
    batch = training_batch(world, items=3)
    annotator = world.member()
    train(world, annotator, [True, True])
    assert not annotator.training_tries.exists()
    train(world, annotator, [True])
    assert (last_try(annotator).right, last_try(annotator).items, last_try(annotator).batch_id) == (
        3,
        3,
        batch.pk,
    )
    assert purpose(annotator) == "work"
    assert AuditEvent.objects.filter(action="training.passed").count() == 1


def test_training_comes_first_also_when_another_batch_is_asked_for(world: World) -> None:
    work = world.batch()
    training = training_batch(world)
    assert take(world.member(), batch=work).assignment.purpose == "training"
    assert take(world.member(), batch=training).assignment.batch_id == training.pk


def test_one_training_item_is_held_at_a_time(world: World) -> None:
    training_batch(world, items=3)
    annotator = world.member()
    assert take(annotator) == take(annotator)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_feedback_says_what_was_expected_in_the_labels_as_shown(world: World, order: list[int]) -> None:
    """Gold says the first completion as imported is better by 2; what the person sees is A or B."""
    training_batch(world, items=1)
    while (lease := take(world.member())).display_order != order:
        pass
    outcome = answer(world, lease, NOW, **prefer(lease, first=False))
    label = "A" if order == [0, 1] else "B"
    assert outcome.body["feedback"] == {
        "right": False,
        "expected": {"preferred": label, "strength": 2},
        "why": "The first one adds up.",
    }
    assert answer(world, lease, NOW, **prefer(lease, first=False)).body == outcome.body


def test_a_right_answer_is_told_so_within_the_tolerance(world: World) -> None:
    training_batch(world, items=2)
    annotator = world.member()
    for strength, is_right in ((3, True), (1, True)):
        lease = take(annotator)
        sent = prefer(lease, first=True) | {"strength": strength}
        assert answer(world, lease, NOW, **sent).body["feedback"]["right"] is is_right


def test_work_and_gold_get_no_feedback(world: World) -> None:
    batch = world.batch(items=2, gold_share=0.999)
    add_gold(world, batch)
    annotator = world.member()
    for _ in range(2):
        assert set(answer(world, take(annotator), NOW).body) == {"judgment", "submission_id", "state"}


@pytest.mark.parametrize(("right", "is_passed"), [(2, False), (3, True), (4, True)])
def test_the_mark_itself_passes(world: World, right: int, is_passed: bool) -> None:
    training_batch(world, items=4, pass_share=0.75)
    annotator = world.member()
    train(world, annotator, [index < right for index in range(4)])
    assert (last_try(annotator).right, last_try(annotator).is_passed) == (right, is_passed)


def test_the_mark_itself_passes_whatever_its_binary_digits(world: World) -> None:
    training_batch(world, items=25, pass_share=0.28)
    annotator = world.member()
    train(world, annotator, [index < 7 for index in range(25)])
    assert last_try(annotator).right == 7
    assert last_try(annotator).is_passed


def test_a_second_try_starts_from_the_top(world: World) -> None:
    training_batch(world, items=2)
    world.batch()
    annotator = world.member()
    first = [Judgment.objects.get(pk=one.body["judgment"]) for one in train(world, annotator, [True, False])]
    assert (last_try(annotator).number, last_try(annotator).is_passed) == (1, False)
    assert [one.assignment.state for one in first] == ["void", "void"]
    voids = AuditEvent.objects.filter(action="assignment.voided")
    assert voids.count() == 2
    again = take(annotator)
    assert again.assignment.item_id == first[0].item_id
    train(world, annotator, [True, True])
    assert (last_try(annotator).number, last_try(annotator).right) == (2, 2)
    assert purpose(annotator) == "work"


def test_after_two_failed_tries_a_lead_decides(world: World) -> None:
    batch = training_batch(world, items=1)
    world.batch()
    annotator = world.member()
    train(world, annotator, [False, False])
    assert reason(annotator) == "not_qualified"
    qualify(annotator=annotator, batch=batch, actor=world.lead, now=NOW)
    assert purpose(annotator) == "work"
    assert AuditEvent.objects.get(action="training.waived").actor_id == world.lead.pk
    with pytest.raises(Refused, match="passed already"):
        qualify(annotator=annotator, batch=batch, actor=world.lead, now=NOW)
    assert annotator.training_tries.filter(is_passed=True).count() == 1


def test_a_lead_cannot_qualify_for_work(world: World) -> None:
    with pytest.raises(Refused, match="training batch"):
        qualify(annotator=world.member(), batch=world.batch(), actor=world.lead, now=NOW)


def test_a_lead_may_qualify_in_the_middle_of_a_try(world: World) -> None:
    batch = training_batch(world, items=2)
    world.batch()
    annotator = world.member()
    train(world, annotator, [False])
    held = take(annotator)
    qualify(annotator=annotator, batch=batch, actor=world.lead, now=NOW)
    assert take(annotator).assignment.purpose == "work"
    assert answer(world, held, NOW).body["state"] == "accepted"
    assert annotator.training_tries.filter(is_passed=True).exists()


def test_an_answer_in_training_is_final(world: World) -> None:
    training_batch(world, items=2)
    annotator = world.member()
    (outcome,) = train(world, annotator, [False])
    judgment = Judgment.objects.get(pk=outcome.body["judgment"])
    with pytest.raises(Refused, match="final"):
        undo_judgment(annotator=annotator, judgment=judgment)
    for sent in ({"preferred": "A", "strength": 1}, {"cannot_judge": "language"}):
        with pytest.raises(Refused, match="final"):
            correct_judgment(
                annotator=annotator, judgment=judgment, submission=correction(judgment, sent), now=NOW
            )
    assert Judgment.objects.count() == 1


def test_training_counts_as_no_work(world: World) -> None:
    batch = training_batch(world, items=2)
    train(world, world.member(), [True, True])
    assert not work_judgments(world.project).exists()
    assert not releasable_judgments(world.project).exists()
    assert batch_counts([batch])[batch.pk].submitted == 0


def test_a_training_item_given_back_is_void_and_comes_again(world: World) -> None:
    training_batch(world, items=1)
    annotator = world.member()
    lease = take(annotator)
    for _ in range(2):
        release_assignment(annotator=annotator, assignment=lease.assignment, reason="skipped", now=NOW)
    lease.assignment.refresh_from_db()
    assert lease.assignment.state == "void"
    assert AuditEvent.objects.filter(action="assignment.voided").count() == 1
    again = take(annotator)
    assert again.assignment.item_id == lease.assignment.item_id
    assert again.assignment_id != lease.assignment_id
    assert not Exclusion.objects.exists()


def test_cannot_judge_in_training_does_the_same_as_giving_back(world: World) -> None:
    training_batch(world, items=1)
    annotator = world.member()
    answer(world, take(annotator), NOW, cannot_judge="expertise")
    assert take(annotator).assignment.purpose == "training"
    assert not Exclusion.objects.exists()


def test_a_training_lease_that_was_swept_comes_again_and_its_late_answer_ends_no_try(world: World) -> None:
    training_batch(world, items=1)
    annotator = world.member()
    lease = take(annotator)
    later = NOW + timedelta(hours=1)
    assert sweep_leases(later) == 1
    assert answer(world, lease, later, **prefer(lease, first=True)).body["state"] == "late"
    assert not annotator.training_tries.exists()
    again = take(annotator, later)
    assert again.assignment.item_id == lease.assignment.item_id
    answer(world, again, later, **prefer(again, first=True))
    assert last_try(annotator).is_passed


def test_a_training_lease_that_ran_out_comes_again_at_once(world: World) -> None:
    training_batch(world, items=1)
    annotator = world.member()
    take(annotator)
    result = lease_next(annotator=annotator, now=NOW + timedelta(hours=1), seed=1)
    assert result.reason is None


def test_training_added_to_a_running_project_asks_everybody(world: World) -> None:
    world.batch(items=4)
    annotator = world.member()
    answer(world, take(annotator), NOW)
    held = take(annotator)
    training_batch(world, items=1)
    assert take(annotator) == held
    assert answer(world, held, NOW).body["state"] == "accepted"
    assert purpose(annotator) == "training"
    train(world, annotator, [True])
    assert purpose(annotator) == "work"


def test_two_training_batches_are_passed_one_after_the_other_and_a_closed_one_is_not_asked(
    world: World,
) -> None:
    first, second = training_batch(world, items=1), training_batch(world, items=1)
    closed = training_batch(world, items=1)
    close_batch(batch=closed, actor=world.lead, now=NOW)
    world.batch()
    annotator = world.member()
    train(world, annotator, [True, True])
    assert list(annotator.training_tries.order_by("id").values_list("batch", flat=True)) == [
        first.pk,
        second.pk,
    ]
    assert purpose(annotator) == "work"


def test_training_is_not_kept_back_by_the_days_cap(world: World) -> None:
    training_batch(world, items=2)
    world.batch()
    set_limits(project=world.project, daily_cap=1, exposure={}, exclusion_limit=3, actor=world.lead, now=NOW)
    annotator = world.member()
    train(world, annotator, [True, True])
    answer(world, take(annotator), NOW)
    assert reason(annotator) == "cap_reached"


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_finish_the_last_item_end_the_try_once(world: World) -> None:
    training_batch(world, items=2)
    annotator = world.member()
    train(world, annotator, [True])
    lease = take(annotator)
    together = threading.Barrier(4)

    def send(label: str) -> Any:
        submission = Submission(lease.submission_id, lease.attempt, {"preferred": label, "strength": 2})
        together.wait()
        return submit_judgment(
            annotator=annotator, assignment=lease.assignment, submission=submission, now=NOW + MINUTE
        )

    started = [in_thread(lambda label=label: send(label)) for label in "AABB"]  # type: ignore[misc]
    for thread, _ in started:
        join(thread)
    results = [found[0] for _, found in started]
    taken = [result for result in results if not isinstance(result, Exception)]
    assert len(taken) == 2
    assert [result.is_replay for result in sorted(taken, key=lambda one: one.is_replay)] == [False, True]
    assert {result.status for result in results if isinstance(result, Refused)} == {409}
    assert annotator.training_tries.count() == 1
    assert Assignment.objects.filter(annotator=annotator).count() == 2
    assert Judgment.objects.count() == 2
