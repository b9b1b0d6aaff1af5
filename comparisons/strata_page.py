"""The page of strata: what groups prefer, where one disagrees with the majority, and juries with seats for groups."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from annotation.models import Project, StratumQuestion
from annotation.selectors_strata import strata_asked
from comparisons.charts import Axis, Interval, interval_on
from comparisons.models import StratumFigure
from comparisons.selectors import latest_strata
from comparisons.strata.juries import SEATS_MAX, Seating, Side, Verdicts, verdicts

SHARES = Axis(0.0, 1.0, 200.0)
USUAL_SEATS = 12
"""As in Gordon et al. 2022."""
NUMBER = re.compile(r"[0-9]{1,2}")
EQUAL, PROPORTIONAL, OWN = "equal", "proportional", "own"


@dataclass(frozen=True)
class Line:
    """One figure with its drawing, and a sentence for those who do not see that."""

    figure: StratumFigure
    drawn: Interval
    null: float
    right: float
    sentence: str


@dataclass(frozen=True)
class Seat:
    """A field of the form: how many seats a group has. `key` is its name in the address."""

    key: str
    stratum: str
    seats: int


@dataclass(frozen=True)
class Verdict:
    """How juries decide on one pair of models, `first` and `second`; None where a seated group is not shown there.
    `minority`: how often against the majority of everybody, None without one."""

    first: str
    second: str
    found: Verdicts | None
    median: str
    minority: float | None


@dataclass(frozen=True)
class Jury:
    """`error` says what is wrong with the seats that were sent; then there are no verdicts."""

    seats: Sequence[Seat]
    verdicts: Sequence[Verdict]
    error: str


@dataclass(frozen=True)
class Group:
    """One question. `hidden` are the options without any figure; `minority` the cells that decide otherwise than
    everybody together, their whole interval on the other side of one half."""

    question: StratumQuestion
    reason: str
    lines: Sequence[Line]
    hidden: Sequence[str]
    minority: Sequence[Line]
    jury: Jury | None


def groups_of(project: Project, asked: Mapping[str, str]) -> list[Group]:
    """One for each question; `asked` is what stands in the address: `question` and `as`, or a number for each seat."""
    figures = latest_strata(project)
    return [
        _group(question, [f for f in figures if f.question_id == question.pk], asked)
        for question in strata_asked(project)
    ]


def _group(question: StratumQuestion, figures: Sequence[StratumFigure], asked: Mapping[str, str]) -> Group:
    told = [figure for figure in figures if not figure.reason]
    pairs = [figure for figure in told if figure.measure == StratumFigure.Measure.PAIR]
    shown = {figure.stratum for figure in told}
    is_asked = asked.get("question") == str(question.pk)
    return Group(
        question=question,
        reason="Not computed yet." if not figures else "".join(figure.reason for figure in figures),
        lines=[_line(figure) for figure in told if figure.measure != StratumFigure.Measure.PAIR],
        hidden=[option for option in question.options if option not in shown] if told else [],
        minority=[_line(figure) for figure in pairs if disagrees(figure)],
        jury=_jury(question, pairs, asked if is_asked else {}) if pairs else None,
    )


def disagrees(figure: StratumFigure) -> bool:
    """Whether the majority of the cell is surely another than that of everybody."""
    if figure.low is None or figure.high is None:
        return False
    side = majority(figure)
    return (side == "first" and figure.high < 0.5) or (side == "second" and figure.low > 0.5)


def majority(figure: StratumFigure) -> Side:
    """Of everybody who judged the pair."""
    if figure.everybody is None or figure.everybody == 0.5:
        return "same"
    return "first" if figure.everybody > 0.5 else "second"


def _line(figure: StratumFigure) -> Line:
    value, low, high = figure.value or 0.0, figure.low or 0.0, figure.high or 0.0
    return Line(
        figure=figure,
        drawn=interval_on(SHARES, value, low, high),
        null=SHARES.x(0.5),
        right=SHARES.x(1),
        sentence=(
            f"{figure.stratum}: {value:.0%}, {figure.confidence:.0%} interval {low:.0%} to {high:.0%}, "
            f"from {figure.people} people; the line is one half."
        ),
    )


def _jury(question: StratumQuestion, pairs: Sequence[StratumFigure], asked: Mapping[str, str]) -> Jury:
    people: dict[str, int] = {}
    for figure in pairs:
        people[figure.stratum] = max(people.get(figure.stratum, 0), figure.people)
    options = [(f"seats_{at}", option) for at, option in enumerate(question.options) if option in people]
    how = asked.get("as", EQUAL)
    sent = [asked.get(key, "") for key, _ in options]
    if how == OWN and not all(NUMBER.fullmatch(text) for text in sent):
        told = f"Write a whole number from 0 to {SEATS_MAX} for each group."
        return Jury([Seat(key, option, 0) for key, option in options], [], told)
    weights = [people[option] if how == PROPORTIONAL else 1 for _, option in options]
    numbers = [int(text) for text in sent] if how == OWN else apportioned(weights, USUAL_SEATS)
    seats = [Seat(key, option, number) for (key, option), number in zip(options, numbers, strict=True)]
    if not 1 <= sum(numbers) <= SEATS_MAX:
        return Jury(seats, [], f"A jury has 1 to {SEATS_MAX} seats, this one {sum(numbers)}.")
    return Jury(seats, _verdicts(pairs, {one.stratum: one.seats for one in seats if one.seats}), "")


def apportioned(weights: Sequence[int], seats: int) -> list[int]:
    """`seats` in proportion to `weights`, by the largest remainders; who is first takes a tie."""
    total = sum(weights)
    parts = [divmod(weight * seats, total) for weight in weights]
    left = seats - sum(whole for whole, _ in parts)
    favoured = sorted(range(len(parts)), key=lambda at: -parts[at][1])[:left]
    return [whole + (at in favoured) for at, (whole, _) in enumerate(parts)]


def _verdicts(pairs: Sequence[StratumFigure], seats: Mapping[str, int]) -> list[Verdict]:
    found = []
    models = attrgetter("subject", "other")
    for (first, second), group in groupby(sorted(pairs, key=models), key=models):
        cells = {figure.stratum: figure for figure in group}
        names: dict[Side, str] = {"first": first, "same": "as many for either", "second": second}
        if not seats.keys() <= cells.keys():
            found.append(Verdict(first, second, None, "", None))
            continue
        decided = verdicts([_seating(cells[stratum], number) for stratum, number in seats.items()])
        side = majority(next(iter(cells.values())))
        minority = None if side == "same" else decided.against(side)
        found.append(Verdict(first, second, decided, names[decided.median], minority))
    return found


def _seating(figure: StratumFigure, seats: int) -> Seating:
    """A tie is half in `value`; what rounding leaves below 0 is nothing."""
    same, value = figure.same or 0.0, figure.value or 0.0
    parts = [max(value - same / 2, 0.0), same, max(1 - value - same / 2, 0.0)]
    return Seating(seats, *(part / sum(parts) for part in parts))
