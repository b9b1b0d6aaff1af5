"""What the card tells of the judgments behind a release: how far they agree and where they lean, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db.models import QuerySet

from annotation.ids import among
from annotation.models import Judgment
from comparisons.selectors import CriterionRatings, criterion_ratings
from comparisons.studies.figures import Figure
from exporters.facts import Agreement, Figures, Leaning

ITEMS_MAX = 20_000
"""Figures are taken from so many items, drawn by the seed: more would narrow their intervals below what matters."""
DECIMALS = 3
"""Figures are rounded, so that the order in which a processor adds does not show in the bytes of a release."""


def figures_of(judgments: QuerySet[Judgment], items: Sequence[int], seed: int) -> Figures:
    """From `judgments` about `items`. Those whose pairs gave no row belong to them: without ties and disputes everybody
    would agree."""
    # scipy takes a second to load: a count before the cut does without.
    from comparisons.studies.data import choices_of
    from comparisons.studies.leanings import leanings

    drawn = np.asarray(items, dtype=np.int64)
    if len(drawn) > ITEMS_MAX:
        drawn = np.sort(np.random.default_rng(seed).choice(drawn, ITEMS_MAX, replace=False))
    # By their ids: which of them may be released is worked out once, not again for each table of answers.
    ids = judgments.filter(among("item", drawn.tolist())).order_by().values_list("pk", flat=True)
    some = Judgment.objects.filter(among("pk", list(ids)))
    choices = choices_of(some)
    return Figures(
        items=len(drawn),
        of=len(items),
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
