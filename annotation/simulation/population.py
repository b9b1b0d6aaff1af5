"""Who works: a number of simulated annotators from best to worst, and how badly they behave."""

import random
from dataclasses import dataclass

from annotation.simulation.annotator import DRIFT_JUDGMENTS, SPAM_STYLES, SimulatedAnnotator, SpamStyle
from annotation.simulation.habits import CAREFUL, Habits

BEST_SKILL, WORST_SKILL = 0.9, 0.2


@dataclass(frozen=True)
class Behaviour:
    """Habits of everybody, the share of people who answer without reading, and a drift of all the others."""

    habits: Habits = CAREFUL
    spammers: float = 0.0
    spam_styles: tuple[SpamStyle, ...] = SPAM_STYLES
    """Dealt out in turn."""
    drift: float = 0.0
    drift_judgments: int = DRIFT_JUDGMENTS

    def __post_init__(self) -> None:
        if not 0 <= self.spammers <= 1:
            raise ValueError(f"spammers is a share between 0 and 1, not {self.spammers}")


BEHAVIOURS = {
    "careful": Behaviour(),
    "mixed": Behaviour(
        Habits(abandon=0.05, come_back=0.8, double_click=0.1, two_tabs=0.05), spammers=0.1, drift=-0.1
    ),
    "hostile": Behaviour(
        Habits(abandon=0.3, come_back=0.3, double_click=0.2, two_tabs=0.2), spammers=0.3, drift=-0.4
    ),
}
"""Presets of `manage.py simulate --behaviour`."""


def make_population(
    count: int,
    seed: int,
    behaviour: Behaviour = BEHAVIOURS["careful"],
    *,
    skill: float | None = None,
    position_bias: float = 0.0,
    length_bias: float = 0.0,
) -> list[SimulatedAnnotator]:
    """`count` annotators, drawn from `seed`. Raises ValueError for a setting outside its range.

    Skill falls evenly from 0.9 to 0.2 unless `skill` is given for all.
    """
    spammers = random.Random(f"{seed}|spammers").sample(range(count), round(behaviour.spammers * count))
    styles = behaviour.spam_styles
    spam = {index: styles[turn % len(styles)] for turn, index in enumerate(spammers)}
    fall = (BEST_SKILL - WORST_SKILL) / max(count - 1, 1)
    return [
        SimulatedAnnotator(
            skill=BEST_SKILL - fall * index if skill is None else skill,
            seed=seed * 1_000_003 + index,
            position_bias=position_bias,
            length_bias=length_bias,
            drift=behaviour.drift,
            drift_judgments=behaviour.drift_judgments,
            spam=spam.get(index),
        )
        for index in range(count)
    ]
