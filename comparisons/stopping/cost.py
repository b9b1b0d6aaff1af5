"""How many more items, and what they cost, until an interval is as narrow as wanted."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Forecast:
    """`items` in all and `more` of them for an interval no wider than `width`; `cost` of those more, in the money of
    the price. All None with a `reason` where today's interval cannot carry a forecast."""

    width: float
    items: int | None
    more: int | None
    cost: float | None
    reason: str | None


def forecast_width(
    *, low: float | None, high: float | None, items: int, width: float, price_per_item: float = 0.0
) -> Forecast:
    """The items that an interval of `width` takes, from the interval [`low`, `high`] that `items` have given.

    A bootstrap interval over independent items narrows with the square root of their number (B. Efron and R. J.
    Tibshirani, *An Introduction to the Bootstrap*, 1993, ch. 6), so n′ = n · (width now / width wanted)², if items to
    come are like those of today. `price_per_item` is that of all judgments of one. Raises ValueError for a width or a
    price that is not positive (a price may be 0), and for fewer than 1 item.
    """
    if width <= 0 or price_per_item < 0 or items < 1:
        raise ValueError("needs a width above 0, a price of 0 or more and at least one item")
    if low is None or high is None:
        return Forecast(width, None, None, None, "There is no interval yet.")
    if high <= low:
        return Forecast(width, None, None, None, "The interval has no width: all items agree.")
    wanted = max(ceil(items * ((high - low) / width) ** 2 - 1e-9), items)
    more = wanted - items
    return Forecast(width, wanted, more, more * price_per_item, None)
