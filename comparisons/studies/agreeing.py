"""Agreement of the pairwise answers, whole and in slices, and each person beside the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from comparisons.agreement import (
    Bootstrap,
    Estimate,
    IndexedRatings,
    Level,
    Weights,
    agreement_with_others,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac,
    index_ratings,
    krippendorff_alpha,
    leave_one_out,
    raw_agreement,
)
from comparisons.studies.data import Choices
from comparisons.studies.figures import Figure
from comparisons.studies.parts import Groups, Part, Tabler, parts_of_choices, tabler
from comparisons.studies.shown import Shown

METHOD = "percentile bootstrap over items"
PAIRS_MAX = 190
"""All pairs of 20 people. Where there are more, those who share most say enough; a mean of all takes minutes."""
COHEN_METHOD = f"mean over pairs of people, at most the {PAIRS_MAX} who share most; {METHOD}"


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
        ("cohen_kappa", cohen_kappa(ratings, bootstrap, most=PAIRS_MAX)),
    ]
    return [
        figure(name, result, criterion, method=COHEN_METHOD if name == "cohen_kappa" else METHOD)
        for name, result in results
    ]


def sliced_agreement(
    choices: Choices, shown: Shown, groups: Groups, criterion: str, bootstrap: Bootstrap
) -> list[Figure]:
    """Ordinal α within each batch, language, guideline version, annotator group, strength and pair of models."""
    scale = np.arange(-choices.bound, choices.bound + 1)
    table = tabler(choices.items, choices.items, choices.preference, scale)
    parts = parts_of_choices(choices, shown, groups)
    return alphas_of_parts(parts, table, "ordinal", criterion, bootstrap)


def alphas_of_parts(
    parts: Iterable[Part], table: Tabler, level: Level, criterion: str, bootstrap: Bootstrap
) -> list[Figure]:
    figures = []
    for slice_by, value, chosen in parts:
        result = krippendorff_alpha(
            table(chosen), level=level, seed=bootstrap.seed, n_resamples=bootstrap.n_resamples
        )
        figures.append(figure("krippendorff_alpha", result, criterion, slice_by=slice_by, slice_value=value))
    return figures


def people_beside_others(choices: Choices, criterion: str, bootstrap: Bootstrap) -> list[Figure]:
    """Each person's agreement with the others, and what α would be without them."""
    return people_in(ratings_of(choices), criterion, bootstrap, weights="ordinal", level="ordinal")


def people_in(
    ratings: IndexedRatings, criterion: str, bootstrap: Bootstrap, *, weights: Weights, level: Level
) -> list[Figure]:
    figures = [
        figure(
            "agreement_with_others", result, criterion, annotator_id=int(result.annotator), family="person"
        )
        for result in agreement_with_others(ratings, bootstrap, weights=weights)
    ]
    for influence in leave_one_out(ratings, level=level):
        figures.append(
            Figure(
                family="person", name="influence_on_alpha", criterion=criterion,
                annotator_id=int(influence.annotator), value=influence.difference, n=influence.items,
                counted="shared items", reason=influence.reason or "",
                method=f"{level} α without this person, less α; a diagnostic without an interval",
            )
        )  # fmt: skip
    return figures


def figure(
    name: str,
    result: Estimate,
    criterion: str,
    *,
    family: str = "agreement",
    method: str = METHOD,
    **words: Any,
) -> Figure:
    return Figure(
        family=family, name=name, criterion=criterion, value=result.value, low=result.low, high=result.high,
        reason=result.reason or "", n=result.items, counted="shared items", method=method,
        confidence=result.confidence, **words,
    )  # fmt: skip
