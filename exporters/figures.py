"""What the card tells of the judgments behind a release: how far they agree and where they lean, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annotation.ids import among
from annotation.models import Judgment
from comparisons.selectors import CriterionRatings, criterion_ratings
from comparisons.studies.figures import Figure
from exporters.facts import Agreement, Figures, Leaning

ITEMS_MAX = 2_000
"""Figures are taken from so many items, drawn by the seed: more would narrow their intervals below what matters."""
DECIMALS = 3
"""Figures are rounded, so that the order in which a processor adds does not show in the bytes of a release."""


def figures_of(judgments: Sequence[int], items: Sequence[int], seed: int) -> Figures:
    """From the ids of judgments and of their items. Items whose pairs gave no row belong to them: without ties and
    disputes everybody would agree."""
    # scipy takes a second to load: a count before the cut does without.
    from comparisons.studies.data import choices_of
    from comparisons.studies.leanings import leanings

    ids, owners = np.asarray(judgments, dtype=np.int64), np.asarray(items, dtype=np.int64)
    drawn = judged = np.unique(owners)
    if len(judged) > ITEMS_MAX:
        drawn = np.random.default_rng(seed).choice(judged, ITEMS_MAX, replace=False)
        ids = ids[np.isin(owners, drawn)]
    # By their ids: which of them count was worked out chunk by chunk. Asked of so many items at once, that query takes
    # the time of all judgments squared.
    some = Judgment.objects.filter(among("pk", np.sort(ids).tolist()))
    choices = choices_of(some)
    return Figures(
        items=len(drawn),
        of=len(judged),
        agreement=tuple(agreement_on(rated, seed) for rated in criterion_ratings(some)),
        leanings=tuple(map(leaning, leanings(choices, seed=seed) if len(choices) else [])),
    )


def agreement_on(rated: CriterionRatings, seed: int) -> Agreement:
    from comparisons.agreement import krippendorff_alpha, tabulate_ratings

    table = tabulate_ratings(rated.units, rated.annotators, rated.values, items=rated.items)
    found = krippendorff_alpha(table, level="ordinal", seed=seed)
    return Agreement(
        criterion=rated.criterion,
        kind=rated.kind,
        value=rounded(found.value),
        low=rounded(found.low),
        high=rounded(found.high),
        raw=rounded(found.raw_agreement),
        items=found.items,
        judgments=found.judgments,
        reason=found.reason or "",
    )


def leaning(figure: Figure) -> Leaning:
    return Leaning(
        trait=figure.name,
        value=rounded(figure.value),
        low=rounded(figure.low),
        high=rounded(figure.high),
        items=figure.n,
        reason=figure.reason,
    )


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
