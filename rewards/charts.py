"""The forest plot of a reward run: every figure with its interval on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from comparisons.charts import Axis, Interval, ceil_to, floor_to, interval_on
from rewards.evaluation import CHANCE
from rewards.models import RewardRun

ROW_HEIGHT = 28
TOP = 8


@dataclass(frozen=True)
class Shape:
    """How wide the names and the plot are, in units of the view box, and how far apart the ticks may be."""

    names: float
    plot: float
    ticks_max: int


WIDE = Shape(names=132.0, plot=420.0, ticks_max=11)
NARROW = Shape(names=98.0, plot=228.0, ticks_max=6)


@dataclass(frozen=True)
class ForestRow:
    """One figure as a share in [0, 1]; chance has no interval. `y` is the middle of its row."""

    name: str
    note: str
    value: float
    low: float
    high: float
    interval: Interval
    y: float
    is_model: bool


@dataclass(frozen=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True)
class Forest:
    """All that the template draws, in units of the view box. `labels`: base line of the tick labels."""

    rows: Sequence[ForestRow]
    ticks: Sequence[Tick]
    chance: float
    left: float
    right: float
    bottom: float
    labels: float
    width: float
    height: float
    sentence: str


def forest_of(run: RewardRun, shape: Shape = WIDE) -> Forest | None:
    """The plot of a finished run; None before."""
    figures = _figures(run)
    if not figures:
        return None
    bounds = [bound for *_, low, high, _ in figures for bound in (low, high)]
    low, high = floor_to(min(bounds), 0.1), ceil_to(max(bounds), 0.1)
    axis = Axis(low, high, shape.plot)
    rows = [
        ForestRow(
            name=name,
            note=note,
            value=value,
            low=lower,
            high=upper,
            interval=_shifted(interval_on(axis, value, lower, upper), shape.names),
            y=TOP + ROW_HEIGHT * (index + 0.5),
            is_model=is_model,
        )
        for index, (name, note, value, lower, upper, is_model) in enumerate(figures)
    ]
    bottom = TOP + ROW_HEIGHT * len(rows)
    return Forest(
        rows=rows,
        ticks=_ticks(axis, shape),
        chance=shape.names + axis.x(CHANCE),
        left=shape.names,
        right=shape.names + shape.plot,
        bottom=bottom,
        labels=bottom + 16,
        width=shape.names + shape.plot + 8,
        height=bottom + 24,
        sentence=_sentence(figures),
    )


def _ticks(axis: Axis, shape: Shape) -> list[Tick]:
    """One every ten points, or every twenty where that would be too many."""
    tenths = range(round(axis.low * 10), round(axis.high * 10) + 1)
    every = 1 if len(tenths) <= shape.ticks_max else 2
    return [Tick(shape.names + axis.x(n / 10), str(10 * n)) for n in tenths if n % every == 0]


def _figures(run: RewardRun) -> list[tuple[str, str, float, float, float, bool]]:
    """(name, note, value, low, high, is the model) from top to bottom."""
    if run.accuracy is None or run.accuracy_low is None or run.accuracy_high is None:
        return []
    found = [
        (
            "Model",
            f"{run.get_model_display()}, {run.get_loss_display()} loss",
            run.accuracy,
            run.accuracy_low,
            run.accuracy_high,
            True,
        ),
        ("Chance", "a coin", CHANCE, CHANCE, CHANCE, False),
    ]
    others = [
        (
            "Longer wins",
            "always the longer response",
            run.longer_wins,
            run.longer_wins_low,
            run.longer_wins_high,
        ),
        (
            "Shorter wins",
            "always the shorter response",
            run.shorter_wins,
            run.shorter_wins_low,
            run.shorter_wins_high,
        ),
        (
            "Human ceiling",
            "one annotator against the others",
            run.human_ceiling,
            run.human_ceiling_low,
            run.human_ceiling_high,
        ),
    ]
    for name, note, value, low, high in others:
        if value is not None and low is not None and high is not None:
            found.append((name, note, value, low, high, False))
    return found


def _shifted(interval: Interval, by: float) -> Interval:
    return Interval(by + interval.point, by + interval.low, by + interval.high)


def _sentence(figures: Sequence[tuple[str, str, float, float, float, bool]]) -> str:
    parts = [
        f"{name} {value:.1%}" + (f", interval {low:.1%} to {high:.1%}" if low < high else "")
        for name, _, value, low, high, _ in figures
    ]
    return f"Pairwise accuracy. {'; '.join(parts)}."
