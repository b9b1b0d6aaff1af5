"""A table of counts, shrunk to its distinct rows: what the coefficients that need no people work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from comparisons.agreement.resampling import (
    FloatArray,
    IntArray,
    ItemPatterns,
    equal_rows,
    item_patterns,
)

# Up to this many values the dense product is faster than the sparse one.
DENSE_VALUES = 16


@dataclass(frozen=True)
class CountPatterns:
    """Units with equal counts are one pattern.

    ``counts`` has shape (P, V), dense or CSR, float. ``units`` is CSR of shape (I, P): how many units of each
    pattern an item has; None if each row is an item of its own.
    """

    counts: Any
    units: Any | None

    @classmethod
    def of_counts(cls, counts: npt.NDArray[np.int64], items: IntArray) -> CountPatterns:
        """``counts`` has shape (N, V), ``items`` shape (N,): the item of each unit, gaps allowed."""
        _, item_index = np.unique(items, return_inverse=True)
        single = len(items) == 0 or int(item_index.max()) + 1 == len(items)
        rows = (
            counts.astype(np.float64)
            if counts.shape[1] <= DENSE_VALUES
            else sparse.csr_array(counts, dtype=np.float64)
        )
        found = equal_rows(rows)
        if found is None and single:
            return cls(rows, None)
        firsts, pattern = found if found is not None else (np.arange(len(items)), np.arange(len(items)))
        shape = (int(item_index.max(initial=-1)) + 1, len(firsts))
        units = sparse.csr_array((np.ones(len(items)), (item_index, pattern)), shape=shape)
        return cls(rows[firsts], units)

    @property
    def sizes(self) -> FloatArray:
        """Shape (P,): the ratings in a unit of each pattern."""
        return np.asarray(self.counts.sum(axis=1)).ravel()

    def by_item_pattern(self) -> tuple[CountPatterns, ItemPatterns]:
        """The same, with items that have equal units merged too, and how many items each stands for."""
        if self.units is None:
            items = self.counts.shape[0]
            return self, ItemPatterns(np.arange(items), np.ones(items, dtype=np.int64))
        patterns = item_patterns(self.units)
        return replace(self, units=self.units[patterns.rows]), patterns

    def unit_weights(self, weights: FloatArray) -> FloatArray:
        """From weights of items, shape (B, I), to weights of unit patterns, shape (B, P)."""
        return weights if self.units is None else np.asarray(weights @ self.units)
