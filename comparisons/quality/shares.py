"""A share with its interval: gold accuracy, repeats answered alike, answers that came too fast."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import scipy  # loads `stats` when it is first used: web processes do without

MIN_N = 10
"""With fewer trials the interval spans more than half of [0, 1] and says nothing that is worth a number."""


@dataclass(frozen=True)
class Share:
    """`value`, `low` and `high` in [0, 1] and no `reason`; or all three None and the sentence that says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None
    confidence: float
    method: str = "wilson"


def wilson_share(
    hits: int, n: int, *, what: str = "answers", confidence: float = 0.95, min_n: int = MIN_N
) -> Share:
    """`hits` of `n` independent trials with Wilson's score interval.

    E. B. Wilson, JASA 22 (1927) 209–212; recommended for all n by Brown, Cai and DasGupta, Statistical Science 16
    (2001) 101–133. `what` names the trials in the sentence that stands in for a number below `min_n` of them.
    Raises ValueError unless 0 ≤ hits ≤ n and 0 < confidence < 1.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n} trials")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    if n < max(min_n, 1):
        return Share(None, None, None, n, f"Needs {max(min_n, 1)} {what}, has {n}.", confidence)
    z = float(scipy.stats.norm.ppf((1 + confidence) / 2))
    share = hits / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Rounding can leave 0 or 1 by a hair where all trials went one way.
    low, high = max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)
    return Share(share, min(low, share), max(high, share), n, None, confidence)
