"""Two sections of the statistics page: the items that people disagree on, and when to stop asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from annotation.forms_staffing import OverlapForm
from annotation.models import Batch, Criterion, Project
from comparisons.models import Aggregate, AgreementReport, Statistic
from comparisons.selectors import latest_agreement
from comparisons.selectors_items import (
    GAIN_WORTH,
    Gains,
    Price,
    contested_items,
    gains_of,
    items_with_enough,
    price_of_item,
)
from comparisons.stopping import DECIDED, MIN_JUDGMENTS, Forecast, forecast_width

SHOWN = 20
WIDTHS = (0.10, 0.05)
ALPHA = {"criterion": Criterion.OVERALL, "kind": "pairwise", "level": "ordinal"}
BELIEFS = (("posterior_first", "A better"), ("posterior_same", "same"), ("posterior_second", "B better"))
MORE = 2
"""So many judgments more are offered for an item: one alone leaves a draw where there was a lead of one."""


@dataclass(frozen=True)
class ContestedItem:
    """`belief`: what the people model takes for likeliest, in words; "" where it says nothing."""

    row: Aggregate
    belief: str


@dataclass(frozen=True)
class Request:
    """The items of a batch that wait for no judgment, and the form that asks for more."""

    batch: Batch
    count: int
    form: OverlapForm


@dataclass(frozen=True)
class Contested:
    """`count` of `enough` items are contested; `items` are the first of them, `requests` what a lead may send."""

    figure: Statistic
    count: int
    enough: int
    items: Sequence[ContestedItem]
    requests: Sequence[Request]
    limit: float = DECIDED
    needed: int = MIN_JUDGMENTS


@dataclass(frozen=True)
class Width:
    """One forecast; `cost` in money where the open batches agree on one."""

    forecast: Forecast
    cost: Decimal | None


@dataclass(frozen=True)
class Stopping:
    """`report` is the newest ordinal α of the overall question; None before the first."""

    report: AgreementReport | None
    widths: Sequence[Width]
    reason: str
    price: Price
    gains: Gains
    worth: float = GAIN_WORTH


def contested_of(figures: Sequence[Statistic]) -> Contested | None:
    """From the figures of one computation; None where it had no such figure."""
    figure = next((f for f in figures if f.name == "contested_items"), None)
    if figure is None:
        return None
    found = contested_items(figure.job_id)
    shown = list(found[:SHOWN])
    return Contested(
        figure=figure,
        count=found.count(),
        enough=items_with_enough(figure.job_id),
        items=[ContestedItem(row, belief_of(row)) for row in shown],
        requests=requests_for(shown),
    )


def belief_of(row: Aggregate) -> str:
    likely = [(getattr(row, name), words) for name, words in BELIEFS]
    if likely[0][0] is None:
        return ""
    share, words = max(likely)
    # Rounded down, so that 100 % is never said of what is not certain.
    return f"{words}, {int(100 * share)}\N{NARROW NO-BREAK SPACE}%"


def requests_for(rows: Sequence[Aggregate]) -> list[Request]:
    """One for each open batch: an item of which more is asked already needs none."""
    idle = [
        row.item
        for row in rows
        if row.item.batch.state == Batch.State.OPEN and row.item.target_overlap <= row.judgments
    ]
    requests = []
    for number, group in groupby(
        sorted(idle, key=attrgetter("batch.number", "number")), attrgetter("batch.number")
    ):
        items = list(group)
        wanted = min(max(item.target_overlap for item in items) + MORE, 100)
        form = OverlapForm(
            initial={"overlap": wanted, "items": "\n".join(item.external_id for item in items)},
            auto_id=f"more_{number}_%s",
        )
        requests.append(Request(items[0].batch, len(items), form))
    return requests


def stopping_of(project: Project, figures: Sequence[Statistic]) -> Stopping | None:
    """From the newest agreement report and the aggregates beside `figures`; None before the first figures."""
    if not figures:
        return None
    report = next((r for r in latest_agreement(project) if ALPHA.items() <= vars(r).items()), None)
    price = price_of_item(project)
    widths = [width_of(report, width, price) for width in WIDTHS]
    reasons = [widths[0].forecast.reason, report.reason if report else ""]
    return Stopping(
        report=report,
        widths=widths,
        reason=" ".join(filter(None, reasons)),
        price=price,
        gains=gains_of(figures[0].job_id),
    )


def width_of(report: AgreementReport | None, width: float, price: Price) -> Width:
    forecast = forecast_width(
        low=report.low if report else None,
        high=report.high if report else None,
        items=max(report.items, 1) if report else 1,
        width=width,
        price_per_item=float(price.amount or 0),
    )
    if forecast.cost is None or price.amount is None:
        return Width(forecast, None)
    return Width(forecast, Decimal(f"{forecast.cost:.2f}"))
