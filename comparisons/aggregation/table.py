"""Judgments as index arrays: the one input of every method that looks for the answer of each item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class JudgmentTable:
    """R judgments of I items by A annotators, each naming one of K classes.

    ``items``, ``annotators`` and ``values`` have shape (R,) and hold indices from 0 to I−1, A−1 and K−1. An
    index may be unused: an item that nobody judged, a person without judgments, a class that nobody named.
    Made by `tabulate_judgments`, which checks all this.
    """

    items: IntArray
    annotators: IntArray
    values: IntArray
    item_count: int
    annotator_count: int
    class_count: int

    def __len__(self) -> int:
        return len(self.items)

    @property
    def counts(self) -> IntArray:
        """How often each class was named for each item, shape (I, K)."""
        cells = self.items * self.class_count + self.values
        counted = np.bincount(cells, minlength=self.item_count * self.class_count)
        return counted.reshape(self.item_count, self.class_count).astype(np.int64)

    @property
    def incidence(self) -> Any:
        """Sparse, shape (A·K, I): how often annotator a gave value v to the item, in row a·K + v."""
        cells = self.annotators * self.class_count + self.values
        shape = (self.annotator_count * self.class_count, self.item_count)
        return sparse.csr_array((np.ones(len(self)), (cells, self.items)), shape=shape)

    @property
    def people_per_item(self) -> IntArray:
        """How many different annotators judged each item, shape (I,)."""
        # Sorted, not `np.unique`, which hashes: of so many different numbers that takes ten times as long.
        pairs = np.sort(self.items * self.annotator_count + self.annotators)
        seen = pairs[np.diff(pairs, prepend=-1) != 0]
        return np.bincount(seen // max(self.annotator_count, 1), minlength=self.item_count).astype(np.int64)

    def take(self, chosen: npt.NDArray[Any]) -> JudgmentTable:
        """The chosen judgments (a mask of shape (R,) or positions), with the same I, A and K."""
        return JudgmentTable(
            self.items[chosen], self.annotators[chosen], self.values[chosen],
            self.item_count, self.annotator_count, self.class_count,
        )  # fmt: skip


def tabulate_judgments(
    items: npt.ArrayLike,
    annotators: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    item_count: int | None = None,
    annotator_count: int | None = None,
    class_count: int | None = None,
    allow_repeats: bool = False,
) -> JudgmentTable:
    """A table from three index arrays of shape (R,); R may be 0.

    The counts default to the highest index + 1. ``allow_repeats`` lets one person judge an item more than
    once, each time counted as a judgment of its own (as in Dawid and Skene's example).

    Raises ValueError if the lengths differ, an index is not whole, below 0 or not below its count, or if
    somebody judged an item twice and that is not allowed.
    """
    columns = [_indices(a, n) for a, n in ((items, "items"), (annotators, "annotators"), (values, "values"))]
    if len({len(column) for column in columns}) != 1:
        raise ValueError("items, annotators and values need one entry for each judgment")
    counts = []
    named = zip(
        columns, (item_count, annotator_count, class_count), ("item", "annotator", "class"), strict=True
    )
    for column, given, name in named:
        least = int(column.max()) + 1 if len(column) else 0
        if given is not None and given < least:
            raise ValueError(f"{name} index {least - 1} is not below {name}_count {given}")
        counts.append(least if given is None else given)
    table = JudgmentTable(columns[0], columns[1], columns[2], counts[0], counts[1], counts[2])
    if not allow_repeats and int(table.people_per_item.sum()) != len(table):
        raise ValueError("somebody judged the same item twice: pass current judgments only")
    return table


def find_obstacle(table: JudgmentTable) -> str | None:
    """Why error rates cannot be estimated from this table at all, as a sentence; None if they can."""
    if not len(table):
        return "There are no judgments."
    if table.class_count < 2:
        return "There is only one class to choose from, so there is nothing to decide."
    if len(np.unique(table.annotators)) < 2:
        return "All judgments are one person's, so errors cannot be told from answers."
    if not bool((table.people_per_item >= 2).any()):
        return "No item was judged by two people, so errors cannot be told from answers."
    if len(np.unique(table.values)) < 2:
        return f"All {len(table)} judgments name the same class, so nothing can be learnt about errors."
    return None


def find_cautions(table: JudgmentTable) -> tuple[str, ...]:
    """Sentences on the parts of a table that the rest cannot speak about."""
    sentences = []
    in_shared = table.people_per_item[table.items] >= 2
    alone = len(np.unique(table.annotators)) - len(np.unique(table.annotators[in_shared]))
    if alone:
        sentences.append(
            f"{alone} of the annotators share no item with anybody: nothing is known of their errors."
        )
    unjudged = int((table.people_per_item == 0).sum())
    if unjudged:
        sentences.append(f"{unjudged} of the items have no judgments: their shares are the prior.")
    return tuple(sentences)


def normalise_logs(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distributions from unnormalised finite logarithms, shape (I, K), and log of what they summed to, (I,).

    Column by column, since K is small and I large; SciPy's logsumexp takes several times as long here.
    """
    highest = logs[:, 0].copy()
    for column in logs.T[1:]:
        np.maximum(highest, column, out=highest)
    shares = np.exp(logs - highest[:, np.newaxis])
    total = shares[:, 0].copy()
    for column in shares.T[1:]:
        total += column
    shares /= total[:, np.newaxis]
    return shares, np.log(total) + highest


def _indices(given: npt.ArrayLike, name: str) -> IntArray:
    array = np.asarray(given)
    if array.ndim != 1:
        raise ValueError(f"{name} needs shape (judgments,), got {array.shape}")
    if not len(array):
        return np.zeros(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole indices, not {array.dtype}")
    if int(array.min()) < 0:
        raise ValueError(f"{name} holds an index below 0")
    return array.astype(np.int64)
