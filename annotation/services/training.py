"""Qualification: a training batch is passed before its project hands out work.

A try is all of the batch's items, each answered once and compared to its gold answer at once, so the person sees
what was expected. The share of right answers at the end of the try decides. Two tries; then a lead decides.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from annotation.audit import record_audit, record_audits
from annotation.errors import Refused
from annotation.kinds import Screen, judgment_kinds
from annotation.models import Assignment, Batch, GoldAnswer, Item, Membership, Receipt, TrainingTry, User

TRIES_MAX = 2


def has_used_all_tries(annotator: Membership, batch_id: int) -> bool:
    return TrainingTry.objects.filter(annotator=annotator, batch=batch_id).count() >= TRIES_MAX


def next_training_item(annotator: Membership, batch_id: int) -> int | None:
    """The id of the first item that is neither answered nor leased in the current try; None when there is none."""
    taken = Assignment.objects.filter(
        item=OuterRef("pk"), annotator=annotator, purpose=Assignment.Purpose.TRAINING
    ).exclude(state=Assignment.State.VOID)
    items = Item.objects.filter(~Exists(taken), batch=batch_id).order_by("number")
    return items.values_list("pk", flat=True).first()


@dataclass(frozen=True)
class Feedback:
    """What a person is told after a training item. `expected` is an answer in the labels that were shown."""

    is_right: bool
    expected: dict[str, Any]
    why: str

    def as_dict(self) -> dict[str, Any]:
        return {"right": self.is_right, "expected": self.expected, "why": self.why}


def feedback_on(item_id: int, parsed: Any, screen: Screen) -> Feedback:
    """Compare a parsed answer to the item's gold answers. A training item always has some."""
    golds = list(GoldAnswer.objects.filter(item=item_id))
    check = judgment_kinds.get(screen.protocol.kind).compare_to_gold(parsed, golds, screen)
    why = " ".join(gold.why for gold in golds if gold.why)
    return Feedback(is_right=check.is_right, expected=check.expected, why=why)


def conclude_try(annotator: Membership, batch: Batch, now: datetime) -> TrainingTry | None:
    """After a training answer: end the try when that was its last item. Needs the lock on the annotator.

    A try that was not passed and is not the last voids its slots, so that the next one starts from the top.
    """
    slots = list(
        Assignment.objects.filter(
            batch=batch,
            annotator=annotator,
            purpose=Assignment.Purpose.TRAINING,
            state=Assignment.State.SUBMITTED,
        )
    )
    items = batch.items.count()
    if len(slots) < items:
        return None
    right = Receipt.objects.filter(
        annotator=annotator,
        answer__feedback__right=True,
        submission_id__in=annotator.judgments.filter(assignment__in=slots).values("submission_id"),
    ).count()
    number = annotator.training_tries.filter(batch=batch).count() + 1
    ended = TrainingTry.objects.create(
        annotator=annotator,
        batch=batch,
        number=number,
        items=items,
        right=right,
        is_passed=right >= round(batch.pass_share * items, 6),  # 0.28 of 25 is 7, and not 7.000000000000001
        finished_at=now,
    )
    record_audit(
        project=batch.project,
        actor=annotator.user,
        action="training.passed" if ended.is_passed else "training.failed",
        obj=ended,
        now=now,
        data={"batch": batch.number, "number": number, "right": right, "items": items},
    )
    if not ended.is_passed and number < TRIES_MAX:
        start_over(slots, batch, number, now)
    return ended


def start_over(slots: list[Assignment], batch: Batch, number: int, now: datetime) -> None:
    reason = f"try {number} is over"
    Assignment.objects.filter(pk__in=[slot.pk for slot in slots]).update(
        state=Assignment.State.VOID, void_reason=reason
    )
    changes = [(batch.project, "assignment.voided", slot, {"reason": reason}) for slot in slots]
    record_audits(changes, actor=None, now=now)


def qualify(*, annotator: Membership, batch: Batch, actor: User, now: datetime) -> TrainingTry:
    """A lead's word in place of a passed try. Raises Refused when the person has passed already."""
    if batch.purpose != Batch.Purpose.TRAINING:
        raise Refused("Only a training batch can be passed.", field="batch")
    if annotator.project_id != batch.project_id or annotator.role != Membership.Role.ANNOTATOR:
        raise Refused("Only an annotator of this project can be let in.", field="annotator")
    with transaction.atomic():
        Membership.objects.select_for_update(no_key=True).get(pk=annotator.pk)
        tries = annotator.training_tries.filter(batch=batch)
        if tries.filter(is_passed=True).exists():
            raise Refused("This person has passed already.", code="passed", field="annotator", status=409)
        word = TrainingTry.objects.create(
            annotator=annotator,
            batch=batch,
            number=tries.count() + 1,
            items=batch.items.count(),
            is_passed=True,
            finished_at=now,
        )
        record_audit(
            project=batch.project,
            actor=actor,
            action="training.waived",
            obj=word,
            now=now,
            data={"batch": batch.number},
        )
    return word
