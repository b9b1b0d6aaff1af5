"""Rows that are left out so that length alone says nothing about which completion was chosen.

People prefer longer answers, and a reward model learns it before it learns anything else (P. Singhal, T. Goyal, J. Xu,
G. Durrett, *A Long Way to Go: Investigating Length Correlations in RLHF*, 2023). Within each side of the split and each
class of how much the lengths differ, as many rows stay with the longer completion chosen as with the shorter.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from math import log2

import numpy as np
import numpy.typing as npt

from exporters.content import completions_of
from exporters.formats import Messages
from exporters.selection import SelectedRow

RATIOS = (0.25, 0.5, 1.0, 2.0)
"""Bounds of the classes: |log2| of the ratio of the lengths."""
ROWS_AT_ONCE = 5_000


def kept_for_balance(rows: Iterable[SelectedRow]) -> list[bool]:
    """For each row in turn, whether it stays. Ties and rows of equal length always do."""
    splits: dict[str, int] = {}
    groups, is_longer, draws = array("q"), array("b"), array("Q")
    for row, difference in differences(rows):
        split = splits.setdefault(row.split, len(splits))
        is_exempt = row.is_tie or difference == 0
        size = int(np.digitize(abs(difference), RATIOS))
        groups.append(-1 if is_exempt else split * (len(RATIOS) + 1) + size)
        is_longer.append(difference > 0)
        # By the row's name: whether it stays changes little from release to release.
        draws.append(int.from_bytes(hashlib.sha256(row.id.encode()).digest()[:8]))
    stay = kept(np.asarray(groups), np.asarray(is_longer, dtype=bool), np.asarray(draws))
    return [bool(row) for row in stay]


def kept(
    groups: npt.NDArray[np.int64], is_longer: npt.NDArray[np.bool_], draws: npt.NDArray[np.uint64]
) -> npt.NDArray[np.bool_]:
    """Shape (R,): in each group but −1, all rows of the rarer way and as many of the other, lowest draws first."""
    stay: npt.NDArray[np.bool_] = groups == -1
    for group in np.unique(groups[~stay]):
        ways = [np.flatnonzero((groups == group) & (is_longer == way)) for way in (False, True)]
        size = min(map(len, ways))
        for way in ways:
            stay[way[np.argsort(draws[way], kind="stable")[:size]]] = True
    return stay


def differences(rows: Iterable[SelectedRow]) -> Iterator[tuple[SelectedRow, float]]:
    """Each row with log2 of (characters of the chosen / characters of the rejected completion), each plus 1."""
    reader = iter(rows)
    while chunk := list(islice(reader, ROWS_AT_ONCE)):
        texts = completions_of(set(chain.from_iterable((row.chosen, row.rejected) for row in chunk)))
        lengths = {pk: characters(messages) for pk, (_, messages) in texts.items()}
        for row in chunk:
            yield row, log2((1 + lengths[row.chosen]) / (1 + lengths[row.rejected]))


def characters(messages: Messages) -> int:
    return sum(len(message["content"]) for message in messages)
