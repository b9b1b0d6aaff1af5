"""Geometry of small charts. Pages draw them as SVG with attributes only: the policy allows no inline style."""

from __future__ import annotations

import math
from dataclasses import dataclass

MARGIN = 4.0


@dataclass(frozen=True)
class Axis:
    """A horizontal axis from `low` to `high`, drawn over `width` units of the view box."""

    low: float
    high: float
    width: float

    def x(self, value: float) -> float:
        """Where a value lies; beyond the axis it lies at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(MARGIN + share * (self.width - 2 * MARGIN), 1)


@dataclass(frozen=True)
class Interval:
    """A point with its interval, as x positions."""

    point: float
    low: float
    high: float


def interval_on(axis: Axis, value: float, low: float, high: float) -> Interval:
    return Interval(axis.x(value), axis.x(low), axis.x(high))


def floor_to(value: float, step: float) -> float:
    """The next multiple of `step` at or below `value`."""
    return round(math.floor(value / step + 1e-9) * step, 10)


def ceil_to(value: float, step: float) -> float:
    """The next multiple of `step` at or above `value`."""
    return round(math.ceil(value / step - 1e-9) * step, 10)
