"""Which groups of people may be shown, so that no figure tells what one of them said of themselves.

Cell suppression as statistical offices do it (A. Hundepool et al., Statistical Disclosure Control, Wiley 2012, ch. 4):
a minimum for each cell, and more cells hidden where what is left over would give a small one away. What each rule
stops, and what none stops, is in docs/decisions/0020-strata.md.
"""

from __future__ import annotations

from collections.abc import Sequence

MIN_CELL = 10
"""So many people at least. Offices use 3 to 10; here a figure that is about few people helps nobody either."""
STEP = 5
"""People of a cell are counted in whole groups of so many, so that nobody who joins is the difference of two runs."""


def shown_cells(sizes: Sequence[int], *, minimum: int = MIN_CELL) -> tuple[int, ...]:
    """Positions of the groups that may be shown together, in order; `sizes` counts the people of each.

    Hidden people are none or at least `minimum`: of fewer, the figure follows from the total and the groups beside
    them. So with one small group the smallest of the others is hidden as well. A group that everybody is in is not
    shown: it would say of each person that they are in it.
    """
    shown = sorted((at for at, size in enumerate(sizes) if size >= minimum), key=lambda at: -sizes[at])
    while shown and 0 < _hidden(sizes, shown) < minimum:
        shown.pop()
    if len(shown) < 2 and not _hidden(sizes, shown):
        return ()
    return tuple(sorted(shown))


def _hidden(sizes: Sequence[int], shown: Sequence[int]) -> int:
    return sum(sizes) - sum(sizes[at] for at in shown)


def counted(size: int) -> int:
    """How many of `size` people count: whole groups of STEP."""
    return size - size % STEP
