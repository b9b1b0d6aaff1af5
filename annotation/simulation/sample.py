"""Judgments of simulated annotators as arrays, for tests of statistics: no instance, no database, no texts.

The people are the ones who work over HTTP (`SimulatedAnnotator`); only the items are made up.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.simulation.annotator import SimulatedAnnotator
from annotation.simulation.answers import Screen, signed_preference
from annotation.simulation.truth import OVERALL, ItemTruth

KEYS = ("first", "second")


@dataclass(frozen=True)
class SampledJudgments:
    """J pairwise judgments of N items, annotator by annotator and each in the order of their work.

    All but `truth` have shape (J,).
    """

    item: NDArray[np.int64]
    """In 0…N − 1."""
    annotator: NDArray[np.int64]
    """Position in the people that were given."""
    number: NDArray[np.int64]
    """How many judgments this annotator had made before."""
    preference: NDArray[np.int64]
    """In −strongest…strongest; negative: the first completion is better, wherever it stood."""
    first_shown: NDArray[np.int64]
    """0 or 1: the completion that stood first on the screen."""
    active_seconds: NDArray[np.float64]
    truth: NDArray[np.float64]
    """Shape (N,): what is right, as a share of the scale in [−1, 1]; negative: the first is better."""
    strongest: int
    seed: int


def sample_judgments(
    people: Sequence[SimulatedAnnotator],
    items: int,
    *,
    seed: int,
    overlap: int | None = None,
    strongest: int = 3,
    ties: bool = True,
    truth: NDArray[np.float64] | None = None,
    lengths: NDArray[np.int64] | None = None,
) -> SampledJudgments:
    """Let `overlap` of `people` (default: all) judge each of `items` pairs, each in an order of their own.

    `truth` has shape (items,), default uniform in [−1, 1]; `lengths` has shape (items, 2), characters of the
    two completions, default 400 each. Everything is drawn from `seed` and the people's own seeds.
    Raises ValueError for shapes and numbers that do not fit.
    """
    overlap = len(people) if overlap is None else overlap
    if not 1 <= overlap <= len(people):
        raise ValueError(f"an overlap of {overlap} needs as many people; there are {len(people)}")
    rng = np.random.default_rng(seed)
    given = rng.uniform(-1, 1, items) if truth is None else truth
    sizes = np.full((items, 2), 400) if lengths is None else lengths
    if given.shape != (items,) or sizes.shape != (items, 2):
        raise ValueError(f"{items} items have truth {given.shape} and lengths {sizes.shape}")
    # The `overlap` smallest of independent draws are a random choice of people for each item.
    chosen = np.argsort(rng.random((items, len(people))), axis=1)[:, :overlap]
    rows: list[tuple[int, int, int, int, int, float]] = []
    for index, person in enumerate(people):
        work = rng.permutation(np.nonzero((chosen == index).any(axis=1))[0])
        firsts = rng.integers(0, 2, len(work))
        for number, (item, first) in enumerate(zip(work.tolist(), firsts.tolist(), strict=True)):
            preference, seconds = _judge(
                person, item, number, first, float(given[item]), sizes[item].tolist(), strongest, ties
            )
            rows.append((item, index, number, preference, first, seconds))
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    item_column, annotator, numbers, preferences, first_shown = table[:, :5].astype(np.int64).T
    return SampledJudgments(
        item=item_column,
        annotator=annotator,
        number=numbers,
        preference=preferences,
        first_shown=first_shown,
        active_seconds=table[:, 5],
        truth=given,
        strongest=strongest,
        seed=seed,
    )


def _judge(
    person: SimulatedAnnotator,
    item: int,
    number: int,
    first: int,
    share: float,
    lengths: Sequence[int],
    strongest: int,
    ties: bool,
) -> tuple[int, float]:
    """(preference with the screen order undone, active seconds)."""
    order = (first, 1 - first)
    screen = Screen(f"item {item}", [KEYS[i] for i in order], [max(lengths[i], 1) for i in order])
    right = ItemTruth({OVERALL: {KEYS[0]: 0.5 - share / 2, KEYS[1]: 0.5 + share / 2}})
    manner: random.Random = person.manner(screen.key)
    left_quality, right_quality = person.perceived(screen, OVERALL, right, number)
    shown = signed_preference(left_quality, right_quality, strongest, ties, manner)
    return (-shown if first else shown), person.active_seconds(sum(lengths) // 6, manner)
