"""Pairwise accuracy, its interval over prompts, and the figures that stand beside it."""

import numpy as np
import pytest

from rewards.evaluation import human_ceiling, longer_wins, pairwise_accuracy, shorter_wins
from rewards.pairs import PreferencePair


def test_ties_count_half() -> None:
    result = pairwise_accuracy([2.0, -1.0, 0.0, 0.5], np.arange(4), seed=0)
    assert result.value == 2.5 / 4
    assert (result.n_pairs, result.n_prompts) == (4, 4)


def test_interval_is_over_prompts_not_over_pairs() -> None:
    """A hundred pairs of four prompts, each prompt all right or all wrong, tell little more than four."""
    margins = np.repeat([1.0, -1.0, 1.0, 1.0], 25)
    by_prompt = pairwise_accuracy(margins, np.repeat(np.arange(4), 25), seed=0)
    by_pair = pairwise_accuracy(margins, np.arange(100), seed=0)
    assert by_prompt.value == by_pair.value == 0.75
    assert by_prompt.high - by_prompt.low > 2 * (by_pair.high - by_pair.low)
    assert (by_prompt.n_pairs, by_prompt.n_prompts) == (100, 4)


def test_interval_of_independent_pairs_is_the_binomial_one() -> None:
    margins = np.where(np.arange(400) < 260, 1, -1)
    result = pairwise_accuracy(margins, np.arange(400), seed=0)
    half_width = 1.96 * np.sqrt(0.65 * 0.35 / 400)
    assert result.low == pytest.approx(0.65 - half_width, abs=0.006)
    assert result.high == pytest.approx(0.65 + half_width, abs=0.006)


def test_a_perfect_score_on_few_prompts_is_not_certain() -> None:
    # Wilson's interval for 10 of 10: [0.722, 1].
    right = pairwise_accuracy(np.ones(20), np.repeat(np.arange(10), 2), seed=0)
    assert (right.value, right.high) == (1.0, pytest.approx(1.0))
    assert right.low == pytest.approx(0.7225, abs=1e-4)
    wrong = pairwise_accuracy(-np.ones(10), np.arange(10), seed=0)
    assert (wrong.low, wrong.high) == (pytest.approx(0.0), pytest.approx(1 - right.low))


def test_no_pairs_or_odd_margins_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        pairwise_accuracy([], np.array([], dtype=np.int64), seed=0)
    with pytest.raises(ValueError, match="finite"):
        pairwise_accuracy([np.nan], np.array([0]), seed=0)


def test_longer_and_shorter_are_mirrored_and_equal_length_is_half() -> None:
    pairs = [
        PreferencePair("a", "long one", "x"),
        PreferencePair("b", "y", "long"),
        PreferencePair("c", "ab", "cd"),
    ]
    pairs.append(PreferencePair("d", "longest", "z"))
    assert longer_wins(pairs, seed=0).value == 2.5 / 4
    assert shorter_wins(pairs, seed=0).value == 1.5 / 4


def test_ceiling_holds_each_person_out_in_turn() -> None:
    # 3 of 4 alike: the three see a majority of 2:1 with them, the fourth stands against 3.
    result = human_ceiling([[1, 2, 3, -1]], np.array([0]), seed=0)
    assert result is not None and result.value == 0.75


def test_ceiling_leaves_out_ties_and_single_votes() -> None:
    result = human_ceiling([[1, 0], [1], [1, -1, 1], [-1, -1]], np.array([0, 1, 2, 3]), seed=0)
    # Third pair: each 1 sees a tie between the others (left out), the −1 sees two against it.
    assert result is not None
    assert result.value == pytest.approx(2 / 3)
    assert (result.n_pairs, result.n_prompts) == (2, 2)
    assert human_ceiling([[1], [0, 0]], np.array([0, 1]), seed=0) is None
