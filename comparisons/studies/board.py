"""Strengths of the models that wrote the completions, with place and length held apart."""

from __future__ import annotations

import numpy as np

from comparisons.aggregation import fit_bradley_terry, tabulate_comparisons
from comparisons.bias import trait_differences
from comparisons.studies.data import OVERALL, Choices, models_of, texts_of_items
from comparisons.studies.figures import Figure

METHOD = "Bradley–Terry with Davidson's ties; place and length as covariates"
MODELS_MIN = 2


def strengths(choices: Choices) -> list[Figure]:
    """Log-strength of each model, mean 0, with its own interval; one figure with a reason where nothing can be said.

    Items whose two completions come from one model, or from none that is named, say nothing about models. Judgments
    count as independent, so intervals are a little narrow where people judge the same items.
    """
    models = models_of(np.unique(choices.items).tolist())
    told = np.array(
        [all(models[i]) and models[i][0] != models[i][1] for i in choices.items.tolist()], dtype=bool
    )
    some = choices.take(told)
    names = sorted({name for item in np.unique(some.items).tolist() for name in models[item]})
    if len(names) < MODELS_MIN:
        return [_nothing("Needs completions of two named models or more.", len(some))]
    number = {name: index for index, name in enumerate(names)}
    texts = texts_of_items(np.unique(some.items).tolist())
    sides = [models[item] for item in some.items.tolist()]
    covariates = {
        "position": np.where(some.is_swapped, 1.0, -1.0),
        "length": trait_differences([texts[item][::-1] for item in some.items.tolist()], ["length"])[:, 0],
    }
    result = fit_bradley_terry(
        tabulate_comparisons(
            np.array([number[first] for first, _ in sides]),
            np.array([number[second] for _, second in sides]),
            np.sign(some.preference),
            covariates={name: values for name, values in covariates.items() if np.ptp(values) > 0},
            names=names,
        )
    )
    if result.reason is not None:
        return [_nothing(result.reason, len(some))]
    method = METHOD if result.converged else f"{METHOD}; did not converge"
    return [
        Figure(
            family="model", name="strength", criterion=OVERALL, slice_by="model", slice_value=standing.name,
            value=standing.strength, low=standing.low, high=standing.high, n=len(some), counted="judgments",
            method=method, confidence=result.confidence,
        )
        for standing in result.leaderboard
    ]  # fmt: skip


def _nothing(reason: str, n: int) -> Figure:
    return Figure(
        family="model",
        name="strength",
        criterion=OVERALL,
        n=n,
        counted="judgments",
        reason=reason,
        method=METHOD,
    )
