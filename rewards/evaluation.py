"""How often a reward model agrees with people, and what that figure is worth.

Pairwise accuracy: 1 for a test pair that the model ranks as people did, ½ for a tie, 0 otherwise. Pairs of
one prompt are not independent, so the interval is a percentile bootstrap over prompts (Efron 1979); where
all pairs are right, or all wrong, it is Wilson's score interval with n the number of prompts. Every
figure stands beside what needs no model: chance, always the longer completion, always the shorter one, and,
where several people judged, one person against the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from rewards.pairs import PreferencePair, prompt_groups

FloatArray = npt.NDArray[np.float64]

N_RESAMPLES = 2000
CHANCE = 0.5
BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class Accuracy:
    """A share in [0, 1] with its interval, n and the parameters of the bootstrap."""

    value: float
    low: float
    high: float
    n_pairs: int
    n_prompts: int
    confidence: float
    n_resamples: int
    seed: int


def pairwise_accuracy(
    margins: npt.ArrayLike,
    groups: npt.NDArray[np.int64],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    confidence: float = 0.95,
) -> Accuracy:
    """Share of pairs with a margin above 0; a margin of 0 counts half.

    ``margins`` and ``groups`` (the prompt of each pair) have shape (P,). Raises ValueError for no pairs and
    for margins that are not finite.
    """
    signs = np.sign(np.asarray(margins, np.float64))
    if not len(signs) or not np.isfinite(signs).all():
        raise ValueError("accuracy needs at least one pair, and finite margins")
    return _mean_over_prompts((signs + 1) / 2, groups, seed, n_resamples, confidence)


def longer_wins(pairs: Sequence[PreferencePair], *, seed: int, n_resamples: int = N_RESAMPLES) -> Accuracy:
    """How often the longer completion (in characters) was preferred; equal lengths count half."""
    margins = [len(pair.chosen) - len(pair.rejected) for pair in pairs]
    return pairwise_accuracy(margins, prompt_groups(pairs), seed=seed, n_resamples=n_resamples)


def shorter_wins(pairs: Sequence[PreferencePair], *, seed: int, n_resamples: int = N_RESAMPLES) -> Accuracy:
    """How often the shorter completion was preferred: 1 − ``longer_wins``."""
    margins = [len(pair.rejected) - len(pair.chosen) for pair in pairs]
    return pairwise_accuracy(margins, prompt_groups(pairs), seed=seed, n_resamples=n_resamples)


def human_ceiling(
    votes: Sequence[Sequence[int]],
    groups: npt.NDArray[np.int64],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
) -> Accuracy | None:
    """One annotator against the others: the accuracy that a person reaches on these pairs.

    ``votes[p]`` are the signed preferences of pair p, one a person, above 0 for one side, 0 for a tie;
    ``groups`` has shape (P,). Each person in turn is held out and compared with the sign of the sum of the
    others. As ties are no preference pairs, a comparison with a tie on either side is left out, and so is a
    pair with a single vote; None if nothing is left. ``n_pairs`` counts pairs with at least one comparison.

    Given only pairs that have a majority, the figure is a little flattered: the held-out vote helped to make
    that majority. Both conventions are printed in docs/decisions/0002-agreement-and-bootstrap.md.
    """
    agreed: list[float] = []
    prompts: list[int] = []
    n_pairs = 0
    for pair_votes, group in zip(votes, groups, strict=True):
        signs = np.sign(np.asarray(pair_votes, np.float64))
        products = signs * np.sign(signs.sum() - signs)
        compared = products[products != 0]
        agreed += ((compared + 1) / 2).tolist()
        prompts += [int(group)] * len(compared)
        n_pairs += len(compared) > 0
    if not n_pairs:
        return None
    ceiling = _mean_over_prompts(np.array(agreed), np.array(prompts), seed, n_resamples, 0.95)
    return replace(ceiling, n_pairs=n_pairs)


def _mean_over_prompts(
    correct: FloatArray, groups: npt.NDArray[np.int64], seed: int, n_resamples: int, confidence: float
) -> Accuracy:
    """Mean of ``correct`` with an interval; whole prompts are drawn, so a resample's n of pairs varies."""
    _, prompt = np.unique(groups, return_inverse=True)
    n_pairs = np.bincount(prompt).astype(np.float64)
    sums = np.bincount(prompt, weights=correct)
    n_prompts = len(n_pairs)
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // n_prompts)
    estimates = []
    for start in range(0, n_resamples, block):
        drawn = rng.integers(n_prompts, size=(min(block, n_resamples - start), n_prompts))
        estimates.append(sums[drawn].sum(axis=1) / n_pairs[drawn].sum(axis=1))
    tail = (1 - confidence) / 2
    low, high = map(float, np.quantile(np.concatenate(estimates), [tail, 1 - tail]))
    mean = float(correct.mean())
    if mean in (0.0, 1.0):
        # Every resample of a perfect score is perfect; that says nothing of how many prompts there were.
        low, high = _wilson(mean, n_prompts, confidence)
    return Accuracy(
        value=mean, low=low, high=high, n_pairs=len(correct),
        n_prompts=n_prompts, confidence=confidence, n_resamples=n_resamples, seed=seed,
    )  # fmt: skip


def _wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    """The score interval of a share of n (E. B. Wilson, JASA 22, 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)
