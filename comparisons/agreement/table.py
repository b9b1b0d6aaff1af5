"""Ratings as arrays: the inputs of every agreement coefficient.

`IndexedRatings` knows who gave what; `RatingTable` only counts. A coefficient takes the less that it needs.
"""

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


@dataclass(frozen=True)
class IndexedRatings:
    """R ratings as indices, sorted by unit and then by person; at most one for each unit and person.

    ``units``, ``people`` and ``values`` have shape (R,) and point into ``items`` (shape (N,), the item of each
    unit, from 0), ``person_labels`` (shape (A,), sorted) and ``domain`` (shape (V,), sorted).
    """

    units: IntArray
    people: IntArray
    values: IntArray
    items: IntArray
    person_labels: npt.NDArray[Any]
    domain: npt.NDArray[Any]

    @property
    def unit_sizes(self) -> IntArray:
        """Shape (N,): the ratings of each unit."""
        return np.bincount(self.units, minlength=len(self.items))

    @property
    def is_shared(self) -> npt.NDArray[np.bool_]:
        """Shape (R,): ratings of units that at least two people rated."""
        return np.asarray(self.unit_sizes[self.units] >= 2)

    def table(self) -> RatingTable:
        """The same ratings without the people."""
        counts = np.zeros((len(self.items), len(self.domain)), dtype=np.int64)
        np.add.at(counts, (self.units, self.values), 1)
        return RatingTable(counts, self.domain, self.items, len(np.unique(self.people[self.is_shared])))

    def pairs(self) -> tuple[IntArray, IntArray]:
        """Every two ratings of one unit, as two arrays of positions; the person of the first sorts first."""
        return neighbours(self.units)


def neighbours(groups: IntArray) -> tuple[IntArray, IntArray]:
    """All pairs of positions with the same group, shape (pairs,) each; ``groups`` is sorted."""
    sizes = np.bincount(groups) if len(groups) else np.zeros(0, dtype=np.int64)
    first, second = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for step in range(1, int(sizes.max(initial=0))):
        left = np.flatnonzero(groups[:-step] == groups[step:])
        first.append(left)
        second.append(left + step)
    return np.concatenate(first), np.concatenate(second)


def rows_by_group(groups: IntArray, count: int) -> list[IntArray]:
    """The positions of each of the groups 0 … count − 1, in order; ``groups`` has shape (R,)."""
    ends = np.cumsum(np.bincount(groups, minlength=count))
    return np.split(np.argsort(groups, kind="stable"), ends)[:count]


def index_ratings(
    units: npt.ArrayLike,
    annotators: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    items: npt.ArrayLike | None = None,
    domain: npt.ArrayLike | None = None,
) -> IndexedRatings:
    """Tidy ratings as indices: four arrays of shape (R,), one entry for each rating.

    ``units``, ``annotators`` and ``items`` are any labels (numbers or text); ``items`` names the item of each
    rating's unit and defaults to the unit itself. ``values`` are numbers, or text for nominal data. ``domain``
    names all values of the scale, sorted; without it the values that occur are taken.

    Raises ValueError if the lengths differ, a value is missing (NaN) or outside the domain, a person rated a
    unit twice, or one unit is said to belong to two items.
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
    person_labels, person_index = np.unique(people, return_inverse=True)
    scale, value_index = _value_indices(answers, domain)
    _, item_index = np.unique(item_labels, return_inverse=True)
    order = np.argsort(unit_index * max(len(person_labels), 1) + person_index)
    ratings = IndexedRatings(
        unit_index[order], person_index[order], value_index[order],
        item_index[first_of_unit], person_labels, scale,
    )  # fmt: skip
    repeated = (np.diff(ratings.units) == 0) & (np.diff(ratings.people) == 0)
    if bool(repeated.any()):
        raise ValueError("somebody rated the same unit twice: pass current judgments only")
    if bool((ratings.items[unit_index] != item_index).any()):
        raise ValueError("one unit belongs to two items")
    return ratings


def _value_indices(
    answers: npt.NDArray[Any], domain: npt.ArrayLike | None
) -> tuple[npt.NDArray[Any], IntArray]:
    if domain is None:
        found, index = np.unique(answers, return_inverse=True)
        return found, index
    scale = np.asarray(domain)
    if scale.ndim != 1 or not bool(np.all(scale[:-1] < scale[1:])):
        raise ValueError("domain must be sorted, without repeats")
    if not bool(np.isin(answers, scale).all()):
        raise ValueError("a value lies outside the domain")
    return scale, np.searchsorted(scale, answers).astype(np.int64)


def tabulate_ratings(
    units: npt.ArrayLike,
    annotators: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    items: npt.ArrayLike | None = None,
    domain: npt.ArrayLike | None = None,
) -> RatingTable:
    """A table from tidy ratings; arguments and errors are those of `index_ratings`."""
    return index_ratings(units, annotators, values, items=items, domain=domain).table()
