"""The bootstrap that all coefficients share: items drawn with replacement, a matrix product for all resamples.

A coefficient that is a function of sums over items needs no second look at the data: the sums of a resample are
the row of "how often was each item drawn" times the items' parts. Items with equal parts need not be told
apart either: if m of I items are equal, the number of them in a resample is one cell of a multinomial draw with
probability m/I. That is exact, not an approximation, and makes a million judgments on seven points 84 cells.

The interval is Efron's percentile interval (Bootstrap Methods: Another Look at the Jackknife, 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# See docs/decisions/0002-agreement-and-bootstrap.md for the coverage that this minimum buys.
MIN_ITEMS = 30
N_RESAMPLES = 2000
# With more undefined resamples than this the percentiles would describe a selection of the data.
MAX_UNDEFINED_SHARE = 0.05
# Cells of one block of resampling weights (16 MB).
BLOCK_CELLS = 2_000_000
# A binomial draw costs about as much as drawing this many single items.
ITEMS_FOR_A_CELL = 16


@dataclass(frozen=True)
class Bootstrap:
    """How an interval is made. ``confidence`` lies in (0, 1); ``n_resamples`` and ``min_items`` are counts.

    Raises ValueError for a confidence outside (0, 1) or fewer than one resample.
    """

    seed: int
    n_resamples: int = N_RESAMPLES
    confidence: float = 0.95
    min_items: int = MIN_ITEMS

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence lies between 0 and 1, not at {self.confidence}")
        if self.n_resamples < 1:
            raise ValueError("an interval needs at least one resample")

    def lacking(self, items: int, what: str = "shared items") -> str | None:
        """The sentence for too few items, or None."""
        if items < self.min_items or items == 0:
            return f"Needs {max(self.min_items, 1)} {what}, has {items}."
        return None


@dataclass(frozen=True)
class Interval:
    """``value``, ``low`` and ``high``, or None for each and a sentence in ``reason``."""

    value: float | None
    low: float | None
    high: float | None
    reason: str | None

    @classmethod
    def missing(cls, reason: str) -> Interval:
        return cls(None, None, None, reason)


@dataclass(frozen=True)
class ItemPatterns:
    """``rows`` has shape (P,): one item of each pattern. ``sizes`` has shape (P,): its items; the sum is I."""

    rows: IntArray
    sizes: IntArray


def equal_rows(parts: Any) -> tuple[IntArray, IntArray] | None:
    """One row of each distinct row of a matrix (I, K), dense or CSR, and the pattern of every row.

    None where there are too many distinct rows for it to be of use.
    """
    keys = parts @ np.random.default_rng(0).random(parts.shape[1])
    _, rows, pattern = np.unique(keys, return_index=True, return_inverse=True)
    if len(rows) * ITEMS_FOR_A_CELL > len(keys):
        return None
    # Two different rows may share a key by chance; then nothing is merged.
    different = parts[rows][pattern] != parts
    if different.nnz if sparse.issparse(parts) else different.any():
        return None
    return rows, pattern


def item_patterns(parts: Any) -> ItemPatterns:
    """The patterns of I items by their parts, shape (I, K), dense or CSR; each item its own if few are equal."""
    found = equal_rows(parts)
    if found is None:
        return ItemPatterns(np.arange(parts.shape[0]), np.ones(parts.shape[0], dtype=np.int64))
    rows, pattern = found
    return ItemPatterns(rows, np.bincount(pattern))


def resample_weights(
    patterns: ItemPatterns, n_resamples: int, seed: int, *, width: int = 1
) -> Iterator[FloatArray]:
    """Blocks of shape (B, P): how often items of each pattern were drawn in each of B resamples.

    ``width`` is the number of columns that the caller makes of a row, so that a block of those stays small too.
    """
    rng = np.random.default_rng(seed)
    cells, items = len(patterns.rows), int(patterns.sizes.sum())
    block = max(1, BLOCK_CELLS // max(cells, width))
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        if cells < items:
            yield rng.multinomial(items, patterns.sizes / items, size=size).astype(np.float64)
            continue
        drawn = rng.integers(items, size=(size, items))
        drawn += np.arange(size)[:, np.newaxis] * items
        yield np.bincount(drawn.ravel(), minlength=size * items).reshape(size, items).astype(np.float64)


def resample_sums(
    parts: Any, bootstrap: Bootstrap, coefficient: Callable[[FloatArray], FloatArray]
) -> tuple[float, FloatArray]:
    """A coefficient of sums over items: its value on the data and on each resample, shape (n_resamples,).

    ``parts`` has shape (I, K), dense or CSR; ``coefficient`` takes sums of shape (B, K) and returns shape (B,),
    NaN where it is undefined.
    """
    patterns = item_patterns(parts)
    reduced = parts[patterns.rows]
    value = coefficient(patterns.sizes[np.newaxis].astype(np.float64) @ reduced)[0]
    drawn = resample_weights(patterns, bootstrap.n_resamples, bootstrap.seed, width=parts.shape[1])
    return float(value), np.concatenate([coefficient(weights @ reduced) for weights in drawn])


def percentile_interval(value: float, estimates: FloatArray, bootstrap: Bootstrap) -> Interval:
    """The interval around a value from its resamples, shape (n_resamples,); NaN is an undefined resample."""
    undefined_share = float(np.isnan(estimates).mean())
    if np.isnan(value):
        return Interval.missing("The answers do not differ, so agreement beyond chance is undefined.")
    if undefined_share > MAX_UNDEFINED_SHARE:
        return Interval.missing(
            "Nearly all answers are the same: agreement beyond chance is undefined in "
            f"{undefined_share:.0%} of the resamples, so no interval can be given."
        )
    tail = (1 - bootstrap.confidence) / 2
    low, high = map(float, np.nanquantile(estimates, [tail, 1 - tail]))
    return Interval(value, low, high, None)


def sums_by_item(columns: Any, items: IntArray) -> Any:
    """Rows of ``columns``, shape (R, K), added up by item: shape (I, K), in the order of the item numbers.

    Dense gives dense, CSR gives CSR. ``items`` has shape (R,); its numbers may have gaps.
    """
    found, index = np.unique(items, return_inverse=True)
    gather = sparse.csr_array(
        (np.ones(len(items)), (index, np.arange(len(items)))), shape=(len(found), len(items))
    )
    return gather @ columns
