"""The statistics page: what each table shows, in words, with the geometry of its intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from annotation.models import Membership, Project
from comparisons.bias import TRAITS
from comparisons.charts import Axis, Interval, interval_on
from comparisons.models import Statistic
from comparisons.proposals import Proposal, proposals_for
from comparisons.selectors import latest_statistics

WIDTH = 200.0
COEFFICIENTS = {
    "raw_agreement": "Raw agreement",
    "gwet_ac1": "Gwet’s AC1",
    "gwet_ac2": "Gwet’s AC2, ordered",
    "fleiss_kappa": "Fleiss’ κ",
    "cohen_kappa": "Cohen’s κ, mean of pairs",
}
PERSONAL = {
    "gold_accuracy": "Gold",
    "repeat_agreement": "Repeats",
    "agreement_with_others": "With the others",
    "too_fast": "Too fast",
    "position": "Leans to the first",
    "longest_run": "Longest run",
    "influence_on_alpha": "α without them",
}
"""Columns of the people's table, in order. All but the last three are shares."""
PLACE = ("Place", "shown first instead of second")


@dataclass(frozen=True)
class Row:
    """One figure: `value` and `interval` as text, `sentence` for those who do not see the drawing."""

    name: str
    note: str
    figure: Statistic
    value: str
    interval: str
    drawn: Interval | None
    null: float
    right: float
    sentence: str


@dataclass(frozen=True)
class Person:
    """`cells` in the order of `PERSONAL`: (column, text, reason); `proposals` are for a lead to decide on."""

    member: Membership
    cells: Sequence[tuple[str, str, str]]
    proposals: Sequence[Proposal]


@dataclass(frozen=True)
class Tables:
    figures: Sequence[Statistic]
    agreement: Sequence[Row]
    slices: Sequence[Row]
    people: Sequence[Person]
    leanings: Sequence[Row]
    models: Sequence[Row]


def tables_of(project: Project) -> Tables:
    """What the page shows of the newest figures; empty tables before the first."""
    figures = latest_statistics(project)
    names = dict(project.protocols.order_by("number").values_list("criteria__key", "criteria__name"))
    agreement = [f for f in figures if f.name in COEFFICIENTS and not f.slice_by]
    slices = [f for f in figures if f.family == "agreement" and f.slice_by]
    leanings = [f for f in figures if f.family == "leaning" and f.annotator_id is None]
    models = [f for f in figures if f.family == "model"]
    unit = Axis(min([0.0, *(f.low for f in agreement + slices if f.low is not None)]), 1.0, WIDTH)
    return Tables(
        figures=figures,
        agreement=[
            _row(f, COEFFICIENTS[f.name], names.get(f.criterion, f.criterion), unit, _plain)
            for f in agreement
        ],
        slices=[_row(f, f.slice_value or "not named", f.slice_by, unit, _plain) for f in slices],
        people=_people(figures),
        leanings=[_row(f, *_trait(f.name), _around_zero(leanings, 5.0), _points) for f in leanings],
        models=[_row(f, f.slice_value, "", _around_zero(models, 0.5), _plain) for f in models],
    )


def _people(figures: Sequence[Statistic]) -> list[Person]:
    of: dict[Membership, dict[str, Statistic]] = {}
    for figure in figures:
        if figure.annotator is not None:
            of.setdefault(figure.annotator, {})[figure.name] = figure
    people = []
    for member, own in of.items():
        cells = [(title, *_cell(own.get(name))) for name, title in PERSONAL.items()]
        # Who judged elsewhere can be neither paused nor trained here.
        people.append(Person(member, cells, [] if member.is_imported else proposals_for(own)))
    return sorted(people, key=lambda person: (not person.proposals, person.member.pseudonym))


def _cell(figure: Statistic | None) -> tuple[str, str]:
    """(text, reason) of a figure in the people's table."""
    if figure is None or figure.value is None:
        return "", figure.reason if figure is not None else "No answers that it could rest on."
    if figure.name == "longest_run":
        return f"{figure.value:.0f} of {figure.n}", ""
    if figure.name == "influence_on_alpha":
        return f"{figure.value:+.2f}", ""
    text = _points if figure.name == "position" else _share
    return f"{text(figure.value)} {_bracket(figure, text)}", ""


def _row(figure: Statistic, name: str, note: str, axis: Axis, text: Callable[[float], str]) -> Row:
    has_interval = figure.value is not None and figure.low is not None and figure.high is not None
    drawn = None
    if figure.value is not None and figure.low is not None and figure.high is not None:
        drawn = interval_on(axis, figure.value, figure.low, figure.high)
    value = "" if figure.value is None else text(figure.value)
    interval = _bracket(figure, text) if has_interval else ""
    return Row(
        name=name,
        note=note,
        figure=figure,
        value=value,
        interval=interval,
        drawn=drawn,
        null=axis.x(0),
        right=axis.x(axis.high),
        sentence=f"{name} {value}, {figure.confidence:.0%} interval {interval}, from {figure.n} {figure.counted}.",
    )


def _bracket(figure: Statistic, text: Callable[[float], str]) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"[{text(figure.low)}, {text(figure.high)}]"


def _trait(name: str) -> tuple[str, str]:
    return PLACE if name == "position" else (TRAITS[name].name, TRAITS[name].unit)


def _around_zero(figures: Sequence[Statistic], step: float) -> Axis:
    """An axis that holds every interval, with 0 in its middle."""
    bounds = [abs(b) for f in figures for b in (f.low, f.high) if b is not None]
    reach = step * max(math.ceil(max(bounds, default=step) / step), 1)
    return Axis(-reach, reach, WIDTH)


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f}\N{NARROW NO-BREAK SPACE}%"


def _points(value: float) -> str:
    return f"{value:+.1f}"
