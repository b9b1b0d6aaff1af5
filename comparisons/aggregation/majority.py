"""Plurality: the class that most people named, with ties told apart and never broken in silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from comparisons.aggregation.table import FloatArray, IntArray, JudgmentTable

NO_CLASS = -1


@dataclass(frozen=True)
class PluralityResult:
    """The plurality of each of I items.

    ``winner`` has shape (I,): the class that alone was named most often, or −1 where there is none: a tie
    (``is_tied``) or no judgment at all (``judgments`` is 0). ``is_top``, shape (I, K), marks every class with
    the highest count. ``margin``, shape (I,), is the lead over the second in judgments; 0 for ties.
    """

    winner: IntArray
    is_tied: npt.NDArray[np.bool_]
    is_top: npt.NDArray[np.bool_]
    margin: IntArray
    judgments: IntArray
    reason: str | None

    def agreement_share(self, published: npt.ArrayLike) -> float:
        """Share in [0, 1] of items whose class in ``published``, shape (I,), is the plurality.

        A tie of k classes with the published one among them counts 1/k; entries of −1 are left out. Raises
        ValueError if the length differs or nothing is left.
        """
        labels = np.asarray(published)
        if labels.shape != self.winner.shape:
            raise ValueError(f"published needs shape {self.winner.shape}, got {labels.shape}")
        used = (labels >= 0) & (self.judgments > 0)
        if not used.any():
            raise ValueError("no item has both judgments and a published class")
        top = self.is_top[used]
        return float(np.mean(top[np.arange(len(top)), labels[used]] / top.sum(axis=1)))


def find_plurality(table: JudgmentTable) -> PluralityResult:
    """The most frequent class of each item. ``reason`` is a sentence if the table holds no judgments."""
    counts = table.counts
    judgments = counts.sum(axis=1)
    if not counts.size:
        is_top = np.zeros(counts.shape, dtype=bool)
        nothing = np.full(table.item_count, NO_CLASS, dtype=np.int64)
        return PluralityResult(
            nothing,
            np.zeros(table.item_count, dtype=bool),
            is_top,
            nothing * 0,
            judgments,
            "There are no judgments.",
        )
    highest = counts.max(axis=1)
    is_top = (counts == highest[:, np.newaxis]) & (judgments > 0)[:, np.newaxis]
    is_tied = is_top.sum(axis=1) > 1
    winner = np.where(is_top.sum(axis=1) == 1, counts.argmax(axis=1), NO_CLASS)
    ordered = np.sort(counts, axis=1)
    second = ordered[:, -2] if counts.shape[1] > 1 else np.zeros_like(highest)
    reason = None if len(table) else "There are no judgments."
    return PluralityResult(winner, is_tied, is_top, highest - second, judgments, reason)


def plurality_shares(table: JudgmentTable, smoothing: float) -> FloatArray:
    """Shares of the classes for each item, shape (I, K), with ``smoothing`` > 0 added to every count.

    Raises ValueError for a smoothing that is not positive: a share of 0 could never be scored.
    """
    if not smoothing > 0:
        raise ValueError("smoothing must be positive")
    counts = table.counts + smoothing
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float64)
