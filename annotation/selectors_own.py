"""Reads: a person's own work in one project, in four lists. An answer of a training is among the submitted ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from django.db import models
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from annotation.models import Assignment, Batch, Draft, Exclusion, Item, Judgment, Lease, Membership
from annotation.selectors_drafts import finished_drafts
from annotation.services.returning import RELEASE_REASONS

LISTED = 20

CURRENT = Q(superseded_by__isnull=True)
# A try at a training that was not passed ends with its slots void.
TAKEN_OUT = Q(state=Judgment.State.ACCEPTED, assignment__state=Assignment.State.VOID) & ~Q(
    assignment__purpose=Assignment.Purpose.TRAINING
)
RETURNED = CURRENT & TAKEN_OUT & ~Q(assignment__void_reason__in=RELEASE_REASONS)
"""Taken out by a lead or reviewer. A slot that its own author voided by "can't judge" carries one of those reasons."""
SUBMITTED = CURRENT & ~TAKEN_OUT

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True)
class Part(Generic[T]):
    """Some rows of a list, the newest first."""

    rows: list[T]
    older: int | None
    """What `before` has to be for the rows after these; None when they are the last."""


def part_of(rows: "QuerySet[M]", at: str, before: M | None) -> Part[M]:
    """The `LISTED` newest of `rows` by their time `at`, of those older than the row `before`.

    By key and not by number of rows, so that what arrives or goes meanwhile neither doubles a row nor hides one.
    """
    if before is not None:
        time = getattr(before, at)
        rows = rows.filter(Q(**{f"{at}__lt": time}) | Q(**{at: time, "pk__lt": before.pk}))
    found = list(rows.order_by(f"-{at}", "-pk")[: LISTED + 1])
    return Part(found[:LISTED], found[LISTED - 1].pk if len(found) > LISTED else None)


def row_before(rows: "QuerySet[M]", before: int | None) -> M | None:
    """The row of that id; None, and so the first page, for an id that is none of these."""
    return rows.filter(pk=before).first() if before is not None else None


@dataclass(frozen=True)
class OwnCounts:
    submitted: int
    drafts: int
    returned: int
    skipped: int

    @property
    def has_any(self) -> bool:
        return bool(self.submitted or self.drafts or self.returned or self.skipped)


def own_counts(annotator: Membership, held: Sequence[Lease]) -> OwnCounts:
    """`held`: the running leases, oldest first."""
    return counts_of({annotator.pk: held})[annotator.pk]


def counts_of(held: Mapping[int, Sequence[Lease]]) -> dict[int, OwnCounts]:
    """By annotator id; `held` has their running leases, oldest first."""
    judged = (
        Judgment.objects.filter(annotator__in=held)
        .values("annotator")
        .annotate(submitted=Count("pk", filter=SUBMITTED), returned=Count("pk", filter=RETURNED))
    )
    by_person = {row["annotator"]: row for row in judged}
    given_back = dict(skipped(held).values_list("annotator").annotate(n=Count("pk")))
    begun: dict[int, set[int]] = {
        pk: {own[0].assignment.item_id} if own else set() for pk, own in held.items()
    }
    running = [lease.pk for own in held.values() for lease in own]
    for annotator, item in open_drafts(held, running).values_list("annotator", "lease__assignment__item"):
        begun[annotator].add(item)
    return {
        pk: OwnCounts(
            submitted=by_person[pk]["submitted"] if pk in by_person else 0,
            returned=by_person[pk]["returned"] if pk in by_person else 0,
            drafts=len(begun[pk]),
            skipped=given_back.get(pk, 0),
        )
        for pk in held
    }


def own_submitted(annotator: Membership, before: int | None = None) -> Part[Judgment]:
    """With batch, slot and item."""
    rows = annotator.judgments.select_related("batch", "assignment", "item")
    # A row that was changed meanwhile is in no list any more; its time still says where to go on.
    return part_of(rows.filter(SUBMITTED), "created_at", row_before(annotator.judgments.all(), before))


@dataclass(frozen=True)
class Returned:
    judgment: Judgment
    reason: str
    """In the words of whoever returned it."""
    at: datetime | None


def own_returned(annotator: Membership, before: int | None = None) -> Part[Returned]:
    """In the order of the answers."""
    ended = Exclusion.objects.filter(
        annotator=OuterRef("annotator"), item=OuterRef("item"), reason=Exclusion.Reason.VOIDED
    )
    rows = (
        annotator.judgments.filter(RETURNED)
        .select_related("batch", "assignment", "item")
        .annotate(returned_at=Subquery(ended.values("created_at")[:1]))
    )
    part = part_of(rows, "created_at", row_before(annotator.judgments.all(), before))
    returned = [
        Returned(one, one.slot.void_reason, one.returned_at)  # type: ignore[attr-defined]
        for one in part.rows
    ]
    return Part(returned, part.older)


def skipped(annotators: Iterable[int]) -> "QuerySet[Exclusion]":
    return Exclusion.objects.filter(annotator__in=annotators, reason__in=RELEASE_REASONS)


def own_skipped(annotator: Membership, before: int | None = None) -> Part[Exclusion]:
    """Items given back."""
    rows = skipped([annotator.pk])
    return part_of(rows.select_related("item__batch"), "created_at", row_before(rows, before))


@dataclass(frozen=True)
class OwnDraft:
    """An item that was begun and not answered."""

    item: Item
    lease: Lease | None
    """While it is held; None when its time ran out: the draft comes back with the item."""
    saved_at: datetime | None
    """Of the text that is kept; None without one."""
    expires_at: datetime | None


def open_drafts(annotators: Iterable[int], running: Iterable[int]) -> "QuerySet[Draft]":
    """What was written and can still be sent: the lease runs, or the item may come again."""
    return (
        Draft.objects.filter(annotator__in=annotators)
        .exclude(pk__in=finished_drafts().values("pk"))
        .filter(Q(lease__in=running) | Q(lease__assignment__batch__state=Batch.State.OPEN))
    )


def own_drafts(annotator: Membership, held: Sequence[Lease], before: int | None = None) -> Part[OwnDraft]:
    """The item at hand, then what was written and never sent; an item with two drafts is there once."""
    running = {lease.pk: lease for lease in held}
    at_hand = held[0].assignment.item_id if held else None
    drafts = open_drafts([annotator.pk], running).select_related("lease__assignment__item__batch")
    newest = drafts.order_by("lease__assignment__item", "-saved_at", "-pk").distinct(
        "lease__assignment__item"
    )
    listed = drafts.filter(pk__in=newest.values("pk")).exclude(lease__assignment__item=at_hand)
    part = part_of(listed, "saved_at", row_before(annotator.drafts.all(), before))
    rows = [own_draft(draft, running) for draft in part.rows]
    if at_hand is not None and before is None:
        draft = drafts.filter(lease__assignment__item=at_hand).order_by("-saved_at", "-pk").first()
        item = Item.objects.select_related("batch").get(pk=at_hand)
        saved_at = draft.saved_at if draft else None
        rows.insert(0, OwnDraft(item, held[0], saved_at, held[0].assignment.expires_at))
    return Part(rows, part.older)


def own_draft(draft: Draft, running: Mapping[int, Lease]) -> OwnDraft:
    lease = running.get(draft.lease_id)
    expires_at = lease.assignment.expires_at if lease else None
    return OwnDraft(draft.lease.assignment.item, lease, draft.saved_at, expires_at)
