"""What the judgments of each item say together, and on which items people disagree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from comparisons.aggregation import fit_dawid_skene, tabulate_judgments
from comparisons.quality import wilson_share
from comparisons.stopping import DECIDED, MIN_JUDGMENTS, certainty, expected_gains, tie_probability
from comparisons.studies.data import Choices
from comparisons.studies.figures import Figure

SIGNS = np.array([-1, 0, 1])
"""The first completion is better, about the same, the second is."""
METHOD = f"Beta posterior of the majority below {DECIDED:.0%}; Wilson"
COUNTED = f"items with {MIN_JUDGMENTS} judgments"

Column = Sequence[float | None]


class Verdict(NamedTuple):
    """The columns of an `Aggregate` that are computed, in their order here (`comparisons.models.aggregates`)."""

    item: int
    n_first: int
    n_same: int
    n_second: int
    certainty: float
    tie_probability: float
    posterior_first: float | None
    posterior_same: float | None
    posterior_second: float | None
    expected_gain: float | None
    reason: str


def verdicts_of(choices: Choices) -> list[Verdict]:
    """One for each item with an answer, in order of id."""
    items, item_of = np.unique(choices.items, return_inverse=True)
    if not len(items):
        return []
    signs = np.sign(choices.preference)
    counts = np.zeros((len(items), 3), dtype=np.int64)
    np.add.at(counts, (item_of, signs + 1), 1)
    first, same, second = counts.T
    sure, tied = certainty(first, second, same), tie_probability(first, second, same)
    posterior, gains, reason = _people_model(item_of, choices.annotators, signs, len(items))
    columns = zip(
        items.tolist(), *counts.T.tolist(), sure.tolist(), tied.tolist(), *posterior, gains, strict=True
    )
    return [Verdict._make((*row, reason)) for row in columns]


def contested_share(verdicts: list[Verdict], criterion: str) -> Figure:
    """The share of contested items among those with enough judgments to say so."""
    enough = [one for one in verdicts if one.n_first + one.n_same + one.n_second >= MIN_JUDGMENTS]
    contested = sum(max(one.certainty, one.tie_probability) < DECIDED for one in enough)
    share = wilson_share(contested, len(enough), what=COUNTED)
    return Figure(
        family="agreement", name="contested_items", criterion=criterion, value=share.value, low=share.low,
        high=share.high, reason=share.reason or "", n=share.n, counted=COUNTED, method=METHOD,
        confidence=share.confidence,
    )  # fmt: skip


def _people_model(
    item_of: npt.NDArray[np.int64], annotators: npt.NDArray[np.int64], signs: npt.NDArray[np.int64], n: int
) -> tuple[Sequence[Column], Column, str]:
    """Posterior of the three answers, a column each, and expected gain of each of `n` items; or Nones and why.

    An answer that nobody gave is left out of the fit and has the probability 0: its error rates would be made up.
    """
    named = np.unique(signs)
    table = tabulate_judgments(
        item_of,
        np.unique(annotators, return_inverse=True)[1],
        np.searchsorted(named, signs),
        item_count=n,
        class_count=max(len(named), 2),
    )
    fit = fit_dawid_skene(table)
    if fit.posterior is None or fit.confusion is None or not fit.converged:
        return [[None] * n] * 3, [None] * n, fit.reason or fit.warnings[0]
    gains = expected_gains(fit.posterior, fit.confusion.mean(axis=0))
    posterior = np.zeros((n, 3))
    posterior[:, np.searchsorted(SIGNS, named)] = fit.posterior
    return posterior.T.tolist(), gains.tolist(), ""
