"""Does somebody's accuracy fall? A CUSUM over gold answers in the order in which they were given.

E. S. Page, *Continuous inspection schemes*, Biometrika 41 (1954) 100–115, with the log-likelihood ratio of two
accuracies as the score of an answer (the Bernoulli CUSUM of M. R. Reynolds and Z. G. Stoumbos, Journal of Quality
Technology 31 (1999) 87–108): C_t = max(0, C_{t−1} + log P(answer | poor) / P(answer | well)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

WELL, POOR = 0.9, 0.75
ANSWERS_BETWEEN_FALSE_ALARMS = 500.0


@dataclass(frozen=True)
class Drift:
    """`path` has shape (t,): C_t ≥ 0 after each answer, up to the alarm or to the last of them.

    `threshold` is where the alarm is. `alarm` is the index of the first answer at or above it, None without one.
    `since` is the index of the answer with which the sum that led there began, the usual estimate of when things
    changed.
    """

    path: npt.NDArray[np.float64]
    threshold: float
    alarm: int | None
    since: int | None
    well: float
    poor: float


def watch_accuracy(
    is_right: Sequence[bool],
    *,
    well: float = WELL,
    poor: float = POOR,
    answers_between_false_alarms: float = ANSWERS_BETWEEN_FALSE_ALARMS,
) -> Drift:
    """The CUSUM of answers that were right or wrong, oldest first.

    Somebody whose accuracy is `well` or better raises a false alarm once in `answers_between_false_alarms` answers or
    more seldom: the mean time to one is at least exp(threshold) (G. Lorden, Annals of Mathematical Statistics 42
    (1971) 1897–1908, eq. 6). Raises ValueError unless 0 < poor < well < 1 and the mean is above 1.
    """
    if not 0 < poor < well < 1:
        raise ValueError(f"needs 0 < poor < well < 1, got poor={poor}, well={well}")
    if answers_between_false_alarms <= 1:
        raise ValueError("the mean number of answers between false alarms must be above 1")
    threshold = log(answers_between_false_alarms)
    score = {True: log(poor / well), False: log((1 - poor) / (1 - well))}
    path = np.zeros(len(is_right))
    total, began = 0.0, 0
    for index, right in enumerate(is_right):
        if total == 0.0:
            began = index
        total = max(0.0, total + score[bool(right)])
        path[index] = total
        if total >= threshold:
            return Drift(path[: index + 1], threshold, index, began, well, poor)
    return Drift(path, threshold, None, None, well, poor)
