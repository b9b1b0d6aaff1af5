"""Reads: what the newest computation says of each item, and what one more item costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Avg, Count, F, Q, QuerySet

from annotation.models import Batch, Item, Project
from comparisons.models import Aggregate
from comparisons.stopping import DECIDED, MIN_JUDGMENTS

GAIN_WORTH = 0.01
"""An expected gain above this is worth a judgment: of a hundred such items, one more is answered rightly."""
ENOUGH = Q(n__gte=MIN_JUDGMENTS)
IN_WORK = Q(item__batch__state=Batch.State.OPEN, item__batch__purpose=Batch.Purpose.WORK)
"""Items that a lead can ask more judgments of."""


def latest_aggregates(project: Project) -> QuerySet[Aggregate]:
    """The rows of the newest computation of the statistics, which may be none; in no order."""
    newest = project.statistics.order_by("-computed_at", "-id").values("job")[:1]
    return Aggregate.objects.filter(job=newest)


def contested_items(job_id: UUID) -> QuerySet[Aggregate]:
    """Those with enough judgments and a certainty below `DECIDED`, the most contested first.

    An item that most see as about the same is not among them: there people agree, though nobody leads. Of two that are
    as contested, the one that more people judged stands first: it is the likelier to stay so.
    """
    counted = Aggregate.objects.filter(job=job_id).annotate(n=F("n_first") + F("n_same") + F("n_second"))
    return (
        counted.filter(ENOUGH, certainty__lt=DECIDED, tie_probability__lt=DECIDED)
        .select_related("item__batch")
        .order_by("certainty", "-n", "item_id")
    )


def items_with_enough(job_id: UUID) -> int:
    counted = Aggregate.objects.filter(job=job_id).annotate(n=F("n_first") + F("n_same") + F("n_second"))
    return counted.filter(ENOUGH).count()


@dataclass(frozen=True)
class Gains:
    """Of the judged `items` in open batches, `worth` have an expected gain above `GAIN_WORTH`; None with a `reason`
    where the people model says nothing."""

    items: int
    worth: int | None
    reason: str


def gains_of(job_id: UUID) -> Gains:
    rows = Aggregate.objects.filter(IN_WORK, job=job_id)
    found = rows.aggregate(
        items=Count("pk"),
        worth=Count("pk", filter=Q(expected_gain__gt=GAIN_WORTH)),
        silent=Count("pk", filter=Q(expected_gain=None)),
    )
    if found["silent"]:
        return Gains(found["items"], None, rows.values_list("reason", flat=True)[0])
    return Gains(found["items"], found["worth"], "")


@dataclass(frozen=True)
class Price:
    """What all judgments of one item cost on average, in `currency`; None with a `reason`, or without one where no
    open batch names a pay."""

    amount: Decimal | None
    currency: str
    reason: str


def price_of_item(project: Project) -> Price:
    """Over the items of open batches of work: the pay for a judgment times the judgments wanted of the item."""
    items = Item.objects.filter(
        batch__project=project,
        batch__state=Batch.State.OPEN,
        batch__purpose=Batch.Purpose.WORK,
        target_overlap__gt=0,
    )
    paid = dict(
        items.order_by("batch__pay_currency")
        .values_list("batch__pay_currency")
        .annotate(price=Avg(F("batch__pay_per_item") * F("target_overlap")))
    )
    currencies = [currency for currency in paid if currency]
    if not currencies:
        return Price(None, "", "")
    if len(currencies) > 1:
        return Price(None, "", f"Open batches pay in {' and '.join(currencies)}, so no cost is said.")
    if len(paid) > 1:
        return Price(None, "", "Some open batches name no pay, so no cost is said.")
    return Price(paid[currencies[0]].quantize(Decimal("0.0001")), currencies[0], "")
