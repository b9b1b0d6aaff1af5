"""Reports of annotators about items, and the facts of which views they used. Neither touches the slot."""

from datetime import datetime

from django.db import transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.models import Completion, Exclusion, Item, Lease, Membership, Report, User, ViewUse

NOTE_MAX = 2000
REPORTS_MAX = 20
"""Of one person about one item; who has more to say writes to the lead."""

FROM_CANNOT_JUDGE = {
    Exclusion.Reason.RATHER_NOT.value: Report.Reason.HARMFUL,
    Exclusion.Reason.PRIVATE_DATA.value: Report.Reason.PRIVATE_DATA,
}
"""Reasons for can't judge that somebody has to look at, whoever else judges the item."""


def report_item(
    *,
    annotator: Membership,
    item: Item,
    reason: str,
    now: datetime,
    note: str = "",
    completion: Completion | None = None,
) -> Report:
    """Tell leads and reviewers what is wrong with an item, or with one response of it; the slot stays as it is.

    The same report sent twice is one. Raises Refused for an unknown reason, a note that is too long or holds a
    NUL, and after `REPORTS_MAX` about one item.
    """
    if reason not in Report.Reason.values:
        raise Refused("Please say what is wrong.", field="reason")
    if len(note) > NOTE_MAX or "\x00" in note:
        raise Refused(f"A note holds at most {NOTE_MAX} characters and no NUL.", field="note")
    # Race: two at once may both be the last one allowed. The limit is against floods, so one more is no harm.
    if Report.objects.filter(annotator=annotator, item=item).count() >= REPORTS_MAX:
        raise Refused("You have reported this item often enough. Please write to your lead.", field="reason")
    with transaction.atomic():
        return store_report(
            annotator=annotator, item_id=item.pk, reason=reason, note=note, completion=completion, now=now
        )


def store_report(
    *,
    annotator: Membership,
    item_id: int,
    reason: str,
    now: datetime,
    note: str = "",
    completion: Completion | None = None,
) -> Report:
    report, is_new = Report.objects.get_or_create(
        annotator=annotator,
        item_id=item_id,
        completion=completion,
        reason=reason,
        note=note,
        defaults={"created_at": now},
    )
    if is_new:
        record_audit(
            project=annotator.project,
            actor=annotator.user,
            action="item.reported",
            obj=report,
            now=now,
            data={"item": item_id, "reason": reason},
        )
    return report


def report_cannot_judge(*, annotator: Membership, item_id: int, reason: str, now: datetime) -> None:
    """Can't judge because of harmful content or private data is a report too. Call it in the transaction of both."""
    if reason in FROM_CANNOT_JUDGE:
        store_report(annotator=annotator, item_id=item_id, reason=FROM_CANNOT_JUDGE[reason], now=now)


def handle_report(*, report: Report, actor: User, now: datetime) -> None:
    """Close a report. Done twice it does the same as once: the first who did stays named."""
    with transaction.atomic():
        # Race: two leads press at once. The update finds one row for one of them only.
        handled = Report.objects.filter(pk=report.pk, state=Report.State.OPEN).update(
            state=Report.State.HANDLED, handled_at=now, handled_by=actor
        )
        if handled:
            record_audit(
                project=report.annotator.project,
                actor=actor,
                action="report.handled",
                obj=report,
                now=now,
            )


def note_view(*, lease: Lease, view: str, now: datetime) -> None:
    """Keep that a view was used under this lease; the first time counts."""
    with transaction.atomic():
        _, is_new = ViewUse.objects.get_or_create(lease=lease, view=view, defaults={"at": now})
        if is_new:
            record_audit(
                project=lease.annotator.project,
                actor=lease.annotator.user,
                action="view.used",
                obj=lease,
                now=now,
                data={"view": view},
            )
