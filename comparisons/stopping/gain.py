"""What one more judgment of an item is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TOLERANCE = 1e-6


def expected_gains(posterior: npt.ArrayLike, confusion: npt.ArrayLike) -> FloatArray:
    """How much surer one more judgment makes us of each item's most probable class, on average; shape (I,), in [0, 1].

    `posterior` has shape (I, K), what is believed of each item now; `confusion` has shape (K, K), row k: how somebody
    of the project answers an item of class k (the mean of the annotators' matrices of a Dawid–Skene fit).

    The knowledge gradient of P. Frazier, W. Powell and S. Dayanik (SIAM J. Control and Optimization 47 (2008)
    2410–2439, eq. 3.2) for the probability of choosing the right class: Σⱼ maxₖ πₖ·Cₖⱼ − maxₖ πₖ. It is 0 for an item
    whose class no single answer could change. Raises ValueError for rows that are no distributions.
    """
    beliefs, answers = np.asarray(posterior, dtype=np.float64), np.asarray(confusion, dtype=np.float64)
    if beliefs.ndim != 2 or answers.shape != (beliefs.shape[1],) * 2:
        raise ValueError(
            f"posterior needs shape (I, K) and confusion (K, K), got {beliefs.shape}, {answers.shape}"
        )
    for rows in (beliefs, answers):
        if len(rows) and (rows.min() < 0 or not np.allclose(rows.sum(axis=1), 1, atol=TOLERANCE)):
            raise ValueError("every row must be a distribution: 0 or more, with sum 1")
    after = (beliefs[:, :, np.newaxis] * answers[np.newaxis]).max(axis=1).sum(axis=1)
    return np.asarray(np.maximum(after - beliefs.max(axis=1), 0.0))
