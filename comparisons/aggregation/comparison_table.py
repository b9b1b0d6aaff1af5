"""Comparisons of two models at a time: the input of Bradley–Terry and its relatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from comparisons.aggregation.table import FloatArray, IntArray

LEFT, TIE, RIGHT = -1, 0, 1


@dataclass(frozen=True)
class ComparisonTable:
    """R comparisons of M models.

    ``left`` and ``right``, shape (R,), are model indices; ``outcomes`` (R,) is −1 where the left one is
    better, 0 for a tie, 1 where the right one is. ``weights`` (R,) are positive. ``covariates`` has shape
    (R, C), right minus left: swapping the sides of a comparison changes its sign. ``names`` has M entries,
    for sentences; ``effects`` has C. Made by `tabulate_comparisons`, which checks all this.
    """

    left: IntArray
    right: IntArray
    outcomes: IntArray
    weights: FloatArray
    covariates: FloatArray
    names: tuple[str, ...]
    effects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.left)

    @property
    def design(self) -> Any:
        """Sparse, shape (R, M + C): log-odds of right against left are this times (strengths, effects)."""
        rows = np.arange(len(self))
        ones = np.ones(len(self))
        entries = (np.concatenate([ones, -ones]), (np.tile(rows, 2), np.concatenate([self.right, self.left])))
        models = sparse.csr_array(entries, shape=(len(self), len(self.names)))
        return sparse.hstack([models, sparse.csr_array(self.covariates)], format="csr")

    @property
    def beaten(self) -> tuple[IntArray, IntArray]:
        """Two arrays, who was beaten and by whom; a tie stands there both ways."""
        is_right, is_left = self.outcomes >= TIE, self.outcomes <= TIE
        return (
            np.concatenate([self.left[is_right], self.right[is_left]]),
            np.concatenate([self.right[is_right], self.left[is_left]]),
        )


def tabulate_comparisons(
    left: npt.ArrayLike,
    right: npt.ArrayLike,
    outcomes: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    covariates: Mapping[str, npt.ArrayLike] | None = None,
    names: Sequence[str] | None = None,
) -> ComparisonTable:
    """A table from three arrays of shape (R,); R may be 0.

    ``covariates`` maps the name of an effect to values of shape (R,), right minus left: 1 where the right
    completion was shown first and −1 where the left one was, the difference in length, and so on. ``names``
    names the models and sets M; without it M is the highest index + 1.

    Raises ValueError for differing lengths, an index that is not whole or out of range, a model compared
    with itself, an outcome outside −1, 0, 1, a weight that is not positive and a covariate that is not finite.
    """
    sides = [np.asarray(column) for column in (left, right, outcomes)]
    if any(column.ndim != 1 or len(column) != len(sides[0]) for column in sides):
        raise ValueError("left, right and outcomes need one entry for each comparison")
    if len(sides[0]) and any(column.dtype.kind not in "iu" for column in sides):
        raise ValueError("models and outcomes must be whole numbers")
    first, second, results = (column.astype(np.int64) for column in sides)
    least = int(max(first.max(), second.max())) + 1 if len(first) else 0
    given = tuple(names) if names is not None else tuple(f"model {m}" for m in range(least))
    if len(first) and (int(min(first.min(), second.min())) < 0 or least > len(given)):
        raise ValueError(f"a model index is below 0 or not below {len(given)}")
    if bool((first == second).any()):
        raise ValueError("a model was compared with itself")
    if not bool(np.isin(results, (LEFT, TIE, RIGHT)).all()):
        raise ValueError("outcomes must be −1 (left better), 0 (tie) or 1 (right better)")
    counted = np.ones(len(first)) if weights is None else np.asarray(weights, dtype=np.float64)
    if counted.shape != first.shape or not bool(np.all((counted > 0) & np.isfinite(counted))):
        raise ValueError("weights need one positive number for each comparison")
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in (covariates or {}).items()}
    for name, column in columns.items():
        if column.shape != first.shape or not bool(np.isfinite(column).all()):
            raise ValueError(f"covariate {name!r} needs one finite number for each comparison")
    stacked = np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(first), 0))
    return ComparisonTable(first, second, results, counted, stacked, given, tuple(columns))


def find_gap(beaten: tuple[IntArray, IntArray], names: Sequence[str]) -> str | None:
    """Why the strengths have no finite maximum, as a sentence; None if the graph is strongly connected.

    L. R. Ford, *Solution of a Ranking Problem from Binary Comparisons*, American Mathematical Monthly 64
    (1957): however the models are split in two, some model of each part must have beaten one of the other.
    ``beaten`` holds who was beaten and by whom.
    """
    size, (losers, winners) = len(names), beaten
    graph = sparse.csr_array((np.ones(len(losers)), (losers, winners)), shape=(size, size))
    parts, part = sparse.csgraph.connected_components(graph, directed=True, connection="weak")
    if parts > 1:
        groups = [_listed(names, part == p) for p in range(parts)]
        return f"No comparison links {' | '.join(groups[:4])}: they cannot be put on one scale."
    strong, group = sparse.csgraph.connected_components(graph, directed=True, connection="strong")
    if strong == 1:
        return None
    across = group[losers] != group[winners]
    has_lost, has_won = (np.isin(np.arange(strong), group[side[across]]) for side in (losers, winners))
    best, worst = _listed(names, ~has_lost[group]), _listed(names, ~has_won[group])
    return (
        f"Against the others {best} never lost or {worst} never won, so those strengths have no finite "
        "estimate; more comparisons or a ridge would give one."
    )


def _listed(names: Sequence[str], chosen: npt.NDArray[np.bool_], most: int = 5) -> str:
    found = [name for name, is_in in zip(names, chosen, strict=True) if is_in]
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
