"""The life of a slot: lease, submit, late, release, undo, correct, void."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import DatabaseError, InternalError

from annotation.errors import Refused
from annotation.invariants import violations
from annotation.models import Assignment, AuditEvent, Exclusion, Judgment, Lease, Receipt
from annotation.services.judgments import (
    Submission,
    correct_judgment,
    submit_judgment,
    undo_judgment,
)
from annotation.services.leases import lease_next
from annotation.services.people import give_consent
from annotation.services.projects import publish_consent_text, publish_guideline
from annotation.services.returning import extend_lease, release_assignment, sweep_leases
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture(autouse=True)
def invariants_hold(world: World):  # type: ignore[no-untyped-def]
    """Every test of the engine ends with a look at all of its invariants."""
    yield
    assert violations() == []


def later(seconds: int):  # type: ignore[no-untyped-def]
    return NOW + timedelta(seconds=seconds)


def test_lease_gives_the_first_open_slot_and_draws_the_order(world: World) -> None:
    batch = world.batch(items=12)
    lease = world.lease(world.member())
    slot = lease.assignment
    assert (slot.item.number, slot.state, slot.attempt) == (1, "leased", 1)
    assert slot.expires_at == later(batch.lease_seconds)
    assert sorted(lease.display_order) == [0, 1]
    orders = {tuple(world.lease(world.member(), seed=seed).display_order) for seed in range(30)}
    assert orders == {(0, 1), (1, 0)}


def test_a_person_holds_two_leases_and_then_the_older_comes_back(world: World) -> None:
    world.batch(items=3)
    annotator = world.member()
    first, second = world.lease(annotator), world.lease(annotator, after=1)
    assert first.assignment_id != second.assignment_id
    assert world.lease(annotator, after=2) == first


def test_a_person_never_gets_one_item_twice(world: World) -> None:
    world.batch(items=2, overlap=3)
    annotator = world.member()
    leases = []
    for _ in range(2):
        leases.append(world.lease(annotator))
        world.submit(leases[-1])
    assert len({lease.assignment.item_id for lease in leases}) == 2
    assert lease_next(annotator=annotator, now=NOW, seed=1).reason == "nothing_left_for_you"


def test_nothing_left_says_when_the_batch_is_done(world: World) -> None:
    world.batch(items=1, overlap=1)
    annotator = world.member()
    world.judge(annotator)
    assert lease_next(annotator=annotator, now=NOW, seed=1).reason == "batch_done"


def test_consent_comes_before_the_first_item(world: World) -> None:
    world.batch()
    annotator = world.member()
    publish_consent_text(project=world.project, actor=world.lead, text="You may read harsh words.", now=NOW)
    assert lease_next(annotator=annotator, now=NOW, seed=1).reason == "consent_needed"
    give_consent(annotator=annotator, now=NOW)
    assert world.lease(annotator)


def test_submit_stores_one_judgment_with_what_was_shown(world: World) -> None:
    world.batch()
    lease = world.lease(world.member(), seed=3)
    outcome = world.submit(lease, {"preferred": "B", "strength": 3}, confidence=2, note="Wrong sum.")
    judgment = Judgment.objects.get(pk=outcome.body["judgment"])
    assert (outcome.body["state"], outcome.is_replay) == ("accepted", False)
    assert judgment.display_order == lease.display_order
    signed = 3 if lease.display_order == [0, 1] else -3
    assert [a.preference for a in judgment.pairwise_answers.all()] == [signed]
    assert judgment.guideline.number == 1
    lease.assignment.refresh_from_db()
    assert lease.assignment.state == "submitted"


def test_the_same_submission_twice_is_one_judgment_and_one_answer(world: World) -> None:
    world.batch()
    lease = world.lease(world.member())
    first, second = world.submit(lease), world.submit(lease)
    assert second.body == first.body
    assert second.is_replay
    assert Judgment.objects.count() == Receipt.objects.count() == 1


def test_the_same_id_with_another_answer_is_refused_and_the_first_kept(world: World) -> None:
    world.batch()
    lease = world.lease(world.member())
    world.submit(lease, {"preferred": "A", "strength": 1})
    with pytest.raises(Refused) as refusal:
        world.submit(lease, {"preferred": "B", "strength": 1})
    assert refusal.value.status == 409
    assert Judgment.objects.count() == 1


def test_a_bad_answer_stores_nothing_and_names_its_fields(world: World) -> None:
    world.batch()
    lease = world.lease(world.member())
    with pytest.raises(Refused) as refusal:
        world.submit(lease, {"preferred": "C", "strength": 9}, confidence=7)
    assert refusal.value.status == 422
    assert {e.field for e in refusal.value.errors} >= {"answer.preferred", "confidence"}
    assert not Judgment.objects.exists()
    assert not Receipt.objects.exists()


def test_an_expired_slot_opens_and_goes_to_somebody_else(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    first, second = world.member(), world.member()
    lease = world.lease(first)
    assert lease_next(annotator=second, now=later(60), seed=1).reason == "nothing_left_for_you"
    again = world.lease(second, after=batch.lease_seconds)
    assert again.assignment_id == lease.assignment_id
    assert again.attempt == 2


def test_a_late_answer_takes_its_slot_while_it_is_free(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    lease = world.lease(world.member(), seed=2)
    sweep_leases(later(batch.lease_seconds))
    outcome = world.submit(lease, after=batch.lease_seconds + 60)
    judgment = Judgment.objects.get(pk=outcome.body["judgment"])
    assert (outcome.body["state"], judgment.attempt) == ("accepted", 2)
    assert judgment.display_order == lease.display_order


def test_a_late_answer_takes_another_open_slot_of_its_item(world: World) -> None:
    batch = world.batch(items=1, overlap=2)
    lease = world.lease(world.member())
    sweep_leases(later(batch.lease_seconds))
    skipped = world.lease(world.member(), after=batch.lease_seconds)
    assert world.lease(world.member(), after=batch.lease_seconds).assignment_id == lease.assignment_id
    release_assignment(
        annotator=skipped.annotator,
        assignment=skipped.assignment,
        reason="skipped",
        now=later(batch.lease_seconds),
    )
    outcome = world.submit(lease, after=batch.lease_seconds + 60)
    judgment = Judgment.objects.get(pk=outcome.body["judgment"])
    assert outcome.body["state"] == "accepted"
    assert judgment.assignment_id == skipped.assignment_id


def test_a_late_answer_without_a_free_slot_is_kept_as_late(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    first, second = world.member(), world.member()
    lease = world.lease(first)
    sweep_leases(later(batch.lease_seconds))
    world.submit(world.lease(second, after=batch.lease_seconds), after=batch.lease_seconds + 5)
    outcome = world.submit(lease, after=batch.lease_seconds + 60)
    assert outcome.body["state"] == "late"
    assert Judgment.objects.current().count() == 1
    assert Exclusion.objects.get(annotator=first).reason == "late"
    assert world.submit(lease, after=batch.lease_seconds + 99).body == outcome.body


def test_an_answer_under_an_earlier_lease_of_the_same_person_counts_once(world: World) -> None:
    batch = world.batch(items=1, overlap=2)
    annotator = world.member()
    earlier = world.lease(annotator)
    newer = world.lease(annotator, after=batch.lease_seconds)
    assert world.submit(earlier, after=batch.lease_seconds + 5).body["state"] == "accepted"
    assert world.submit(newer, after=batch.lease_seconds + 9).body["state"] == "late"


def test_who_was_late_cannot_void_the_answer_that_took_the_slot(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    first, second = world.member(), world.member()
    lease = world.lease(first)
    kept = world.submit(world.lease(second, after=batch.lease_seconds), after=batch.lease_seconds + 5)
    late = Judgment.objects.get(pk=world.submit(lease, after=batch.lease_seconds + 9).body["judgment"])
    outcome = correct_judgment(
        annotator=first,
        judgment=late,
        submission=correction(late, {"cannot_judge": "language"}),
        now=later(9999),
    )
    assert outcome.body["state"] == "released"
    assert [j.pk for j in Judgment.objects.current()] == [kept.body["judgment"]]


def test_who_gave_an_item_back_does_not_answer_it_after_all(world: World) -> None:
    world.batch(items=1, overlap=2)
    lease = world.lease(world.member())
    release_assignment(annotator=lease.annotator, assignment=lease.assignment, reason="skipped", now=NOW)
    assert world.submit(lease).body["state"] == "late"


def test_whose_answer_was_voided_does_not_come_back_under_an_earlier_lease(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    annotator = world.member()
    earlier = world.lease(annotator)
    newer = world.lease(annotator, after=batch.lease_seconds)
    judgment = Judgment.objects.get(pk=world.submit(newer, after=batch.lease_seconds + 5).body["judgment"])
    voiding = correction(judgment, {"cannot_judge": "expertise"})
    correct_judgment(annotator=annotator, judgment=judgment, submission=voiding, now=later(9999))
    assert world.submit(earlier, after=9999).body["state"] == "late"


def test_cannot_judge_under_an_earlier_lease_is_refused_after_an_answer(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    annotator = world.member()
    earlier = world.lease(annotator)
    world.submit(world.lease(annotator, after=batch.lease_seconds), after=batch.lease_seconds + 5)
    with pytest.raises(Refused, match="answered this item already"):
        world.submit(earlier, {"cannot_judge": "language"}, after=9999)
    assert not Exclusion.objects.exists()


def test_in_a_closed_batch_an_expired_lease_fills_no_slot(world: World) -> None:
    """The second slot is open, so that only the closed batch keeps the late answer out of it."""
    batch = world.batch(items=1, overlap=2)
    expired = world.lease(world.member())
    sweep_leases(later(batch.lease_seconds))
    held = world.lease(world.member(), after=batch.lease_seconds)
    batch.state, batch.closed_at = "closed", later(batch.lease_seconds + 1)
    batch.save(update_fields=["state", "closed_at"])
    assert Assignment.objects.filter(state="open").count() == 1
    assert world.submit(expired, after=9999).body["state"] == "late"
    assert world.submit(held, after=9999).body["state"] == "accepted"


def test_two_leases_are_the_most_over_all_batches_of_a_project(world: World) -> None:
    batches = [world.batch(items=2) for _ in range(3)]
    annotator = world.member()
    for batch in batches * 2:
        lease_next(annotator=annotator, now=NOW, seed=1, batch=batch)
    assert Assignment.objects.filter(state="leased", annotator=annotator).count() == 2


def test_the_judgment_carries_the_guide_that_was_shown(world: World) -> None:
    world.batch()
    lease = world.lease(world.member())
    publish_guideline(project=world.project, actor=world.lead, text="Read twice.", now=NOW)
    judgment = Judgment.objects.get(pk=world.submit(lease).body["judgment"])
    assert judgment.guideline.number == 1


def test_skip_opens_the_slot_for_others_and_not_for_the_same_person(world: World) -> None:
    world.batch(items=1, overlap=1)
    first, second = world.member(), world.member()
    lease = world.lease(first)
    for _ in range(2):
        release_assignment(annotator=first, assignment=lease.assignment, reason="skipped", now=NOW)
    assert lease_next(annotator=first, now=NOW, seed=1).reason == "nothing_left_for_you"
    assert world.lease(second).assignment_id == lease.assignment_id
    assert AuditEvent.objects.filter(action="assignment.released").count() == 1


def test_an_item_that_three_people_refused_waits_for_review(world: World) -> None:
    world.batch(items=1, overlap=1)
    for _ in range(3):
        annotator = world.member()
        lease = world.lease(annotator)
        release_assignment(annotator=annotator, assignment=lease.assignment, reason="cut_off", now=NOW)
    assert lease_next(annotator=world.member(), now=NOW, seed=1).reason == "nothing_left_for_you"


def test_cannot_judge_as_an_answer_is_remembered(world: World) -> None:
    world.batch(items=1, overlap=1)
    lease = world.lease(world.member())
    outcome = world.submit(lease, {"cannot_judge": "language"})
    assert outcome.body["state"] == "released"
    assert world.submit(lease, {"cannot_judge": "language"}).is_replay
    assert world.lease(world.member()).assignment_id == lease.assignment_id


def test_extending_moves_the_expiry_of_the_holder_only(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    lease = world.lease(world.member())
    expires_at = extend_lease(annotator=lease.annotator, assignment=lease.assignment, now=later(600))
    assert expires_at == later(600 + batch.lease_seconds)
    with pytest.raises(Refused):
        extend_lease(annotator=world.member(), assignment=lease.assignment, now=later(601))


def correction(judgment: Judgment, answer: dict[str, object]) -> Submission:
    return Submission(submission_id=uuid.uuid4(), attempt=judgment.attempt, answer=answer)


def test_undo_shows_the_earlier_answer_and_a_correction_supersedes_it(world: World) -> None:
    world.batch()
    annotator = world.member()
    outcome = world.judge(annotator, {"preferred": "A", "strength": 3}, seed=5)
    judgment = Judgment.objects.get(pk=outcome.body["judgment"])
    undo = undo_judgment(annotator=annotator, judgment=judgment)
    assert undo.answer["preferred"] == "A"
    assert Judgment.objects.current().get() == judgment
    fixed = correct_judgment(
        annotator=annotator,
        judgment=judgment,
        submission=correction(judgment, {"tie": "both_good"}),
        now=later(60),
    )
    current = Judgment.objects.current().get()
    assert (current.pk, current.supersedes_id) == (fixed.body["judgment"], judgment.pk)
    with pytest.raises(Refused, match="corrected already"):
        undo_judgment(annotator=annotator, judgment=judgment)


def test_a_correction_to_cannot_judge_voids_the_slot_with_one_replacement(world: World) -> None:
    world.batch(items=1, overlap=2)
    annotator = world.member()
    outcome = world.judge(annotator)
    judgment = Judgment.objects.get(pk=outcome.body["judgment"])
    sent = correction(judgment, {"cannot_judge": "expertise"})
    for _ in range(2):
        correct_judgment(annotator=annotator, judgment=judgment, submission=sent, now=later(60))
    states = Assignment.objects.order_by("number").values_list("number", "state")
    assert list(states) == [(1, "void"), (2, "open"), (3, "open")]
    assert not Judgment.objects.current().exists()


def test_after_a_lead_closed_the_batch_the_author_corrects_no_more(world: World) -> None:
    batch = world.batch()
    annotator = world.member()
    judgment = Judgment.objects.get(pk=world.judge(annotator).body["judgment"])
    batch.state, batch.closed_at = "closed", NOW
    batch.save(update_fields=["state", "closed_at"])
    with pytest.raises(Refused, match="closed"):
        undo_judgment(annotator=annotator, judgment=judgment)


def test_a_foreign_submission_id_is_unknown(world: World) -> None:
    world.batch()
    lease = world.lease(world.member())
    with pytest.raises(Refused) as refusal:
        submit_judgment(
            annotator=lease.annotator,
            assignment=lease.assignment,
            submission=Submission(uuid.uuid4(), 1, {"preferred": "A", "strength": 1}),
            now=NOW,
        )
    assert refusal.value.errors[0].field == "submission_id"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE annotation_judgment SET note = 'better'",
        "DELETE FROM annotation_judgment",
        "UPDATE annotation_receipt SET answer = '{}'",
        "UPDATE annotation_lease SET display_order = '{1,0}'",
        "UPDATE annotation_item SET prompt = '[]'",
        "UPDATE annotation_completion SET messages = '[]'",
        "UPDATE annotation_criterion SET high = 9",
        "UPDATE annotation_guidelineversion SET text = 'other'",
        "UPDATE annotation_auditevent SET data = '{}'",
        "DELETE FROM annotation_auditevent",
        "UPDATE annotation_assignment SET attempt = 0, state = 'open', annotator_id = NULL",
        "UPDATE annotation_assignment SET state = 'leased', submitted_at = NULL, expires_at = now()",
        "UPDATE annotation_pairwiseanswer SET preference = 1",
    ],
)
def test_the_database_refuses_to_rewrite_history(world: World, change: str) -> None:
    from django.db import connection

    world.batch(items=1, overlap=1)
    world.judge(world.member())
    sql = change.replace("annotation_pairwiseanswer", "comparisons_pairwiseanswer")
    with (
        pytest.raises((IntegrityError, InternalError, DatabaseError)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)


def test_every_lease_and_judgment_has_its_audit_row(world: World) -> None:
    world.batch()
    world.judge(world.member())
    actions = list(
        AuditEvent.objects.filter(action__startswith="assignment.").values_list("action", flat=True)
    )
    assert actions == ["assignment.leased"]
    assert AuditEvent.objects.filter(action="judgment.accepted").count() == 1
    assert Lease.objects.count() == 1
