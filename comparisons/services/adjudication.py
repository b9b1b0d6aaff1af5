"""Settling what annotators disagree on: a reviewer's first look, and their decision."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.kinds import AnswerError, FieldError, Screen, judgment_kinds
from annotation.models import Item, Membership
from annotation.selectors_console import item_screen
from comparisons.kinds.settling import SETTLED
from comparisons.models import AdjudicatedPreference, Adjudication, BlindAnswer
from comparisons.selectors_adjudication import blind_answer_of, decision_of

NOTE_MAX = 2000
FORKS = ("adjudication_one_root_per_item", "supersedes_id")
"""What PostgreSQL names when a second decision follows the same one."""


def look_first(
    *, item: Item, reviewer: Membership, answer: Mapping[str, Any] | None, now: datetime
) -> BlindAnswer:
    """Keep what a reviewer answers before they see the judgments; None: they had them shown without answering.

    Only the first look is blind, so the first call counts and a later one changes nothing. Raises Refused for an answer
    that does not fit the protocol.
    """
    if answer is not None:
        parsed_answer(answer, item_screen(item))
    with transaction.atomic():
        # Race: a double click. The second finds the row of the first.
        found, is_new = BlindAnswer.objects.get_or_create(
            item=item, reviewer=reviewer, defaults={"answer": answer, "created_at": now}
        )
        if is_new:
            record_audit(
                project=reviewer.project,
                actor=reviewer.user,
                action="review.answered" if answer is not None else "review.shown_unanswered",
                obj=found,
                now=now,
                data={"item": item.pk},
            )
    return found


def settle_item(
    *,
    item: Item,
    reviewer: Membership,
    reason: str,
    answer: Mapping[str, Any] | None,
    now: datetime,
    note: str = "",
    replaces: int | None = None,
) -> Adjudication:
    """Decide on an item, in the place of the decision `replaces` if there is one.

    `answer` counts only where the reason takes one. The same decision sent twice is one. Raises Refused for an unknown
    reason, an answer that does not fit, a note that is too long, somebody who has not looked yet, and with 409 where
    another decision than `replaces` is the current one.
    """
    answer = answer if reason in Adjudication.ANSWERED else None
    blind_answer = blind_answer_of(item, reviewer)
    if blind_answer is None:
        raise Refused("Answer first, or have the judgments shown.", code="not_seen", status=409)
    screen = item_screen(item)
    parsed = checked(reason, answer, note, screen)
    current = decision_of(item)
    decision = Adjudication(
        item=item,
        reviewer=reviewer,
        blind_answer=blind_answer,
        supersedes_id=replaces,
        reason=reason,
        answer=answer,
        note=note,
        created_at=now,
    )
    if current is not None and is_same(current, decision):
        return current
    if (current.pk if current else None) != replaces:
        raise decided_meanwhile()
    try:
        with transaction.atomic():
            decision.save(force_insert=True)
            AdjudicatedPreference.objects.bulk_create(
                AdjudicatedPreference(
                    adjudication=decision,
                    criterion=settled.criterion,
                    first_id=settled.first,
                    second_id=settled.second,
                    preference=settled.preference,
                )
                for settled in ([] if parsed is None else SETTLED[screen.protocol.kind](parsed, screen))
            )
            record_audit(
                project=reviewer.project,
                actor=reviewer.user,
                action="item.adjudicated",
                obj=decision,
                now=now,
                data={"item": item.pk, "reason": reason, "replaces": replaces},
            )
    except IntegrityError as error:
        # Race: another reviewer decided after the look above. The table lets one decision follow each.
        if not any(name in str(error) for name in FORKS):
            raise
        raise decided_meanwhile() from error
    return decision


def is_same(current: Adjudication, decision: Adjudication) -> bool:
    """A double click, or a form sent again after a lost reply."""
    columns = ("reviewer_id", "reason", "answer", "note")
    return all(getattr(current, column) == getattr(decision, column) for column in columns)


def decided_meanwhile() -> Refused:
    return Refused(
        "Somebody else has decided on this item meanwhile. Nothing was stored; what you chose is still here. Read "
        "their decision, and send yours again to replace it.",
        code="decided_meanwhile",
        status=409,
    )


def checked(reason: str, answer: Mapping[str, Any] | None, note: str, screen: Screen) -> Any:
    """The parsed answer, None where the reason takes none. Raises Refused naming everything that is wrong."""
    errors: list[FieldError] = []
    parsed = None
    if reason not in Adjudication.Reason.values:
        errors.append(FieldError("reason", "required", "Please choose a reason."))
    if len(note) > NOTE_MAX or "\x00" in note:
        errors.append(
            FieldError("note", "invalid", f"A note holds at most {NOTE_MAX} characters and no NUL.")
        )
    if reason in Adjudication.ANSWERED:
        try:
            parsed = parsed_answer(answer or {}, screen)
        except Refused as refusal:
            errors += refusal.errors
    if errors:
        raise not_fitting(errors)
    return parsed


def parsed_answer(answer: Mapping[str, Any], screen: Screen) -> Any:
    """What the kind makes of it. Raises Refused, also for a kind whose items nobody settles."""
    kind = screen.protocol.kind
    if kind not in SETTLED:
        raise Refused("There is nothing to settle: people wrote texts of their own.", code="not_settled")
    try:
        return judgment_kinds.get(kind).parse(answer, screen)
    except AnswerError as error:
        raise not_fitting(error.errors) from error


def not_fitting(errors: Sequence[FieldError]) -> Refused:
    return Refused("Something is missing or does not fit; nothing was stored.", errors=errors)
