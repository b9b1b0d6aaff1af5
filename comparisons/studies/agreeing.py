"""Agreement of the pairwise answers, whole and in slices, and each person beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from comparisons.agreement import (
    Bootstrap,
    Estimate,
    agreement_with_others,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac,
    index_ratings,
    krippendorff_alpha,
    leave_one_out,
    raw_agreement,
)
from comparisons.agreement.table import IndexedRatings
from comparisons.studies.data import Choices, models_of
from comparisons.studies.figures import Figure

METHOD = "percentile bootstrap over items"
SLICES_MAX = 50
"""Of one kind, the largest: a page that listed a thousand pairs of models would be read by nobody."""


def ratings_of(choices: Choices) -> IndexedRatings:
    """The signed preferences; the domain is the whole scale, so that a point which nobody chose counts for AC."""
    scale = np.arange(-choices.bound, choices.bound + 1)
    return index_ratings(choices.items, choices.annotators, choices.preference, domain=scale)


def whole_agreement(choices: Choices, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """Every coefficient that people ask for, beside the α of the agreement reports."""
    ratings = ratings_of(choices)
    table = ratings.table()
    results: list[tuple[str, Estimate]] = [
        ("raw_agreement", raw_agreement(table, bootstrap)),
        ("gwet_ac1", gwet_ac(table, bootstrap)),
        ("gwet_ac2", gwet_ac(table, bootstrap, weights="ordinal")),
        ("fleiss_kappa", fleiss_kappa(table, bootstrap)),
        ("cohen_kappa", cohen_kappa(ratings, bootstrap)),
    ]
    return [_figure(name, result, criterion) for name, result in results]


def sliced_agreement(choices: Choices, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """Ordinal α within each batch, language, guideline version, strength of the answers and pair of models."""
    figures = []
    for slice_by, value, chosen in slices(choices):
        table = ratings_of(choices.take(chosen)).table()
        result = krippendorff_alpha(
            table, level="ordinal", seed=bootstrap.seed, n_resamples=bootstrap.n_resamples
        )
        figures.append(_figure("krippendorff_alpha", result, criterion, slice_by=slice_by, slice_value=value))
    return figures


def slices(choices: Choices) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """(what by, value in words, mask of shape (R,)), the largest of each kind first; none where all are alike."""
    models = models_of(np.unique(choices.items).tolist())
    pairs = np.array([" · ".join(sorted(models[item])) for item in choices.items], dtype=str)
    kinds: list[tuple[str, npt.NDArray[Any]]] = [
        ("batch", choices.batches),
        ("language", choices.languages),
        ("guideline", choices.guidelines),
        ("model pair", pairs),
    ]
    for slice_by, labels in kinds:
        values, counts = np.unique(labels, return_counts=True)
        if len(values) < 2:
            continue
        for value in values[np.argsort(-counts, kind="stable")][:SLICES_MAX]:
            yield slice_by, str(value), labels == value


def people_beside_others(choices: Choices, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """Each person's agreement with the others, and what α would be without them."""
    ratings = ratings_of(choices)
    figures = [
        _figure(
            "agreement_with_others", result, criterion, annotator_id=int(result.annotator), family="person"
        )
        for result in agreement_with_others(ratings, bootstrap, weights="ordinal")
    ]
    for influence in leave_one_out(ratings, level="ordinal"):
        figures.append(
            Figure(
                family="person", name="influence_on_alpha", criterion=criterion,
                annotator_id=int(influence.annotator), value=influence.difference, n=influence.items,
                counted="shared items", reason=influence.reason or "",
                method="ordinal α without this person, less α; a diagnostic without an interval",
            )
        )  # fmt: skip
    return figures


def _figure(
    name: str, result: Estimate, criterion: str, *, family: str = "agreement", **words: Any
) -> Figure:
    return Figure(
        family=family, name=name, criterion=criterion, value=result.value, low=result.low, high=result.high,
        reason=result.reason or "", n=result.items, counted="shared items", method=METHOD,
        confidence=result.confidence, **words,
    )  # fmt: skip
