"""Reads: what waits for a reviewer, and what reviewers decided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, Exists, F, FloatField, OuterRef, Q, QuerySet, Subquery

from annotation.ids import among
from annotation.models import Item, Judgment, Membership, Project, Report, User
from annotation.selectors_console import item_judgments
from comparisons.kinds.settling import SETTLED
from comparisons.models import AdjudicatedPreference, Adjudication, Aggregate, BlindAnswer
from comparisons.selectors_items import contested_items


def current_decisions() -> QuerySet[Adjudication]:
    """Those that no later one replaces: one at most for each item."""
    return Adjudication.objects.filter(superseded_by__isnull=True)


def decision_of(item: Item) -> Adjudication | None:
    return current_decisions().filter(item=item).select_related("reviewer").first()


def decisions_of(item: Item) -> list[Adjudication]:
    """The current one first, then those that were replaced, the newest first."""
    return list(item.adjudications.select_related("reviewer", "blind_answer").order_by("-id"))


def decided_items(project: Project) -> QuerySet[Adjudication]:
    """Current decisions, the newest first."""
    found = current_decisions().filter(item__project=project).select_related("item__batch", "reviewer")
    return found.order_by("-created_at", "-id")


def blind_answer_of(item: Item, reviewer: Membership) -> BlindAnswer | None:
    """What a reviewer said before they saw the judgments; None while they have not seen them."""
    return BlindAnswer.objects.filter(item=item, reviewer=reviewer).first()


def judgments_to_settle(item: Item) -> list[Judgment]:
    """The judgments that a decision is about, oldest first: those of regular work, late ones too, and imported ones."""
    return [
        judgment
        for judgment in item_judgments(item)
        if judgment.assignment is None
        or (judgment.assignment.purpose == "work" and judgment.assignment.state != "void")
    ]


def has_contested(project: Project) -> bool:
    """Whether the statistics were computed yet, without which nothing is known to be contested."""
    return project.statistics.exists()


def contested_now(project: Project) -> QuerySet[Aggregate]:
    """As the newest computation found them; none before the first."""
    newest = project.statistics.order_by("-computed_at", "-id").first()
    return Aggregate.objects.none() if newest is None else contested_items(newest.job_id)


def items_to_review(project: Project, user: User) -> QuerySet[Item]:
    """Items without a decision that are contested, the most contested first, and then those with an open report.

    Without those that `user` judged themselves: somebody else has to settle what they are a party to.
    """
    contested = contested_now(project).order_by()
    reported = Report.objects.filter(item__project=project, state=Report.State.OPEN)
    certainty = contested.filter(item=OuterRef("pk")).values("certainty")[:1]
    own = Judgment.objects.filter(item=OuterRef("pk"), annotator__user=user)
    decided = Adjudication.objects.filter(item=OuterRef("pk"))
    return (
        Item.objects.filter(
            ~Exists(decided), ~Exists(own), project=project, batch__protocol__kind__in=list(SETTLED)
        )
        .filter(Q(pk__in=contested.values("item")) | Q(pk__in=reported.values("item")))
        .annotate(certainty=Subquery(certainty, output_field=FloatField()))
        .select_related("batch")
        .order_by(F("certainty").asc(nulls_last=True), "batch__number", "number")
    )


@dataclass(frozen=True)
class Waiting:
    """An item of the queue and why it is there: `split` as in "2–1–1", "" where it is not contested; open `reports`."""

    item: Item
    split: str
    reports: int


def waiting(project: Project, items: Collection[Item]) -> list[Waiting]:
    """The items of one page of the queue. Which side how many took is not said: who reviews answers first."""
    pks = [item.pk for item in items]
    rows = {row.item_id: row for row in contested_now(project).filter(among("item", pks))}
    open_reports = Report.objects.filter(among("item", pks), state=Report.State.OPEN).order_by()
    counts = dict(open_reports.values_list("item").annotate(n=Count("pk")))
    return [Waiting(item, split_of(rows.get(item.pk)), counts.get(item.pk, 0)) for item in items]


def split_of(row: Aggregate | None) -> str:
    """How many say the same, the largest group first."""
    if row is None:
        return ""
    groups = sorted((row.n_first, row.n_same, row.n_second), reverse=True)
    return "–".join(str(n) for n in groups if n)


class InQueue(NamedTuple):
    """The items before and behind one in the queue."""

    before: Item | None
    after: Item | None


def in_queue(project: Project, user: User, item: Item) -> InQueue:
    """Of an item that does not wait (any more), `after` is the first that does."""
    queue = items_to_review(project, user)
    pks = list(queue.values_list("pk", flat=True))
    at = pks.index(item.pk) if item.pk in pks else -1
    wanted = (pks[at - 1] if at > 0 else None, pks[at + 1] if at + 1 < len(pks) else None)
    items = Item.objects.filter(pk__in=[pk for pk in wanted if pk]).select_related("batch")
    found = {one.pk: one for one in items}
    return InQueue(*(found.get(pk) if pk else None for pk in wanted))


class Decided(NamedTuple):
    """The current decision on an item, for labels. `preferences`: (first, second) completion → signed preference on one
    criterion, for the pairs of which the answer says something."""

    reason: str
    preferences: dict[tuple[int, int], int]


def decided_labels(items: Collection[int], criterion: str) -> dict[int, Decided]:
    """By item. Two queries, however many items."""
    found: dict[int, Decided] = {}
    by_decision: dict[int, Decided] = {}
    rows = current_decisions().filter(among("item", items))
    for pk, item, reason in rows.values_list("pk", "item_id", "reason"):
        found[item] = by_decision[pk] = Decided(reason, {})
    preferences = AdjudicatedPreference.objects.filter(
        among("adjudication", by_decision), criterion=criterion
    )
    for pk, first, second, preference in preferences.values_list(
        "adjudication_id", "first_id", "second_id", "preference"
    ):
        by_decision[pk].preferences[first, second] = preference
    return found


def reviewer_membership(user: User, project: Project) -> Membership | None:
    """The membership that a decision of `user` is signed with: as a reviewer, or else as a lead."""
    roles = (Membership.Role.REVIEWER, Membership.Role.LEAD)
    found = {
        one.role: one
        for one in project.memberships.filter(user=user, role__in=roles, is_active=True).select_related(
            "user"
        )
    }
    return next((found[role] for role in roles if role in found), None)
