"""Strengths of the models that wrote the completions: place and length held apart, or the reliability of the people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from comparisons.aggregation import Standing, fit_bradley_terry, fit_crowd_bt, tabulate_comparisons
from comparisons.studies.columns import NOTHING
from comparisons.studies.data import OVERALL, Choices
from comparisons.studies.figures import Figure
from comparisons.studies.shown import Shown

METHOD = "Bradley–Terry with Davidson's ties; place and length as covariates"
CROWD_METHOD = "Bradley–Terry with the reliability of each annotator (Crowd-BT); ties count half"
MODELS_MIN = 2
TOO_FEW_MODELS = "Needs completions of two named models or more."
NOT_CONVERGED = "The fit did not converge, so there is nothing to rely on."


def strengths(choices: Choices, shown: Shown) -> list[Figure]:
    """Log-strength of each model, mean 0, with its own interval; one figure with a reason where nothing can be said.

    Items whose two completions come from one model, or from none that is named, say nothing about models. Judgments
    count as independent, so intervals are a little narrow where people judge the same items.
    """
    some, rows, sides, names = between_models(choices, shown)
    if len(names) < MODELS_MIN:
        return [_nothing("strength", METHOD, TOO_FEW_MODELS, len(some))]
    length = np.log2(1 + shown.characters[rows])
    covariates = {
        "position": np.where(some.is_swapped, 1.0, -1.0),
        "length": length[:, 1] - length[:, 0],
    }
    result = fit_bradley_terry(
        tabulate_comparisons(
            sides[:, 0],
            sides[:, 1],
            np.sign(some.preference),
            covariates={name: values for name, values in covariates.items() if np.ptp(values) > 0},
            names=names,
        )
    )
    reason = result.reason or (None if result.converged else NOT_CONVERGED)
    return board("strength", METHOD, result.leaderboard, reason, len(some), result.confidence)


def reliable_strengths(choices: Choices, shown: Shown) -> list[Figure]:
    """The same where who is seldom with the strengths counts for less; without place and length."""
    some, _, sides, names = between_models(choices, shown)
    if len(names) < MODELS_MIN:
        return [_nothing("crowd_strength", CROWD_METHOD, TOO_FEW_MODELS, len(some))]
    # Equal comparisons of one person are one with a weight: the fit looks at each a hundred times.
    turned = sides[:, 0] > sides[:, 1]
    outcome = np.sign(some.preference) * np.where(turned, -1, 1)
    people = np.unique(some.annotators, return_inverse=True)[1]
    told = np.column_stack([np.sort(sides, axis=1), outcome, people])
    (left, right, better, who), weights = _merged(told)
    result = fit_crowd_bt(tabulate_comparisons(left, right, better, weights=weights, names=names), who)
    reason = result.reason or (None if result.converged else NOT_CONVERGED)
    return board("crowd_strength", CROWD_METHOD, result.leaderboard, reason, len(some), result.confidence)


def board(
    name: str,
    method: str,
    standings: Sequence[Standing],
    reason: str | None,
    n: int,
    confidence: float,
    criterion: str = OVERALL,
) -> list[Figure]:
    """One figure for each model, strongest first; one with the reason where there is one."""
    if reason is not None:
        return [_nothing(name, method, reason, n, criterion)]
    return [
        Figure(
            family="model", name=name, criterion=criterion, slice_by="model", slice_value=standing.name,
            value=standing.strength, low=standing.low, high=standing.high, n=n, counted="judgments",
            method=method, confidence=confidence,
        )
        for standing in standings
    ]  # fmt: skip


def between_models(
    choices: Choices, shown: Shown
) -> tuple[Choices, npt.NDArray[np.int64], npt.NDArray[np.int64], tuple[str, ...]]:
    """The choices between two different named models; their rows of `shown`; the two models of each, as positions in
    the names of those that occur, shape (R, 2); these names."""
    rows = shown.rows(choices.items)
    sides = shown.models[rows]
    told = (sides != NOTHING).all(axis=1) & (sides[:, 0] != sides[:, 1])
    used, index = np.unique(sides[told], return_inverse=True)
    names = tuple(shown.names[number] for number in used)
    return choices.take(told), rows[told], index.reshape(-1, 2).astype(np.int64), names


def _merged(rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Distinct rows, as columns, and how often each is there."""
    columns = [column - column.min(initial=0) for column in rows.T]
    key = np.zeros(len(rows), dtype=np.int64)
    for column in columns:
        key = key * (int(column.max(initial=0)) + 1) + column
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    return rows[first].T, counts


def _nothing(name: str, method: str, reason: str, n: int, criterion: str = OVERALL) -> Figure:
    return Figure(
        family="model", name=name, criterion=criterion, n=n, counted="judgments", reason=reason, method=method
    )
