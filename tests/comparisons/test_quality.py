"""Gold accuracy, drift, pace and straight lines, held to published figures, exact counts and simulated people."""

from itertools import groupby, product

import numpy as np
import pytest

from comparisons.quality import is_too_fast, longest_run, watch_accuracy, wilson_share
from comparisons.quality.runs import chance_of_run


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3 (score, no correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_the_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    share = wilson_share(hits, n)
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)
    assert share.value == hits / n


def test_all_right_is_no_certainty() -> None:
    share = wilson_share(12, 12)
    assert share.value == share.high == 1.0
    assert share.low == pytest.approx(0.7575, abs=1e-4)


def test_too_few_gold_answers_give_a_sentence() -> None:
    share = wilson_share(3, 4, what="gold answers")
    assert (share.value, share.low, share.high) == (None, None, None)
    assert share.reason == "Needs 10 gold answers, has 4."
    with pytest.raises(ValueError, match="5 hits of 4"):
        wilson_share(5, 4)


# Drift


def test_the_sum_is_pages_recursion() -> None:
    """By hand with well 0.8 and poor 0.5: a wrong answer adds log 2.5, a right one log 0.625, never below 0."""
    drift = watch_accuracy([True, False, True, False, False, False], well=0.8, poor=0.5)
    wrong, right = np.log(2.5), np.log(0.625)
    path = [0.0, wrong, wrong + right, 2 * wrong + right, 3 * wrong + right, 4 * wrong + right]
    assert drift.path == pytest.approx(path)
    assert (drift.alarm, drift.threshold) == (None, pytest.approx(np.log(500)))


def test_a_fall_is_told_soon_and_dated() -> None:
    rng = np.random.default_rng(4)
    delays, dates = [], []
    for _ in range(200):
        answers = np.concatenate([rng.random(100) < 0.95, rng.random(200) < 0.6])
        drift = watch_accuracy(list(answers))
        assert drift.alarm is not None and drift.since is not None
        delays.append(drift.alarm - 100)
        dates.append(drift.since)
    assert np.median(delays) < 40
    assert abs(float(np.median(dates)) - 100) <= 5


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Lorden's bound: on average 500 answers or more of somebody who is right 9 times in 10."""
    rng = np.random.default_rng(11)
    most = 20_000

    def mean_wait(accuracy: float) -> float:
        alarms = [watch_accuracy(list(rng.random(most) < accuracy)).alarm for _ in range(60)]
        return float(np.mean([most if alarm is None else alarm + 1 for alarm in alarms]))

    assert mean_wait(0.9) > 500
    assert mean_wait(0.75) < 60


def test_accuracies_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="poor < well"):
        watch_accuracy([True], well=0.5, poor=0.8)


# Pace


def test_an_answer_before_anybody_could_have_read_is_too_fast() -> None:
    # 2,700 characters take 30 s at 90 a second.
    assert is_too_fast([29.9, 30.0, 0.0], [2700, 2700, 0]).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="missing"):
        is_too_fast([float("nan")], [10])


# Straight lines


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 7])
def test_the_chance_of_a_run_equals_counting_every_sequence(length: int) -> None:
    shares = np.array([0.5, 0.3, 0.2])
    chance = 0.0
    for sequence in product(range(3), repeat=6):
        if max(len(list(group)) for _, group in groupby(sequence)) >= length:
            chance += float(np.prod(shares[list(sequence)]))
    assert chance_of_run(shares, 6, length) == pytest.approx(chance)


def test_a_straight_line_surprises_and_a_lean_does_not() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.choice(["A", "B"], size=200).tolist()
    line = mixed[:100] + ["A"] * 40 + mixed[100:]
    found = longest_run(line)
    assert (found.answer, found.n) == ("A", 240) and found.length >= 40
    assert found.chance is not None and found.chance < 1e-6
    lean = longest_run(rng.choice(["A", "B"], p=[0.9, 0.1], size=200).tolist())
    assert lean.chance is not None and lean.chance > 0.05 and lean.length > 15


def test_what_cannot_be_said_is_a_sentence() -> None:
    assert longest_run(["A"] * 50).reason == "All 50 answers are the same."
    assert longest_run(["A", "B"]).reason == "Needs 20 answers, has 2."
    with pytest.raises(ValueError, match="no answers"):
        longest_run([])
