"""What moves preferences besides content: the whole project's leanings, and each person's to the first place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from comparisons.bias import TRAITS, BiasReport, holm, preference_effects, trait_differences
from comparisons.bias.regression import MIN_ITEMS
from comparisons.quality import wilson_share
from comparisons.studies.data import OVERALL, Choices, by_person, texts_of_items
from comparisons.studies.figures import Figure

ITEMS_MAX = 20_000
"""Texts are read for so many items, drawn by the seed: more would narrow the intervals below what matters."""


def leanings(choices: Choices, *, seed: int) -> list[Figure]:
    """Place, length, markdown and confident tone on the overall preference, in one regression."""
    chosen = _drawn_items(choices, seed)
    some = choices.take(np.isin(choices.items, chosen))
    texts = texts_of_items(chosen.tolist())
    pairs = [
        texts[item][::-1] if swapped else texts[item]
        for item, swapped in zip(some.items, some.is_swapped, strict=True)
    ]
    report = preference_effects(
        _first_preferred(some), trait_differences(pairs), some.items, keys=list(TRAITS)
    )
    if report.reason is not None:
        return [_figure(report, name, reason=report.reason) for name in ("position", *TRAITS)]
    return [
        _figure(
            report, effect.key, value=effect.points, low=effect.points_low, high=effect.points_high,
            p_adjusted=effect.p_holm,
        )
        for effect in report.effects
    ]  # fmt: skip


def places_by_person(choices: Choices) -> list[Figure]:
    """Each annotator's lean to the response shown first, p-values adjusted over the people."""
    found = []
    for person, rows in by_person(choices.annotators):
        own = choices.take(rows)
        report = preference_effects(_first_preferred(own), np.zeros((len(own), 0)), own.items, keys=[])
        found.append((person, report, _lean(report, own)))
    adjusted = iter(holm([lean.p for _, _, lean in found if lean is not None]).tolist())
    return [
        _figure(report, "position", reason=report.reason or "", annotator_id=person)
        if lean is None
        else _figure(
            report, "position", value=lean.points, low=lean.low, high=lean.high, p_adjusted=next(adjusted),
            annotator_id=person,
        )
        for person, report, lean in found
    ]  # fmt: skip


@dataclass(frozen=True)
class Lean:
    """Percentage points from one half, with their interval and the unadjusted p-value."""

    points: float
    low: float
    high: float
    p: float


def _lean(report: BiasReport, own: Choices) -> Lean | None:
    """From the regression; for somebody who always took the same side, whom no regression can fit, from the sign test
    and Wilson's interval: they lean more than anybody. None where neither says anything."""
    if report.effects:
        effect = report.effects[0]
        return Lean(effect.points, effect.points_low, effect.points_high, effect.p_holm)
    sides, n = np.unique(own.sides), report.items
    if n < MIN_ITEMS or len(sides) != 1 or sides[0] == 0:
        return None
    share = wilson_share(n if sides[0] < 0 else 0, n)
    if share.value is None or share.low is None or share.high is None:
        return None
    points, low, high = (100 * (bound - 0.5) for bound in (share.value, share.low, share.high))
    return Lean(points, low, high, p=2 * 0.5**n)


def _first_preferred(choices: Choices) -> npt.NDArray[np.float64]:
    return np.asarray((1 - choices.sides) / 2)


def _drawn_items(choices: Choices, seed: int) -> npt.NDArray[np.int64]:
    items = np.unique(choices.items)
    if len(items) <= ITEMS_MAX:
        return items
    return np.sort(np.random.default_rng(seed).choice(items, ITEMS_MAX, replace=False))


def _figure(report: BiasReport, name: str, **words: Any) -> Figure:
    return Figure(
        family="leaning", name=name, n=report.items, counted="items", method=report.method, criterion=OVERALL,
        confidence=report.confidence, **words,
    )  # fmt: skip
