"""Taking an answer out: by a lead or reviewer, after it was stored."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from annotation.errors import Refused
from annotation.models import Assignment, Batch, Judgment, User
from annotation.services.judgments import void_assignment
from annotation.services.locks import lock_annotator, lock_slot

REASON_MAX = 200


@dataclass(frozen=True)
class Voided:
    """`replacement` is the slot that opened instead; None for a gold item or a repeat, which nobody else gets."""

    judgment: Judgment
    replacement: Assignment | None


def void_judgment(*, judgment: Judgment, reason: str, actor: User, now: datetime) -> Voided:
    """Void the slot of an accepted judgment; one replacement opens, and its author is not offered the item again.

    The judgment stays stored, outside agreement and releases. Raises Refused: 422 for a bad reason or an own
    answer, 409 when there is no slot of it to void or the batch is not open, where a replacement waits unseen.
    """
    reason = reason.strip()
    if not reason or len(reason) > REASON_MAX or not reason.isprintable():
        raise Refused(f"Say why, in 1 to {REASON_MAX} printable characters.", field="reason")
    if judgment.annotator.user_id == actor.pk:
        raise Refused(
            "You gave this answer yourself; another person has to decide.", code="own", field="judgment"
        )
    if judgment.assignment is None:
        raise Refused("This answer was imported; there is no slot to void.", code="imported", status=409)
    with transaction.atomic():
        # Race: the batch closes meanwhile. Its row comes first, before annotator, slot, item and pools.
        batch = Batch.objects.select_for_update(no_key=True).get(pk=judgment.batch_id)
        # Race: the author corrects meanwhile. They take turns, and a corrected answer is refused below.
        lock_annotator(judgment.annotator)
        slot = lock_slot(judgment.assignment)
        refuse_unvoidable(judgment, slot, batch)
        replacement = void_assignment(
            slot=slot, annotator=judgment.annotator, reason=reason, now=now, actor=actor
        )
    return Voided(judgment=judgment, replacement=replacement)


def refuse_unvoidable(judgment: Judgment, slot: Assignment, batch: Batch) -> None:
    if batch.state != Batch.State.OPEN:
        raise Refused(
            f"Batch {batch.number} is not open: nobody would be offered the replacement.",
            code="batch_not_open",
            status=409,
        )
    if slot.purpose == Assignment.Purpose.TRAINING:
        raise Refused("An answer in training is final.", code="training", status=409)
    if judgment.state != Judgment.State.ACCEPTED:
        raise Refused("A late answer fills no place that could be voided.", code="late", status=409)
    if Judgment.objects.filter(supersedes=judgment).exists():
        raise Refused("This answer was corrected; void the correction.", code="superseded", status=409)
    if slot.state != Assignment.State.SUBMITTED:
        raise Refused("This answer was taken out already.", code="void", status=409)
