"""How sure a posterior is of each item, and which items people disagree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from comparisons.aggregation.table import FloatArray, IntArray

CONTESTED_SHARE = 0.9


@dataclass(frozen=True)
class Certainty:
    """What a posterior of shape (I, K) says about each of I items.

    ``best`` is the most probable class and ``probability`` its posterior, in [1/K, 1]. ``entropy`` is in
    nats; ``entropy_share`` divides it by log K: 0 is certain, 1 is no idea. ``is_contested`` marks items
    whose best class is less probable than ``threshold``. ``is_tied`` marks items with two best classes that
    differ by less than 1e-9; ``best`` is then the lower index.
    """

    best: IntArray
    probability: FloatArray
    entropy: FloatArray
    entropy_share: FloatArray
    is_contested: npt.NDArray[np.bool_]
    is_tied: npt.NDArray[np.bool_]
    threshold: float

    def surest(self, share: float) -> npt.NDArray[np.bool_]:
        """Mask of the ``share`` of items with the lowest entropy; ties with the last one are in.

        As MACE's ``--threshold``: entropy not above the ⌊share·I⌋-th sorted value counted from 0. Raises
        ValueError for a share outside (0, 1].
        """
        if not 0 < share <= 1:
            raise ValueError("share must lie in (0, 1]")
        if not len(self.entropy):
            return np.zeros(0, dtype=bool)
        place = min(int(len(self.entropy) * share), len(self.entropy) - 1)
        return np.asarray(self.entropy <= np.sort(self.entropy)[place])


def measure_certainty(posterior: npt.ArrayLike, *, threshold: float = CONTESTED_SHARE) -> Certainty:
    """Entropy and contested items of a posterior with shape (I, K), K ≥ 2.

    Raises ValueError if the shape is another one, a row is not a distribution, or the threshold does not lie
    in (0, 1].
    """
    shares = np.asarray(posterior, dtype=np.float64)
    if shares.ndim != 2 or shares.shape[1] < 2:
        raise ValueError(f"a posterior needs shape (items, 2 or more classes), got {shares.shape}")
    if not 0 < threshold <= 1:
        raise ValueError("threshold must lie in (0, 1]")
    # Written so that NaN is refused as well.
    if not bool(np.all(shares >= 0)) or not bool(np.allclose(shares.sum(axis=1), 1, atol=1e-6)):
        raise ValueError("each row of a posterior must be a distribution")
    entropy = np.asarray(entr(shares).sum(axis=1))
    ordered = np.sort(shares, axis=1)
    return Certainty(
        best=shares.argmax(axis=1).astype(np.int64), probability=ordered[:, -1], entropy=entropy,
        entropy_share=np.asarray(entropy / np.log(shares.shape[1])),
        is_contested=ordered[:, -1] < threshold, is_tied=ordered[:, -1] - ordered[:, -2] < 1e-9,
        threshold=threshold,
    )  # fmt: skip
