"""What moves preferences besides content: the whole project's leanings, and each person's to the first place."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from comparisons.bias import TRAITS, BiasReport, holm, preference_effects, trait_differences
from comparisons.studies.data import OVERALL, Choices, texts_of_items
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
    for person in np.unique(choices.annotators):
        own = choices.take(choices.annotators == person)
        report = preference_effects(_first_preferred(own), np.zeros((len(own), 0)), own.items, keys=[])
        found.append((int(person), report))
    adjusted = iter(holm([report.effects[0].p_holm for _, report in found if report.effects]).tolist())
    figures = []
    for person, report in found:
        if not report.effects:
            figures.append(_figure(report, "position", reason=report.reason or "", annotator_id=person))
            continue
        effect = report.effects[0]
        figures.append(
            _figure(
                report, "position", value=effect.points, low=effect.points_low, high=effect.points_high,
                p_adjusted=next(adjusted), annotator_id=person,
            )
        )  # fmt: skip
    return figures


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
