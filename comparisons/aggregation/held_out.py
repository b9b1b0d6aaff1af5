"""Which method predicts a judgment that it has not seen: one judgment of each item held out.

Methods are compared on the same judgments, item by item, with Efron's percentile bootstrap of the paired
differences over items (B. Efron, Annals of Statistics 7, 1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from comparisons.aggregation.dawid_skene import DawidSkeneResult
from comparisons.aggregation.mace import MaceResult
from comparisons.aggregation.table import FloatArray, JudgmentTable

N_RESAMPLES = 2000
# Cells of one block of resampling indices (32 MB).
BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class PairedDifference:
    """Mean of (left − right) over ``items`` with its percentile interval; all None if ``reason`` says why."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    reason: str | None
    confidence: float
    n_resamples: int
    seed: int


def hold_out(table: JudgmentTable, *, seed: int) -> tuple[JudgmentTable, JudgmentTable]:
    """The table without, and with only, one judgment of each item that has two or more, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(table))
    _, first = np.unique(table.items[order], return_index=True)
    drawn = order[first]
    drawn = np.sort(drawn[table.counts.sum(axis=1)[table.items[drawn]] >= 2])
    kept = np.ones(len(table), dtype=bool)
    kept[drawn] = False
    return table.take(kept), table.take(drawn)


def predict_mace(result: MaceResult, held: JudgmentTable) -> FloatArray:
    """Probability of each class as the answer of each held-out judgment's person, shape (R, K).

    Raises ValueError if the result holds a reason instead of a fit.
    """
    if result.posterior is None or result.competence is None or result.strategy is None:
        raise ValueError(f"nothing was fitted: {result.reason}")
    knows = result.competence[held.annotators, np.newaxis]
    return knows * result.posterior[held.items] + (1 - knows) * result.strategy[held.annotators]


def predict_dawid_skene(result: DawidSkeneResult, held: JudgmentTable) -> FloatArray:
    """As `predict_mace`, from the posterior and the person's error rates."""
    if result.posterior is None or result.confusion is None:
        raise ValueError(f"nothing was fitted: {result.reason}")
    given = result.posterior[held.items][:, np.newaxis] @ result.confusion[held.annotators]
    return np.asarray(given[:, 0])


def log_scores(predicted: FloatArray, values: npt.NDArray[np.int64]) -> FloatArray:
    """Logarithm of the probability given to what was answered, shape (R,); nats, higher is better.

    Raises ValueError if an answer was given no probability at all.
    """
    given = predicted[np.arange(len(values)), values]
    if bool((given <= 0).any()):
        raise ValueError("an answer that was given had predicted probability 0")
    return np.asarray(np.log(given))


def hits(predicted: FloatArray, values: npt.NDArray[np.int64]) -> FloatArray:
    """1 where the most probable class was answered, 1/k where it was one of k equally probable; shape (R,)."""
    top = predicted >= predicted.max(axis=1, keepdims=True) - 1e-12
    return np.asarray(top[np.arange(len(values)), values] / top.sum(axis=1))


def paired_difference(
    left: FloatArray,
    right: FloatArray,
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    confidence: float = 0.95,
) -> PairedDifference:
    """Bootstrap of the mean difference of two scores of the same items, arrays of shape (I,).

    Raises ValueError if the lengths differ. ``reason`` speaks below two items.
    """
    if left.shape != right.shape or left.ndim != 1:
        raise ValueError("paired scores need one entry for each item on both sides")
    differences = left - right
    n = len(differences)
    if n < 2:
        reason = f"Needs 2 items, has {n}."
        return PairedDifference(None, None, None, n, reason, confidence, n_resamples, seed)
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // n)
    means = [
        differences[rng.integers(n, size=(min(block, n_resamples - start), n))].mean(axis=1)
        for start in range(0, n_resamples, block)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return PairedDifference(
        float(differences.mean()), float(low), float(high), n, None, confidence, n_resamples, seed
    )
