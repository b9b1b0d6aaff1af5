"""What the figures of a person propose. A proposal is a sentence for a lead; nothing happens by itself.

Each rule looks at an interval or an adjusted p-value, so that few answers propose nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comparisons.models import Statistic

GOLD_WANTED = 0.8
FAST_SHARE = 0.1
SURE = 0.01
DRIFT_ALARM = 1.0


@dataclass(frozen=True)
class Proposal:
    """`action`: pause, hold or retrain. `why` names the figure that it rests on."""

    action: str
    why: str


Rule = Callable[["Statistic"], Proposal | None]


def proposals_for(figures: Mapping[str, Statistic]) -> list[Proposal]:
    """From a person's figures by name, the most pressing first."""
    found = [rule(figures[name]) for name, rule in RULES if name in figures]
    return [proposal for proposal in found if proposal is not None]


def _gold(figure: Statistic) -> Proposal | None:
    if figure.value is None or figure.high is None or figure.high >= GOLD_WANTED:
        return None
    return Proposal(
        "hold",
        f"{figure.value:.0%} of {figure.n} gold answers are right, at most {figure.high:.0%};"
        f" {GOLD_WANTED:.0%} is wanted.",
    )


def _drift(figure: Statistic) -> Proposal | None:
    if figure.value is None or figure.value < DRIFT_ALARM:
        return None
    return Proposal("retrain", f"Accuracy on gold has fallen: {figure.method}.")


def _fast(figure: Statistic) -> Proposal | None:
    if figure.value is None or figure.low is None or figure.low <= FAST_SHARE:
        return None
    return Proposal(
        "pause",
        f"{figure.value:.0%} of {figure.n} answers came before anybody could have read the responses.",
    )


def _run(figure: Statistic) -> Proposal | None:
    if figure.value is None or figure.p_adjusted is None or figure.p_adjusted >= SURE:
        return None
    return Proposal(
        "hold",
        f"The same answer, as it stood on the screen, {figure.value:.0f} times in a row among {figure.n}.",
    )


def _place(figure: Statistic) -> Proposal | None:
    if figure.value is None or figure.p_adjusted is None or figure.p_adjusted >= SURE:
        return None
    side = "first" if figure.value > 0 else "second"
    return Proposal("retrain", f"Leans to the response shown {side}, by {abs(figure.value):.0f} points.")


RULES: tuple[tuple[str, Rule], ...] = (
    ("too_fast", _fast),
    ("gold_accuracy", _gold),
    ("longest_run", _run),
    ("drift", _drift),
    ("position", _place),
)
