"""What Dawid and Skene's model makes of the judgments of a snapshot: a probability for each side of every pair."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from django.db.models import QuerySet

from annotation.models import Judgment
from comparisons.selectors import pairwise_outcomes
from exporters.labels import Estimate

Estimates = dict[tuple[int, int], Estimate]
"""By (first, second) completion."""
DECIMALS = 9
"""Labels are rounded, so that the order in which a processor adds does not show in the bytes of a release."""


@dataclass
class Outcomes:
    """Parallel arrays with one entry for each judgment of each pair; `values` are 0 first, 1 tie, 2 second."""

    firsts: array[int] = field(default_factory=lambda: array("q"))
    seconds: array[int] = field(default_factory=lambda: array("q"))
    annotators: array[int] = field(default_factory=lambda: array("q"))
    values: array[int] = field(default_factory=lambda: array("b"))


def estimates(judgments: QuerySet[Judgment], criterion: str) -> tuple[Estimates, tuple[str, ...]]:
    """The estimates of all pairs, and sentences without full stops on what could not be estimated or is doubtful.

    Each scale has a model of its own: whoever is careful with seven points need not be so with a ranking.
    """
    scales: dict[str, Outcomes] = defaultdict(Outcomes)
    names = {
        pk: f"{kind}, {points} points" if points else kind
        for pk, kind, points in judgments.order_by()
        .values_list("protocol", "protocol__kind", "protocol__points")
        .distinct()
    }
    for protocol in sorted(names):
        outcomes = scales[names[protocol]]
        for outcome in pairwise_outcomes(judgments.filter(protocol=protocol), criterion=criterion):
            outcomes.firsts.append(outcome.first)
            outcomes.seconds.append(outcome.second)
            outcomes.annotators.append(outcome.annotator)
            outcomes.values.append(1 + (outcome.preference > 0) - (outcome.preference < 0))
    found: Estimates = {}
    notes: list[str] = []
    for name, outcomes in sorted(scales.items()):
        if outcomes.values:
            fitted, said = estimates_of(outcomes)
            found |= fitted
            notes += [f"Dawid and Skene's model ({name}): {sentence.rstrip('.')}" for sentence in said]
    return found, tuple(notes)


def estimates_of(outcomes: Outcomes) -> tuple[Estimates, tuple[str, ...]]:
    """The estimates of one scale; none where the model says why it cannot be fitted."""
    # scipy takes a second to load, which a web process would have to wait for when it begins.
    from comparisons.aggregation import fit_dawid_skene, tabulate_judgments

    pairs, items = np.unique(
        np.column_stack([np.asarray(outcomes.firsts), np.asarray(outcomes.seconds)]),
        axis=0,
        return_inverse=True,
    )
    _, people = np.unique(np.asarray(outcomes.annotators), return_inverse=True)
    # An imported person may have judged one pair twice: each counts.
    table = tabulate_judgments(
        items.ravel(), people, np.asarray(outcomes.values), class_count=3, allow_repeats=True
    )
    result = fit_dawid_skene(table)
    if result.posterior is None:
        return {}, (result.reason or "",)
    rounded = np.round(result.posterior, DECIMALS).tolist()
    found = {
        (first, second): Estimate(*row) for (first, second), row in zip(pairs.tolist(), rounded, strict=True)
    }
    return found, result.warnings
