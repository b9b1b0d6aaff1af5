"""Ratings as a table of counts: the one input of every agreement coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RatingTable:
    """How often each value was given to each unit.

    ``counts`` has shape (N, V): N units, V distinct values; ``domain`` has shape (V,), sorted, and holds the
    values themselves. ``items`` has shape (N,) and numbers the item that a unit belongs to, from 0: for a
    pairwise judgment the unit is the item, for a rating the unit is one completion of an item. The bootstrap
    draws whole items, since the completions of one item are not independent.
    ``annotators`` is the number of different people in the units that at least two people rated, or None
    where the table was made from counts and nobody knows.
    """

    counts: IntArray
    domain: npt.NDArray[Any]
    items: IntArray
    annotators: int | None

    @classmethod
    def from_counts(cls, counts: npt.ArrayLike, domain: npt.ArrayLike | None = None) -> RatingTable:
        """A table from a matrix of counts, shape (N, V); each unit is an item of its own.

        Raises ValueError for a matrix that is not two-dimensional, not whole or negative, and for a domain
        that is not sorted or not of length V.
        """
        matrix = np.asarray(counts)
        if matrix.ndim != 2:
            raise ValueError(f"counts needs shape (units, values), got {matrix.shape}")
        if matrix.size and not (np.issubdtype(matrix.dtype, np.integer) and matrix.min() >= 0):
            raise ValueError("counts must be whole numbers of 0 or more")
        values = np.arange(matrix.shape[1]) if domain is None else np.asarray(domain)
        if values.shape != (matrix.shape[1],) or not bool(np.all(values[:-1] < values[1:])):
            raise ValueError("domain must be sorted, without repeats, one value for each column of counts")
        return cls(matrix.astype(np.int64), values, np.arange(len(matrix), dtype=np.int64), None)

    @property
    def shared(self) -> npt.NDArray[np.bool_]:
        """Shape (N,): the units that at least two people rated; only these say anything about agreement."""
        return np.asarray(self.counts.sum(axis=1) >= 2)


def tabulate_ratings(
    units: npt.ArrayLike,
    annotators: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    items: npt.ArrayLike | None = None,
) -> RatingTable:
    """A table from tidy ratings: four arrays of shape (R,), one entry for each rating.

    ``units``, ``annotators`` and ``items`` are any labels (numbers or text); ``items`` names the item of each
    rating's unit and defaults to the unit itself. ``values`` are numbers, or text for nominal data.

    Raises ValueError if the lengths differ, a value is missing (NaN), a person rated a unit twice, or one
    unit is said to belong to two items.
    """
    unit_labels, people, answers = np.asarray(units), np.asarray(annotators), np.asarray(values)
    item_labels = unit_labels if items is None else np.asarray(items)
    if not unit_labels.shape == people.shape == answers.shape == item_labels.shape or unit_labels.ndim != 1:
        raise ValueError("units, annotators, values and items need one entry for each rating")
    if answers.dtype.kind not in "iufbUS":
        raise ValueError(f"values must be numbers or text, not {answers.dtype}")
    if answers.dtype.kind == "f" and bool(np.isnan(answers).any()):
        raise ValueError("a rating without a value is left out, not given as NaN")

    _, first_of_unit, unit_index = np.unique(unit_labels, return_index=True, return_inverse=True)
    _, person_index = np.unique(people, return_inverse=True)
    domain, value_index = np.unique(answers, return_inverse=True)
    _, item_index = np.unique(item_labels, return_inverse=True)
    if len(np.unique(np.stack([unit_index, person_index]), axis=1).T) != len(unit_labels):
        raise ValueError("somebody rated the same unit twice: pass current judgments only")
    item_of_unit = item_index[first_of_unit]
    if bool((item_of_unit[unit_index] != item_index).any()):
        raise ValueError("one unit belongs to two items")

    counts = np.zeros((len(first_of_unit), len(domain)), dtype=np.int64)
    np.add.at(counts, (unit_index, value_index), 1)
    in_shared_unit = counts.sum(axis=1)[unit_index] >= 2
    return RatingTable(counts, domain, item_of_unit, len(np.unique(person_index[in_shared_unit])))
