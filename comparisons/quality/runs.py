"""The same answer many times in a row: straight-lining, and how surprising it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

MIN_ANSWERS = 20
SMALL_CHAIN = 100
"""States up to which powers of the chain's matrix are quicker than step after step."""


@dataclass(frozen=True)
class LongestRun:
    """`length` of the longest run of one `answer` among `n`, and the `chance` in [0, 1] of one at least as long.

    `chance` is None with a `reason` where nothing can be said: too few answers, or only one kind of answer.
    """

    answer: Hashable
    length: int
    n: int
    chance: float | None
    reason: str | None


def longest_run(answers: Sequence[Hashable], *, min_answers: int = MIN_ANSWERS) -> LongestRun:
    """The longest run in `answers` (as shown on the screen, oldest first), and its chance if the order meant nothing:
    answers drawn one by one with the shares that this person gives them. Raises ValueError without answers."""
    if not answers:
        raise ValueError("no answers")
    runs = [(len(list(group)), answer) for answer, group in groupby(answers)]
    length, answer = max(runs, key=lambda run: run[0])
    n, counts = len(answers), Counter(answers)
    if n < min_answers:
        return LongestRun(answer, length, n, None, f"Needs {min_answers} answers, has {n}.")
    if len(counts) == 1:
        return LongestRun(answer, length, n, None, f"All {n} answers are the same.")
    shares = np.array([count / n for count in counts.values()])
    return LongestRun(answer, length, n, chance_of_run(shares, n, length), None)


def chance_of_run(shares: np.ndarray[tuple[int], np.dtype[np.float64]], n: int, length: int) -> float:
    """P(some run of `length` or more among `n` independent draws with `shares`), exactly.

    M. F. Schilling, *The longest run of heads*, College Mathematics Journal 21 (1990), for two sides; here as a chain
    over (last answer, length of its run), absorbed when a run is long enough.
    """
    if length <= 1:
        return 1.0
    if len(shares) * (length - 1) <= SMALL_CHAIN:
        return _chance_by_powers(shares, n, length)
    # state[k, r]: the last answer is k for the (r + 1)th time in a row, no run long enough so far
    state = np.zeros((len(shares), length - 1))
    state[:, 0] = shares
    for _ in range(n - 1):
        by_last = state.sum(axis=1)
        following = np.zeros_like(state)
        following[:, 1:] = state[:, :-1] * shares[:, np.newaxis]
        following[:, 0] = shares * (by_last.sum() - by_last)
        state = following
    return float(1.0 - state.sum())


def _chance_by_powers(shares: np.ndarray[tuple[int], np.dtype[np.float64]], n: int, length: int) -> float:
    """The same chain as the power of one matrix, which takes log n products."""
    kinds, runs = len(shares), length - 1
    step = np.zeros((kinds, runs, kinds, runs))
    for k, share in enumerate(shares):
        step[:k, :, k, 0] = step[k + 1 :, :, k, 0] = share
        step[k, np.arange(runs - 1), k, np.arange(1, runs)] = share
    start = np.zeros((kinds, runs))
    start[:, 0] = shares
    size = kinds * runs
    return float(1.0 - (start.ravel() @ np.linalg.matrix_power(step.reshape(size, size), n - 1)).sum())
