"""The statistics page: what each table shows, in words, with the geometry of its intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from annotation.models import Membership, Project
from comparisons.bias import TRAITS
from comparisons.charts import Axis, Interval, ceil_to, floor_to, interval_on
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
    "kendall_w": "Kendall’s W",
    "kendall_tau_b": "Kendall’s τ-b, mean of pairs of people",
    "alpha_ordinal": "Krippendorff’s α, ordinal",
    "alpha_interval": "Krippendorff’s α, interval",
    "icc_1_1": "ICC(1,1), people of its own for each response",
    "icc_2_1": "ICC(2,1), the same people on every response",
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
"""Columns of the people's table, in order; those that no figure of the kind fills are left out. All but the last three
are shares."""
PLACE = ("Place", "shown first instead of second")


@dataclass(frozen=True)
class Words:
    """How the page speaks of one kind of answers: `title` of its agreement, `scale` of its coefficients, what α of
    its `part`s is, and a `note` for the reader."""

    title: str
    scale: str
    part: str
    note: str = ""


WORDS = {
    "kendall_w": Words(
        "Agreement of the rankings",
        "1 is full agreement; 0 is chance for AC1 and α, no common order for W and τ",
        "ordinal α of the ranks",
    ),
    "alpha_interval": Words("Agreement of the ratings", "0 is chance and 1 full agreement", "interval α"),
}
"""By a figure that only this kind has."""
PAIRWISE = Words(
    "Agreement of the pairwise answers",
    "0 is chance and 1 full agreement, for all but raw agreement",
    "ordinal α",
    "Where nearly all answers are the same, κ is low however well people agree; read it beside AC1 and the raw share.",
)
STRENGTH = "One unit is odds of e to 1. Each interval is for one model; overlapping ones may still differ."
BOARDS = {
    "strength": (
        "Models",
        "log-strength, mean 0; place and length held apart",
        f"Bradley–Terry with Davidson’s ties. {STRENGTH}",
    ),
    "crowd_strength": (
        "Models, by the reliability of the annotators",
        "log-strength, mean 0; place and length left aside",
        "Crowd-BT: who is seldom with the others counts for less. Where it differs from the above, look at people.",
    ),
    "rank_strength": (
        "Models",
        "log-strength, mean 0, from whole rankings",
        f"Plackett–Luce; a tie counts half for either order. {STRENGTH}",
    ),
    "mean_rating": (
        "Models",
        "mean rating",
        "Of all ratings; the intervals come from drawing the items again.",
    ),
}
"""By name: heading, what is shown, what to know."""


@dataclass(frozen=True)
class Row:
    """One figure: `value` and `interval` as text, `sentence` for those who do not see the drawing. `null` is where 0
    lies, None on a scale without it."""

    name: str
    note: str
    figure: Statistic
    value: str
    interval: str
    drawn: Interval | None
    null: float | None
    right: float
    sentence: str


@dataclass(frozen=True)
class Person:
    """`cells` in the order of the columns: (column, text, reason); `proposals` are for a lead to decide on."""

    member: Membership
    cells: Sequence[tuple[str, str, str]]
    proposals: Sequence[Proposal]


@dataclass(frozen=True)
class Board:
    """One leaderboard; `key` tells it from the others on the page."""

    key: str
    title: str
    about: str
    note: str
    head: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Tables:
    figures: Sequence[Statistic]
    words: Words
    agreement: Sequence[Row]
    slices: Sequence[Row]
    columns: Sequence[str]
    people: Sequence[Person]
    leanings: Sequence[Row]
    boards: Sequence[Board]


def tables_of(project: Project) -> Tables:
    """What the page shows of the newest figures; empty tables before the first."""
    figures = latest_statistics(project)
    names = dict(project.protocols.order_by("number").values_list("criteria__key", "criteria__name"))
    agreement = [f for f in figures if f.name in COEFFICIENTS and not f.slice_by]
    slices = [f for f in figures if f.family == "agreement" and f.slice_by]
    leanings = [f for f in figures if f.family == "leaning" and f.annotator_id is None]
    names_of_people = {f.name for f in figures if f.annotator_id is not None}
    columns = {name: title for name, title in PERSONAL.items() if name in names_of_people}
    unit = Axis(min([0.0, *(f.low for f in agreement + slices if f.low is not None)]), 1.0, WIDTH)
    return Tables(
        figures=figures,
        words=next((WORDS[f.name] for f in agreement if f.name in WORDS), PAIRWISE),
        agreement=[
            _row(f, COEFFICIENTS[f.name], names.get(f.criterion, f.criterion), unit, _plain)
            for f in agreement
        ],
        slices=[_row(f, f.slice_value or "not named", f.slice_by, unit, _plain) for f in slices],
        columns=list(columns.values()),
        people=_people(figures, columns),
        leanings=[_row(f, *_trait(f.name), _around_zero(leanings, 5.0), _points) for f in leanings],
        boards=_boards([f for f in figures if f.family == "model"], names),
    )


def _boards(figures: Sequence[Statistic], names: Mapping[str, str]) -> list[Board]:
    """One for each name and criterion, in the order of the figures."""
    groups: dict[tuple[str, str], list[Statistic]] = {}
    for figure in figures:
        groups.setdefault((figure.name, figure.criterion), []).append(figure)
    boards = []
    for (name, criterion), own in groups.items():
        title, about, note = BOARDS[name]
        if len({c for n, c in groups if n == name}) > 1:
            title = f"{title}: {names.get(criterion, criterion)}"
        axis = _around_mean(own) if name == "mean_rating" else _around_zero(own, 0.5)
        head = "Mean" if name == "mean_rating" else "Strength"
        rows = [_row(f, f.slice_value or "All models", "", axis, _plain) for f in own]
        boards.append(Board(f"{name}-{criterion}", title, about, note, head, rows))
    return boards


def _people(figures: Sequence[Statistic], columns: Mapping[str, str]) -> list[Person]:
    of: dict[Membership, dict[str, Statistic]] = {}
    for figure in figures:
        if figure.annotator is not None:
            of.setdefault(figure.annotator, {})[figure.name] = figure
    people = []
    for member, own in of.items():
        cells = [(title, *_cell(own.get(name))) for name, title in columns.items()]
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
        null=axis.x(0) if axis.low <= 0 <= axis.high else None,
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


def _around_mean(figures: Sequence[Statistic]) -> Axis:
    """An axis that holds every interval of values that have no 0 of their own."""
    bounds = [b for f in figures for b in (f.low, f.high) if b is not None] or [0.0, 1.0]
    return Axis(floor_to(min(bounds), 0.5), ceil_to(max(bounds), 0.5) + 0.5, WIDTH)


def _plain(value: float) -> str:
    return f"{value:.2f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f}\N{NARROW NO-BREAK SPACE}%"


def _points(value: float) -> str:
    return f"{value:+.1f}"
