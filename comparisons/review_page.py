"""What the pages of review show: judgments without names until somebody has decided, and decisions in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.answer_words import Words, answer_words
from annotation.kinds import Screen
from annotation.models import Item, Judgment
from annotation.panels import Panel
from annotation.selectors_console import item_screen
from annotation.views.console import judged
from comparisons.kinds.settling import SETTLED
from comparisons.models import Adjudication
from comparisons.selectors_adjudication import decisions_of, judgments_to_settle


@dataclass(frozen=True)
class Typed:
    """What stands in the form of a decision: nothing yet, the reviewer's first answer, or what was sent."""

    answer: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class JudgmentLine:
    """One judgment under review. `person`: P1, P2, … in the order in which they answered, until there is a decision;
    the pseudonym afterwards. `shown`: the order they saw, in the letters of this page; "" where it was the file's."""

    judgment: Judgment
    person: str
    words: Sequence[Words]
    shown: str


@dataclass(frozen=True)
class DecisionLine:
    decision: Adjudication
    words: Sequence[Words]

    @property
    def is_blind(self) -> bool:
        return self.decision.blind_answer.answer is not None


def judgment_lines(item: Item, screen: Screen, *, with_names: bool) -> list[JudgmentLine]:
    return [
        JudgmentLine(
            judgment,
            judgment.annotator.pseudonym if with_names else f"P{number}",
            judged(judgment, screen).words,
            shown_order(judgment, screen),
        )
        for number, judgment in enumerate(judgments_to_settle(item), start=1)
    ]


def shown_order(judgment: Judgment, screen: Screen) -> str:
    order = list(judgment.display_order)
    if order == sorted(order):
        return ""
    return ", ".join(screen.labels[position] for position in order)


def decision_lines(item: Item, screen: Screen) -> list[DecisionLine]:
    """The current decision first."""
    return [
        DecisionLine(decision, answer_words(decision.answer, screen.criteria) if decision.answer else [])
        for decision in decisions_of(item)
    ]


def decision_panel(item: Item) -> Panel | None:
    """On the item's own page: what was decided, and the way to review."""
    if item.batch.protocol.kind not in SETTLED:
        return None
    lines = decision_lines(item, item_screen(item))
    return Panel(
        "Decision",
        "comparisons/decision_panel.html",
        context={"decisions": lines, "is_taste": bool(lines) and is_taste(lines[0].decision)},
    )


def is_taste(decision: Adjudication) -> bool:
    return decision.reason == Adjudication.Reason.TASTE
