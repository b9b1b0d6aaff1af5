"""Taking answers: submit, undo, correct.

A submission is known by (annotator, submission_id). The lock on the annotator's row makes two deliveries of one
submission take turns, and the second finds the first one's receipt: same body, same answer.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.kinds import AnswerError, FieldError, Screen, judgment_kinds
from annotation.models import (
    Assignment,
    Batch,
    Exclusion,
    Item,
    Judgment,
    Lease,
    Membership,
    Receipt,
    User,
)
from annotation.selectors import screen_from, screen_of
from annotation.services import judgment_sql as sql
from annotation.services.lease_sql import LEASE, SLOT
from annotation.services.leases import move_place, write_lease
from annotation.services.locks import lock_annotator, lock_of, lock_slot
from annotation.services.overlap import add_slots, continue_item
from annotation.services.reports import report_cannot_judge
from annotation.services.returning import CANNOT_JUDGE, exclude, give_back
from annotation.services.training import conclude_try, feedback_on
from annotation.statements import know, stored

NOTE_MAX = 5000
SECONDS_MAX = 86_400.0
PLACE_EVERY = 10
"""A person's place in a pool moves with every tenth of their leases: until then a pick walks past the open slots of
nine items at most that they have judged since."""


@dataclass(frozen=True)
class Submission:
    """One answer as it arrived. `answer` is in the labels that were shown (api.md, Answers on a lease)."""

    submission_id: uuid.UUID
    attempt: int
    answer: Mapping[str, Any]
    active_seconds: float | None = None
    confidence: int | None = None
    note: str = ""
    read_to_end: Sequence[str] = field(default_factory=tuple)

    def body_hash(self, subject: str) -> bytes:
        """SHA-256 over the canonical JSON of what was answered about `subject`."""
        body = [subject, self.attempt, self.answer, self.confidence, self.note]
        canonical = json.dumps(
            body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        )
        return hashlib.sha256(canonical.encode()).digest()


@dataclass(frozen=True)
class Outcome:
    """`body` = {"judgment": id or None, "submission_id", "state": accepted | late | released}."""

    body: dict[str, Any]
    is_replay: bool


def submit_judgment(
    *, annotator: Membership, assignment: Assignment, submission: Submission, now: datetime
) -> Outcome:
    """Take an answer, once. Raises Refused: 409 for another answer under the same id, 422 for a bad one.

    An answer whose lease ran out takes any open slot of its item, and is kept as `late` when there is none.
    """
    body_hash = submission.body_hash(f"assignment {assignment.pk}")
    with transaction.atomic():
        found = found_slot(annotator, assignment, submission)
        if found.receipt is not None:
            return replay(submission, body_hash, *found.receipt)
        slot, lease = found.slot, lease_of(found, submission)
        if set(submission.answer) == {"cannot_judge"}:
            return store_cannot_judge(slot, annotator, submission, body_hash, now)
        screen = screen_from(slot.batch.protocol_id, found.completions, lease.display_order)
        parsed = parse(slot.batch.protocol.kind, screen, submission)
        taken = slot_for(slot, lease, now)
        feedback = None
        if taken is not None and slot.purpose == Assignment.Purpose.TRAINING:
            feedback = feedback_on(slot.item_id, parsed, screen)
        judgment, body = store(
            slot=taken or slot,
            attempt=taken.attempt if taken else lease.attempt,
            lease=lease,
            submission=submission,
            body_hash=body_hash,
            state=Judgment.State.ACCEPTED if taken else Judgment.State.LATE,
            extra={"feedback": feedback.as_dict()} if feedback else {},
            now=now,
        )
        judgment_kinds.get(slot.batch.protocol.kind).store(judgment, parsed, screen)
        settle(taken, slot, lease, now)
        return Outcome(body=body, is_replay=False)


def settle(taken: Assignment | None, slot: Assignment, lease: Lease, now: datetime) -> None:
    """What follows from a stored answer, in its transaction."""
    if slot.purpose == Assignment.Purpose.TRAINING:
        if taken is not None:
            conclude_try(lease.annotator, slot.batch, now)
    elif taken is None:
        exclude(annotator=lease.annotator, item_id=slot.item_id, reason=Exclusion.Reason.LATE, now=now)
    elif taken.pool_id is not None:
        if slot.batch.overlap_policy:
            continue_item(item_id=slot.item_id, batch=slot.batch, now=now)
        # The person's place moves here and not in the lease, which people wait for.
        if lease.ordinal % PLACE_EVERY == 0:
            move_place(lease.annotator_id, taken.pool_id)


@dataclass(frozen=True)
class Found:
    """A slot as it is now, locked, and what is known of one submission to it."""

    slot: Assignment
    lease: Lease | None
    """The lease under which the answer was given."""
    receipt: tuple[bytes, Any] | None
    """(body hash, answer) of the submission when it was here before."""
    completions: str
    """As `selectors.screen_from` takes them."""


def found_slot(annotator: Membership, assignment: Assignment, submission: Submission) -> Found:
    """Locks the annotator, then the slot."""
    wanted = (assignment.pk, annotator.pk, submission.submission_id)
    protocol = assignment.batch.protocol
    # How many turns there are to answer stands in the text alone.
    reads_text = judgment_kinds.get(protocol.kind).reads_text or protocol.per_turn
    statement = sql.FIND_SLOT_AND_TEXT if reads_text else sql.FIND_SLOT
    row = statement.rows(*wanted, before=lock_of(annotator))[0]
    slot = SLOT.load(row[: SLOT.width])
    state, body_hash, answer, completions, *values = row[SLOT.width :]
    know(slot, batch=assignment.batch)
    slot.batch.state = state
    lease = None
    if values[0] is not None:
        lease = LEASE.load(values)
        know(lease, annotator=annotator)
    receipt = None if body_hash is None else (bytes(body_hash), json.loads(answer))
    return Found(slot=slot, lease=lease, receipt=receipt, completions=completions)


def replay(submission: Submission, body_hash: bytes, known_hash: bytes, answer: dict[str, Any]) -> Outcome:
    """The answer that this submission got before."""
    if known_hash != body_hash:
        raise Refused(
            "This submission_id came before with another answer, which is kept. To change it, use undo.",
            code="conflict",
            field="submission_id",
            status=409,
        )
    return Outcome(body=in_order(answer), is_replay=True)


def in_order(answer: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL keeps the keys of a JSON object in an order of its own; an answer is the same to the byte."""
    keys = ("judgment", "submission_id", "state", "feedback")
    return {key: answer[key] for key in keys if key in answer}


def lease_of(found: Found, submission: Submission) -> Lease:
    """The lease under which the answer was given. The key comes from there, so no two tabs have two keys."""
    if found.lease is None:
        raise Refused(
            "Send the submission_id that came with this lease.", code="unknown", field="submission_id"
        )
    if found.lease.attempt != submission.attempt:
        raise Refused(f"This lease has attempt {found.lease.attempt}.", code="unknown", field="attempt")
    return found.lease


def parse(kind: str, screen: Screen, submission: Submission) -> Any:
    """The parsed answer. Raises Refused with every error in the answer and its side facts."""
    errors = side_errors(submission, screen.labels)
    parsed = None
    try:
        parsed = judgment_kinds.get(kind).parse(submission.answer, screen)
    except AnswerError as error:
        errors = [
            FieldError(f"answer.{e.field}" if e.field else "answer", e.code, e.detail) for e in error.errors
        ] + errors
    if errors:
        raise Refused("The answer does not fit the protocol; nothing was stored.", errors=errors)
    return parsed


def side_errors(submission: Submission, labels: Sequence[str]) -> list[FieldError]:
    errors = []
    if submission.confidence not in (None, 1, 2, 3):
        errors.append(
            FieldError("confidence", "invalid", "Use 1 (guess), 2 (fairly) or 3 (sure), or leave it out.")
        )
    if len(submission.note) > NOTE_MAX or "\x00" in submission.note:
        errors.append(
            FieldError("note", "invalid", f"A note holds at most {NOTE_MAX} characters and no NUL.")
        )
    if submission.active_seconds is not None and not 0 <= submission.active_seconds <= SECONDS_MAX:
        errors.append(FieldError("active_seconds", "invalid", "Use seconds between 0 and 86400."))
    if not set(submission.read_to_end) <= set(labels):
        errors.append(FieldError("read_to_end", "invalid", f"Use labels among {', '.join(labels)}."))
    return errors


def slot_for(slot: Assignment, lease: Lease, now: datetime) -> Assignment | None:
    """The locked slot that this answer fills, or None when there is no place for it (late).

    In time: the slot itself, still held under the same attempt. Otherwise the slot if it is open again
    or leased to the same person anew, else any other such work slot of the item, under a new attempt.
    There is no place in a closed batch, nor for somebody who answered, gave back or lost this item before:
    they may have seen what others said.
    """
    is_held = slot.state == Assignment.State.LEASED and slot.annotator_id == lease.annotator_id
    if is_held and slot.attempt == lease.attempt:
        return slot
    if slot.batch.state != Batch.State.OPEN or has_answered(slot, lease.annotator):
        return None
    if Exclusion.objects.filter(item=slot.item_id, annotator=lease.annotator).exists():
        return None
    taken = slot if slot.state == Assignment.State.OPEN or is_held else free_slot(slot, lease)
    if taken is None:
        return None
    for other in leased_slots(slot, lease.annotator):
        if other.pk != taken.pk:
            reason = "answered under an earlier lease"
            give_back(slot=other, annotator=lease.annotator, reason=reason, now=now)
    return retake_slot(taken, lease, now)


def retake_slot(slot: Assignment, shown: Lease, now: datetime) -> Assignment:
    """Give a locked slot to the author of a late answer, under the next attempt and with what they were shown."""
    last = Lease.objects.filter(annotator=shown.annotator_id).aggregate(last=Max("ordinal"))
    lease = Lease(
        annotator=shown.annotator,
        ordinal=last["last"] + 1,
        submission_id=shown.submission_id,
        guideline_id=shown.guideline_id,
        display_seed=shown.display_seed,
        display_order=shown.display_order,
        leased_at=now,
    )
    expires_at = now + timedelta(seconds=slot.batch.lease_seconds)
    return write_lease(lease, slot, expires_at=expires_at).assignment


def has_answered(slot: Assignment, annotator: Membership) -> bool:
    """Whether this person has a submitted slot of the item for the same purpose."""
    return Assignment.objects.filter(
        item=slot.item_id, annotator=annotator, purpose=slot.purpose, state=Assignment.State.SUBMITTED
    ).exists()


def leased_slots(slot: Assignment, annotator: Membership) -> list[Assignment]:
    """Slots of the item that this person holds, locked. A lease that ran out may have left them another."""
    held = Assignment.objects.filter(
        item=slot.item_id, annotator=annotator, purpose=slot.purpose, state=Assignment.State.LEASED
    )
    return list(held.select_for_update(of=("self",), no_key=True).select_related("batch__project"))


def free_slot(slot: Assignment, lease: Lease) -> Assignment | None:
    """Another work slot of the item that this person holds, else one that is open; locked."""
    if slot.purpose != Assignment.Purpose.WORK:
        return None
    others = (
        Assignment.objects.filter(item=slot.item_id, purpose=Assignment.Purpose.WORK)
        .select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("batch__project", "batch__protocol")
    )
    held = others.filter(state=Assignment.State.LEASED, annotator=lease.annotator).first()
    return held or others.filter(state=Assignment.State.OPEN).order_by("number").first()


def store(
    *,
    slot: Assignment,
    attempt: int,
    lease: Lease,
    submission: Submission,
    body_hash: bytes,
    state: str,
    extra: dict[str, Any],
    now: datetime,
    supersedes: Judgment | None = None,
) -> tuple[Judgment, dict[str, Any]]:
    """Insert the judgment with its receipt and audit row, and settle its slot, in one statement.

    Answers the judgment and the body that acknowledges it; `extra` goes into that body. The kind stores its
    typed answers afterwards.
    """
    fills = state == Judgment.State.ACCEPTED and supersedes is None
    row = sql.STORE_JUDGMENT.one(
        slot.pk,
        lease.annotator_id,
        now,
        attempt,
        submission.submission_id,
        state,
        supersedes.pk if supersedes else None,
        lease.guideline_id,
        slot.batch.protocol_id,
        list(lease.display_order),
        submission.active_seconds,
        submission.confidence,
        submission.note,
        sorted(set(submission.read_to_end)),
        "judgment.corrected" if supersedes else f"judgment.{state}",
        body_hash,
        json.dumps(extra),
        fills,
    )
    judgment = stored(
        Judgment,
        id=row[0],
        assignment_id=slot.pk,
        item_id=slot.item_id,
        attempt=attempt,
        state=state,
        supersedes_id=supersedes.pk if supersedes else None,
    )
    know(judgment, assignment=slot, supersedes=supersedes)
    body = {"judgment": row[0], "submission_id": str(submission.submission_id), "state": state} | extra
    return judgment, in_order(body)


def keep_receipt(annotator: Membership, submission: Submission, body_hash: bytes, now: datetime) -> Outcome:
    """The receipt of an answer that is no judgment: can't judge."""
    body = {"judgment": None, "submission_id": str(submission.submission_id), "state": "released"}
    Receipt.objects.create(
        annotator=annotator,
        submission_id=submission.submission_id,
        body_hash=body_hash,
        answer=body,
        created_at=now,
    )
    return Outcome(body=body, is_replay=False)


def cannot_judge_reason(submission: Submission) -> str:
    reason = submission.answer["cannot_judge"]
    if reason not in CANNOT_JUDGE:
        raise Refused(f"The reasons are {', '.join(CANNOT_JUDGE)}.", field="answer.cannot_judge")
    return str(reason)


def store_cannot_judge(
    slot: Assignment, annotator: Membership, submission: Submission, body_hash: bytes, now: datetime
) -> Outcome:
    """Can't judge, sent as an answer: what the person holds of the item opens again; a receipt remembers it."""
    reason = cannot_judge_reason(submission)
    if has_answered(slot, annotator):
        raise Refused(
            "You have answered this item already; to change that, use undo.",
            code="answered",
            field="answer.cannot_judge",
        )
    for held in leased_slots(slot, annotator):
        give_back(slot=held, annotator=annotator, reason=reason, now=now)
    if slot.purpose != Assignment.Purpose.TRAINING:  # the item comes back: it belongs to the test
        exclude(annotator=annotator, item_id=slot.item_id, reason=reason, now=now)
    report_cannot_judge(annotator=annotator, item_id=slot.item_id, reason=reason, now=now)
    return keep_receipt(annotator, submission, body_hash, now)


@dataclass(frozen=True)
class Undo:
    """The earlier answer in the labels that were shown, and the id under which a correction is sent."""

    judgment: Judgment
    submission_id: uuid.UUID
    answer: dict[str, Any]


def undo_judgment(*, annotator: Membership, judgment: Judgment) -> Undo:
    """Reopen an answer for its author. Changes nothing: the earlier answer stays until the correction."""
    check_correctable(judgment)
    screen = screen_of(slot_of(judgment), judgment.display_order)
    answer = judgment_kinds.get(judgment.protocol.kind).answer(judgment, screen)
    return Undo(judgment=judgment, submission_id=uuid.uuid4(), answer=answer)


def correct_judgment(
    *, annotator: Membership, judgment: Judgment, submission: Submission, now: datetime
) -> Outcome:
    """Store a correction as a new judgment that supersedes `judgment`. Raises Refused as submit does.

    A correction to can't judge voids the slot and opens one replacement; a late answer has none to void.
    """
    body_hash = submission.body_hash(f"judgment {judgment.pk}")
    with transaction.atomic():
        lock_annotator(annotator)
        slot = lock_slot(slot_of(judgment))
        receipt = Receipt.objects.filter(annotator=annotator, submission_id=submission.submission_id).first()
        if receipt is not None:
            return replay(submission, body_hash, bytes(receipt.body_hash), receipt.answer)
        check_correctable(judgment)
        lease = Lease.objects.select_related("annotator__user").get(
            assignment=judgment.assignment, attempt=judgment.attempt
        )
        if submission.attempt != judgment.attempt:
            raise Refused(f"This judgment has attempt {judgment.attempt}.", code="unknown", field="attempt")
        if set(submission.answer) == {"cannot_judge"}:
            reason = cannot_judge_reason(submission)
            # A late answer fills no slot: the one it came from is somebody else's by now.
            if judgment.state == Judgment.State.ACCEPTED:
                void_assignment(slot=slot, annotator=annotator, reason=reason, now=now)
            report_cannot_judge(annotator=annotator, item_id=slot.item_id, reason=reason, now=now)
            return keep_receipt(annotator, submission, body_hash, now)
        screen = screen_of(slot, lease.display_order)
        parsed = parse(slot.batch.protocol.kind, screen, submission)
        correction, body = store(
            slot=slot,
            attempt=judgment.attempt,
            lease=lease,
            submission=submission,
            body_hash=body_hash,
            state=judgment.state,
            extra={},
            supersedes=judgment,
            now=now,
        )
        judgment_kinds.get(slot.batch.protocol.kind).store(correction, parsed, screen)
        if slot.pool_id is not None and slot.batch.overlap_policy:
            continue_item(item_id=slot.item_id, batch=slot.batch, now=now)
        return Outcome(body=body, is_replay=False)


def slot_of(judgment: Judgment) -> Assignment:
    """Raises Refused for an imported judgment, which has none: it is corrected where it was made."""
    if judgment.assignment is None:
        raise Refused("This answer was imported and stays as it is.", code="imported", field="judgment")
    return judgment.assignment


def check_correctable(judgment: Judgment) -> None:
    """Raises Refused unless the batch is open and the judgment is the current one of a slot in force."""
    slot = slot_of(judgment)
    if Batch.objects.get(pk=judgment.batch_id).state != Batch.State.OPEN:
        raise Refused("This batch is closed; a reviewer can still correct it.", code="closed", field="batch")
    if Assignment.objects.get(pk=slot.pk).purpose == Assignment.Purpose.TRAINING:
        raise Refused("An answer in training is final.", code="training", field="judgment")
    if Judgment.objects.filter(supersedes=judgment).exists():
        raise Refused("This answer was corrected already.", code="superseded", field="judgment")
    if Assignment.objects.get(pk=slot.pk).state == Assignment.State.VOID:
        raise Refused("This answer was taken out of the batch.", code="void", field="judgment")


def void_assignment(
    *, slot: Assignment, annotator: Membership, reason: str, now: datetime, actor: User | None = None
) -> Assignment | None:
    """Void a submitted slot that is locked, and open exactly one replacement (I1, I8). Answers that one.

    A gold item or a repeat was for this person alone: there is nothing to replace. `actor` is the lead or
    reviewer who takes the answer out; its author when there is none.
    """
    if slot.state != Assignment.State.SUBMITTED or slot.annotator_id != annotator.pk:
        raise Refused(
            "Only this person's submitted assignment can be voided.", code="state", field="assignment"
        )
    # Race: two slots of one item are voided at once. The item's row makes them number in turn.
    Item.objects.select_for_update(no_key=True).get(pk=slot.item_id)
    slot.state = Assignment.State.VOID
    slot.void_reason = reason
    slot.save(update_fields=["state", "void_reason"])
    why = reason if reason in Exclusion.Reason.values else Exclusion.Reason.VOIDED
    exclude(annotator=annotator, item_id=slot.item_id, reason=why, now=now)
    replacement = None
    if slot.pool_id is not None:
        replacement = add_slots(slot.item_id, slot.batch_id, slot.pool_id, count=1)[0]
    record_audit(
        project=slot.batch.project,
        actor=actor or annotator.user,
        action="assignment.voided",
        obj=slot,
        now=now,
        data={"reason": reason} | ({"replacement": replacement.pk} if replacement else {}),
    )
    return replacement
