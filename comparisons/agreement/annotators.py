"""Each annotator beside the others: agreement with the rest, accuracy, and what α would be without the person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from comparisons.agreement.resampling import (
    Bootstrap,
    FloatArray,
    IntArray,
    Interval,
    percentile_interval,
    resample_sums,
    sums_by_item,
)
from comparisons.agreement.results import Estimate, Weights
from comparisons.agreement.table import IndexedRatings, rows_by_group
from comparisons.agreement.weights import agreement_weights

KNOWN = "items with a known answer"


@dataclass(frozen=True, kw_only=True)
class AnnotatorResult(Estimate):
    """A share in [0, 1] for one annotator; ``judgments`` are the person's own that were compared."""

    annotator: Any


def agreement_with_others(
    ratings: IndexedRatings, bootstrap: Bootstrap, *, weights: Weights = "identity"
) -> list[AnnotatorResult]:
    """Of each annotator, in the order of the labels: how far the others on the same unit gave the same value.

    A rating counts as the mean of its weights of agreement with all other ratings of its unit; the result is the
    mean over the person's ratings on shared units, each with its interval over items. Somebody without shared
    units has a result with a reason. Raises ValueError for text with weights other than identity.
    """
    weighting = agreement_weights(ratings.domain, weights)
    table = ratings.table()
    shared = np.flatnonzero(ratings.is_shared)
    units, values = ratings.units[shared], ratings.values[shared]
    agreeing = np.empty(len(shared))
    for start in range(0, len(shared), 4096):
        some = slice(start, start + 4096)
        agreeing[some] = np.einsum("rv,rv->r", table.counts[units[some]], weighting[values[some]]) - 1
    shares = agreeing / (ratings.unit_sizes[units] - 1)
    return list(
        _shares_by_person(
            "agreement_with_others", ratings.person_labels, ratings.people[shared],
            ratings.items[units], shares, bootstrap, "shared items",
        )
    )  # fmt: skip


def annotator_accuracy(
    annotators: npt.ArrayLike, is_right: npt.ArrayLike, items: npt.ArrayLike, bootstrap: Bootstrap
) -> list[AnnotatorResult]:
    """The share of right answers of each annotator, in the order of the labels.

    Three arrays of shape (R,), one entry for each answer that can be told right or wrong. One answer for each item
    is a plain share and takes Wilson's interval; more answers on one item are not independent and are drawn whole.
    """
    people, right, about = np.asarray(annotators), np.asarray(is_right), np.asarray(items)
    if not people.shape == right.shape == about.shape or people.ndim != 1:
        raise ValueError("annotators, is_right and items need one entry for each answer")
    if right.dtype.kind != "b":
        raise ValueError("is_right holds True or False")
    labels, index = np.unique(people, return_inverse=True)
    return list(
        _shares_by_person("accuracy", labels, index, about, right.astype(np.float64), bootstrap, KNOWN)
    )


def accuracy(is_right: npt.ArrayLike, items: npt.ArrayLike, bootstrap: Bootstrap) -> Estimate:
    """The share of right answers of all people together; ``is_right`` and ``items`` as in `annotator_accuracy`."""
    right, about = np.asarray(is_right), np.asarray(items)
    if right.shape != about.shape or right.ndim != 1:
        raise ValueError("is_right and items need one entry for each answer")
    if right.dtype.kind != "b":
        raise ValueError("is_right holds True or False")
    interval, n_items = _share(right.astype(np.float64), about, bootstrap, KNOWN)
    return Estimate(
        coefficient="accuracy", items=n_items, judgments=len(right), annotators=None,
        **asdict(interval), **asdict(bootstrap),
    )  # fmt: skip


def wilson_interval(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share of n independent trials (E. B. Wilson, 1927). Raises ValueError for n = 0."""
    if n < 1:
        raise ValueError("an interval of a share needs at least one trial")
    z = float(ndtri((1 + confidence) / 2))
    centre = share + z**2 / (2 * n)
    reach = z * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    # The ends are exact where the share is; rounding must not push them past it.
    low, high = (centre - reach) / (1 + z**2 / n), (centre + reach) / (1 + z**2 / n)
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def _shares_by_person(
    name: str,
    labels: npt.NDArray[Any],
    people: IntArray,
    items: npt.NDArray[Any],
    shares: FloatArray,
    bootstrap: Bootstrap,
    what: str,
) -> Iterator[AnnotatorResult]:
    for label, rows in zip(labels.tolist(), rows_by_group(people, len(labels)), strict=True):
        interval, n_items = _share(shares[rows], items[rows], bootstrap, what)
        yield AnnotatorResult(
            coefficient=name, annotator=label, items=n_items, judgments=len(rows), annotators=1,
            **asdict(interval), **asdict(bootstrap),
        )  # fmt: skip


def _share(
    shares: FloatArray, items: npt.NDArray[Any], bootstrap: Bootstrap, what: str
) -> tuple[Interval, int]:
    """The mean of shares and the number of items.

    Wilson's interval over items for plain trials and where all shares are 0 or all are 1, for then a bootstrap
    knows no doubt; a bootstrap over items for anything else.
    """
    n_items = len(np.unique(items))
    reason = bootstrap.lacking(n_items, what)
    if reason is not None:
        return Interval.missing(reason), n_items
    mean = float(shares.mean())
    is_plain = n_items == len(shares) and bool(np.isin(shares, (0.0, 1.0)).all())
    if is_plain or mean in (0.0, 1.0):
        return Interval(mean, *wilson_interval(mean, n_items, bootstrap.confidence), None), n_items
    parts = sums_by_item(np.column_stack([shares, np.ones(len(shares))]), items)
    value, estimates = resample_sums(parts, bootstrap, lambda sums: sums[:, 0] / sums[:, 1])
    return percentile_interval(value, estimates, bootstrap), n_items
