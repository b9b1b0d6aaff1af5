"""Reads: what pages and services ask of the tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db.models import Count, Exists, OuterRef

from annotation.kinds import Screen
from annotation.models import (
    Assignment,
    Batch,
    Completion,
    ConsentText,
    Criterion,
    Exclusion,
    GuidelineVersion,
    Judgment,
    Membership,
    Project,
    ProtocolVersion,
)
from annotation.statements import stored


def screen_of(assignment: Assignment, display_order: Sequence[int]) -> Screen:
    """What is shown for `assignment` with its completions in `display_order` (positions of import)."""
    completions = {c.position: c for c in Completion.objects.filter(item_id=assignment.item_id)}
    protocol = assignment.batch.protocol
    return Screen(
        protocol=protocol,
        criteria=criteria_of(protocol.pk),
        completions=[completions[position] for position in display_order],
    )


COMPLETIONS_JSON = """
    (SELECT coalesce(json_agg(json_build_array(c.id, c.position, c.messages) ORDER BY c.position)::text, '[]')
     FROM annotation_completion c WHERE c.item_id = {item})
"""
"""SQL: an item's completions, if it has any, as one JSON value, for queries that are asked all day."""
COMPLETIONS_WITHOUT_TEXT = COMPLETIONS_JSON.replace(", c.messages", "")
"""The same of those whose text nobody looks at; who does fetches it with a query each."""


def screen_from(protocol_id: int, completions: str, display_order: Sequence[int]) -> Screen:
    """The screen out of `COMPLETIONS_JSON` as PostgreSQL sends it, without another query."""
    names = ("id", "position", "messages")
    by_position = {
        values[1]: stored(Completion, **dict(zip(names, values, strict=False)))
        for values in json.loads(completions)
    }
    return Screen(
        protocol=protocol_of(protocol_id),
        criteria=criteria_of(protocol_id),
        completions=[by_position[position] for position in display_order],
    )


@lru_cache(maxsize=1000)
def criteria_of(protocol_id: int) -> tuple[Criterion, ...]:
    """Criteria in order, `overall` last. A protocol version never changes, so a process asks once."""
    return tuple(Criterion.objects.filter(protocol=protocol_id).order_by("position"))


@lru_cache(maxsize=1000)
def protocol_of(protocol_id: int) -> ProtocolVersion:
    """A protocol version, which never changes either."""
    return ProtocolVersion.objects.get(pk=protocol_id)


def current_guideline(project_id: int) -> GuidelineVersion:
    """The guide in force. Every project has one from its first transaction on."""
    return GuidelineVersion.objects.filter(project_id=project_id).latest("number")


@dataclass(frozen=True)
class ProjectTexts:
    """Guide and consent text in force."""

    guideline: GuidelineVersion
    consent: ConsentText | None

    @property
    def versions(self) -> str:
        """Both numbers, to tell whether somebody has published since."""
        return f"{self.guideline.number}-{self.consent.number if self.consent else 0}"


def current_texts(project: Project) -> ProjectTexts:
    return ProjectTexts(current_guideline(project.pk), project.consent_texts.order_by("number").last())


@dataclass(frozen=True)
class BatchCounts:
    """Progress of a batch, counted, never stored (I10). Slots are work slots; `slots` leaves out void ones."""

    items: int
    open: int
    leased: int
    submitted: int
    void: int
    late: int

    @property
    def slots(self) -> int:
        return self.open + self.leased + self.submitted


def batch_counts(batches: Sequence[Batch]) -> dict[int, BatchCounts]:
    """Counts by batch id, in three queries for any number of batches."""
    ids = [batch.pk for batch in batches]
    slots: dict[int, dict[str, int]] = {pk: dict.fromkeys(Assignment.State.values, 0) for pk in ids}
    for pk, state, n in (
        Assignment.objects.filter(purpose=Assignment.Purpose.WORK, batch__in=ids)
        .values_list("batch", "state")
        .annotate(n=Count("id"))
    ):
        slots[pk][state] = n
    items = dict(Batch.objects.filter(pk__in=ids).annotate(n=Count("items")).values_list("pk", "n"))
    late = dict(
        Judgment.objects.filter(
            batch__in=ids,
            state=Judgment.State.LATE,
            supersedes__isnull=True,
            assignment__purpose=Assignment.Purpose.WORK,
        )
        .values_list("batch")
        .annotate(n=Count("id"))
    )
    return {
        pk: BatchCounts(
            items=items.get(pk, 0),
            late=late.get(pk, 0),
            open=slots[pk][Assignment.State.OPEN],
            leased=slots[pk][Assignment.State.LEASED],
            submitted=slots[pk][Assignment.State.SUBMITTED],
            void=slots[pk][Assignment.State.VOID],
        )
        for pk in ids
    }


@dataclass(frozen=True)
class AnnotatorProgress:
    """One annotator in one batch: `done` of `total` items that are or were theirs to judge."""

    done: int
    total: int


def annotator_progress(annotator: Membership, batch: Batch) -> AnnotatorProgress:
    """How many items of `batch` this person has judged, and how many at most they will have. Of work slots only."""
    mine = Assignment.objects.filter(
        item=OuterRef("pk"), annotator=annotator, purpose=Assignment.Purpose.WORK
    ).exclude(state=Assignment.State.VOID)
    open_to_me = Assignment.objects.filter(
        item=OuterRef("pk"), state=Assignment.State.OPEN, purpose=Assignment.Purpose.WORK
    )
    excluded = Exclusion.objects.filter(item=OuterRef("pk"), annotator=annotator)
    total = batch.items.filter(Exists(mine) | (Exists(open_to_me) & ~Exists(excluded))).count()
    done = Assignment.objects.filter(
        batch=batch,
        annotator=annotator,
        state=Assignment.State.SUBMITTED,
        purpose=Assignment.Purpose.WORK,
    ).count()
    return AnnotatorProgress(done=done, total=total)


def has_unfinished_slots(project: Project) -> bool:
    """Whether anybody still has something to judge in an open batch, or holds it."""
    return Assignment.objects.filter(
        batch__project=project,
        batch__state=Batch.State.OPEN,
        state__in=[Assignment.State.OPEN, Assignment.State.LEASED],
    ).exists()


def own_judgments(annotator: Membership, limit: int = 20) -> list[Judgment]:
    """The person's current judgments, newest first."""
    return list(
        annotator.judgments.filter(superseded_by__isnull=True)
        .select_related("batch", "assignment", "item")
        .order_by("-created_at", "-id")[:limit]
    )


def newest_of_chain(judgment: Judgment) -> Judgment:
    """The current end of the chain of corrections: a page from before a correction still finds it."""
    while (later := Judgment.objects.filter(supersedes=judgment).first()) is not None:
        judgment = later
    return judgment


def active_seconds_since(annotator: Membership, since: datetime) -> float:
    """Seconds of active judging since then; judgments without a time count nothing."""
    seconds = annotator.judgments.filter(created_at__gte=since, active_seconds__isnull=False).values_list(
        "active_seconds", flat=True
    )
    return sum(value for value in seconds if value is not None)
