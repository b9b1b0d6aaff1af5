"""Reads: what a person finds on the home page, in the same number of queries for any number of projects and batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from annotation.kinds import judgment_kinds
from annotation.models import Assignment, Batch, Exclusion, GuidelineVersion, Item, Judgment, Membership, User
from annotation.panels import LOOK_TOGETHER, quality_bands
from annotation.selectors_guide import GuideStanding, guide_standings
from annotation.selectors_own import OwnCounts, counts_of
from annotation.selectors_staffing import Training, has_checks, trainings_of
from annotation.services.leases import Standing, standings_of

TIMES_MIN = 5
"""Fewer times than this say nothing about the next item."""
OWN_TIMES, BATCH_TIMES = 50, 200
"""The newest so many are looked at."""


@dataclass(frozen=True)
class ItemTimes:
    """Active seconds an item takes: the middle half of what was measured, and its median."""

    low: float
    median: float
    high: float

    def minutes(self, items: int) -> tuple[int, int]:
        """What `items` take, from … to …; never less than a minute."""
        return rounded_minutes(items * self.low), rounded_minutes(items * self.high)


def rounded_minutes(seconds: float) -> int:
    """Above ten minutes to the next five: a guess is not to look like a measurement."""
    minutes = max(1, round(seconds / 60))
    return minutes if minutes < 10 else 5 * round(minutes / 5)


@dataclass(frozen=True)
class OpenBatch:
    """An open batch as one person may see it (I13): with checks mixed in there is no total, and `open_items` is
    rounded up to a ten."""

    batch: Batch
    kind: str
    done: int
    total: int
    open_items: int
    times: ItemTimes | None

    @property
    def left(self) -> int:
        """At most; the item that is held counts too, but where no total is told."""
        return self.total - self.done if self.total else self.open_items

    @property
    def minutes_left(self) -> tuple[int, int] | None:
        return self.times.minutes(self.left) if self.times and self.left else None


@dataclass(frozen=True)
class Desk:
    """One project as its annotator meets it."""

    annotator: Membership
    batches: list[OpenBatch]
    guide: GuideStanding
    has_held: bool
    consent_needed: bool
    counts: OwnCounts
    training: Training | None = None
    """What has to be passed before any of the batches."""
    blocked: str | None = None
    """paused, not_qualified or cap_reached, when nothing new is given at all for that reason."""
    band: str = ""
    """`annotation.panels.quality_bands`; empty while nothing can be said."""

    @property
    def project(self) -> Any:
        return self.annotator.project

    @property
    def guideline(self) -> GuidelineVersion:
        return self.guide.current

    @property
    def left(self) -> int:
        if self.blocked:
            return 0
        return self.training.left if self.training else sum(batch.left for batch in self.batches)

    @property
    def has_begun(self) -> bool:
        return bool(self.counts.submitted or self.has_held)

    @property
    def can_go_on(self) -> bool:
        return bool(self.has_held or self.left)

    @property
    def minutes_left(self) -> tuple[int, int] | None:
        """For all batches; None while a training comes first, or where one of them has no times yet."""
        ranges = [batch.minutes_left for batch in self.batches if batch.left]
        if self.training is not None or not ranges or None in ranges:
            return None
        known = [one for one in ranges if one is not None]
        return sum(low for low, _ in known), sum(high for _, high in known)


def desk_of(annotator: Membership, now: datetime) -> Desk:
    return desks_of([annotator], now)[0]


def desks_of(annotators: Sequence[Membership], now: datetime) -> list[Desk]:
    """One for each of a person's memberships as annotator, in their order."""
    if not annotators:
        return []
    standings = {one.pk: found for one, found in zip(annotators, standings_of(annotators, now), strict=True)}
    trainings = trainings_of(
        {pk: found.training_batch_id for pk, found in standings.items() if found.training_batch_id}
    )
    counts = counts_of({pk: found.held for pk, found in standings.items()})
    batches = open_batches(annotators)
    bands = bands_of(annotators)
    return [
        Desk(
            annotator=one,
            batches=batches[one.pk],
            guide=guide,
            has_held=bool(standings[one.pk].held),
            consent_needed=standings[one.pk].refusal == "consent_needed",
            counts=counts[one.pk],
            training=trainings.get(one.pk),
            blocked=blocked_by(standings[one.pk], trainings.get(one.pk)),
            band=bands.get(one.pk, ""),
        )
        for one, guide in zip(annotators, guide_standings(annotators), strict=True)
    ]


def bands_of(annotators: Sequence[Membership]) -> dict[int, str]:
    """By annotator id; where two sources differ, the one that asks for a look together counts."""
    found: dict[int, str] = {}
    for _, bands in quality_bands:
        for annotator, band in bands(annotators).items():
            if found.get(annotator) != LOOK_TOGETHER:
                found[annotator] = band
    return found


def blocked_by(standing: Standing, training: Training | None) -> str | None:
    """What stands in the way of every new item, in the order in which `lease_next` looks at it."""
    if standing.refusal == "paused":
        return "paused"
    if training is not None:
        return "not_qualified" if training.is_over else None
    return "cap_reached" if standing.is_capped else None


def open_batches(annotators: Sequence[Membership]) -> dict[int, list[OpenBatch]]:
    """By annotator id: the open batches that this person may judge in, in the order of work.

    The annotators are of different projects, so an item or batch belongs to one of them at most.
    """
    mine = Assignment.objects.filter(item=OuterRef("pk"), annotator__in=annotators).exclude(
        state=Assignment.State.VOID
    )
    work = Q(purpose=Assignment.Purpose.WORK)
    waiting = Assignment.objects.filter(work, item=OuterRef("pk"), state=Assignment.State.OPEN)
    excluded = Exclusion.objects.filter(item=OuterRef("pk"), annotator__in=annotators)
    submitted = Assignment.objects.filter(
        batch=OuterRef("pk"), annotator__in=annotators, state=Assignment.State.SUBMITTED
    )
    items = Item.objects.filter(batch=OuterRef("pk"))
    fits = Q(pk__in=[])
    for one in annotators:
        fits |= Q(Q(skill="") | Q(skill__in=one.skills), project=one.project_id)
    batches = (
        Batch.objects.filter(state=Batch.State.OPEN, purpose=Batch.Purpose.WORK)
        .filter(fits, Q(staff=None) | Q(staff__in=annotators))
        .select_related("protocol")
        .annotate(
            answered=counted(submitted),
            done=counted(submitted.filter(work)),
            theirs=counted(items.filter(Exists(mine.filter(work)) | (Exists(waiting) & ~Exists(excluded)))),
            open_items=counted(items.filter(Exists(waiting), ~Exists(mine), ~Exists(excluded))),
        )
        .order_by("-priority", "number")
    )
    found: dict[int, list[Any]] = {one.project_id: [] for one in annotators}
    for batch in batches:
        found[batch.project_id].append(batch)
    of = {one.pk: found[one.project_id] for one in annotators}
    times = item_times({pk: [batch.pk for batch in own] for pk, own in of.items()})
    seen = {pk: [seen_by_annotator(batch, times.get(batch.pk)) for batch in own] for pk, own in of.items()}
    # A batch that others have finished holds nothing for this person, done or to do.
    return {pk: [one for one in own if one.total or one.done or one.open_items] for pk, own in seen.items()}


def counted(rows: "QuerySet[Any]") -> Coalesce:
    """The number of `rows`, which have the batch as `batch`, as a part of another query."""
    numbers = rows.order_by().values("batch").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(numbers, output_field=IntegerField()), 0)


def seen_by_annotator(batch: Any, times: ItemTimes | None) -> OpenBatch:
    """A batch annotated by `open_batches`, as `shown_progress` and `items_left` would tell it."""
    checked = has_checks(batch)
    return OpenBatch(
        batch=batch,
        kind=judgment_kinds.get(batch.protocol.kind).name,
        done=batch.answered if checked else batch.done,
        total=0 if checked else batch.theirs,
        open_items=-(-batch.open_items // 10) * 10 if checked else batch.open_items,
        times=times,
    )


NEWEST_TIMES = """
    SELECT k.id, percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY j.active_seconds)
    FROM unnest(%s::bigint[]) AS k (id) CROSS JOIN LATERAL (
        SELECT active_seconds FROM annotation_judgment
        WHERE {column} = k.id AND active_seconds > 0 ORDER BY {newest} LIMIT %s) AS j
    GROUP BY k.id HAVING count(*) >= %s
"""
OWN = NEWEST_TIMES.format(column="annotator_id", newest="created_at DESC, id DESC")
ANYBODYS = NEWEST_TIMES.format(column="batch_id", newest="id DESC")


def item_times(batches: Mapping[int, Sequence[int]]) -> dict[int, ItemTimes]:
    """By batch id, from the person's newest answers in the project; without enough of them, from anybody's.

    `batches` has the batch ids by annotator id.
    """
    own = newest_times(OWN, list(batches), OWN_TIMES)
    others = [batch for annotator, ids in batches.items() if annotator not in own for batch in ids]
    theirs = {batch: own[annotator] for annotator in own for batch in batches[annotator]}
    return theirs | newest_times(ANYBODYS, others, BATCH_TIMES)


def newest_times(sql: str, ids: list[int], most: int) -> dict[int, ItemTimes]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [ids, most, TIMES_MIN])
        return {pk: ItemTimes(*found) for pk, found in cursor.fetchall()}


# Time and money.


@dataclass(frozen=True)
class Earned:
    """`amounts`: (currency, sum) of the batches that pay; `items` without corrections."""

    items: int
    seconds: float
    amounts: list[tuple[str, Decimal]]

    @property
    def minutes(self) -> int:
        return round(self.seconds / 60)


def earned(judgments: "QuerySet[Judgment]") -> Earned:
    """What came of these judgments. A late answer is paid as well; a correction takes time and is not paid again."""
    first = Q(supersedes__isnull=True)
    rows = list(
        judgments.values(currency=F("batch__pay_currency"))
        .annotate(
            items=Count("pk", filter=first),
            seconds=Sum("active_seconds"),
            amount=Sum("batch__pay_per_item", filter=first),
        )
        .order_by("currency")
    )
    return Earned(
        items=sum(row["items"] for row in rows),
        seconds=sum(row["seconds"] or 0 for row in rows),
        amounts=[(row["currency"], row["amount"]) for row in rows if row["currency"] and row["amount"]],
    )


def start_of_week(now: datetime) -> datetime:
    """Monday, midnight UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())


def earned_this_week(user: User, now: datetime) -> Earned:
    return earned(Judgment.objects.filter(annotator__user=user, created_at__gte=start_of_week(now)))


def earned_in(annotator: Membership, batch: Batch) -> Earned:
    return earned(annotator.judgments.filter(batch=batch))
