"""Suppression, shares over people and juries as pure functions, held to sources and to what is simulated."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom

from comparisons.strata.cells import MIN_CELL, STEP, counted, shown_cells
from comparisons.strata.juries import Seating, verdicts
from comparisons.strata.shares import group_share
from comparisons.strata_page import apportioned


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ([10, 10], (0, 1)),
        ([9, 30], ()),  # the other is the total less the small one
        ([9, 10, 30], (2,)),
        ([6, 6, 30, 20], (2, 3)),  # twelve are hidden together
        ([0, 10, 10], (1, 2)),
        ([0, 30], ()),  # everybody is in it
        ([30], ()),
        ([1, 1, 1], ()),
        ([], ()),
        ([11, 3, 14, 12], (2, 3)),
    ],
)
def test_which_groups_are_shown(sizes: list[int], shown: tuple[int, ...]) -> None:
    assert shown_cells(sizes) == shown


def test_nothing_small_is_ever_left_over() -> None:
    """Every partition of three groups of up to 25 people."""
    for sizes in itertools.product(range(26), repeat=3):
        shown = shown_cells(sizes)
        hidden = [size for at, size in enumerate(sizes) if at not in shown]
        assert all(sizes[at] >= MIN_CELL for at in shown)
        if shown:
            assert sum(hidden) == 0 or sum(hidden) >= MIN_CELL
            assert len(shown) > 1 or sum(size > 0 for size in hidden) > 1


def test_people_count_in_whole_groups() -> None:
    assert [counted(size) for size in (10, 14, 15, 19)] == [10, 10, 15, 15]
    assert MIN_CELL % STEP == 0


def test_the_interval_of_a_group_is_students() -> None:
    """Ten shares with mean 0.55 and standard deviation √(0.825/9): t(9) at 97.5 % is 2.262157."""
    own = np.arange(1, 11) / 10
    found = group_share(own, [])
    reach = 2.262157 * math.sqrt(0.825 / 9 / 10)
    assert found.value == pytest.approx(0.55)
    assert (found.low, found.high) == (
        pytest.approx(0.55 - reach, abs=1e-6),
        pytest.approx(0.55 + reach, abs=1e-6),
    )
    assert (found.rest, found.p) == (None, None)


def test_the_difference_is_welchs() -> None:
    """Welch's own statistic and degrees of freedom, written out."""
    own, rest = np.array([0.1, 0.4, 0.3, 0.2]), np.array([0.9, 0.5, 0.8, 0.6, 0.7, 1.0])
    found = group_share(own, rest)
    parts = [own.var(ddof=1) / len(own), rest.var(ddof=1) / len(rest)]
    statistic = (own.mean() - rest.mean()) / math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 5)
    # 2 · P(T > |t|), integrated numerically.
    x = np.linspace(abs(statistic), abs(statistic) + 400, 2_000_001)
    density = (1 + x**2 / freedom) ** (-(freedom + 1) / 2)
    constant = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))
    assert found.p == pytest.approx(2 * constant * np.trapezoid(density, x), rel=1e-4)
    assert found.rest == pytest.approx(0.75)


def test_where_nobody_differs_from_anybody_there_is_no_p() -> None:
    assert group_share([0.5] * 10, [0.5] * 10).p is None
    assert group_share([0.5] * 10, [0.5] * 9, min_rest=10).rest is None


@pytest.mark.parametrize("shares", [[0.5], [], [0.5, 1.1], [0.5, math.nan]])
def test_what_are_no_shares_is_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="share"):
        group_share(shares, [])


def test_the_intervals_hold_the_truth_where_people_differ() -> None:
    """1,500 groups of 10 to 40 people whose own leanings are drawn around 0.6 and who judge 5 to 60 items each.

    Judgments counted as if each were drawn for itself are beside it: too narrow, since people differ.
    """
    rng = np.random.default_rng(11)
    held = held_by_judgments = 0
    for _ in range(1500):
        people = int(rng.integers(10, 41))
        leanings = rng.beta(3, 2, size=people)
        given = rng.integers(5, 61, size=people)
        hits = rng.binomial(given, leanings)
        found = group_share(hits / given, [])
        held += found.low <= 0.6 <= found.high
        share = hits.sum() / given.sum()
        held_by_judgments += abs(share - 0.6) <= 1.96 * math.sqrt(share * (1 - share) / given.sum())
    assert 0.93 <= held / 1500 <= 0.97
    assert held_by_judgments / 1500 < 0.6


def test_a_jury_of_one_group_is_binomial() -> None:
    found = verdicts([Seating(12, 0.4, 0.0, 0.6)])
    assert found.second == pytest.approx(float(binom.sf(6, 12, 0.6)))
    assert found.same == pytest.approx(float(binom.pmf(6, 12, 0.6)))
    assert found.first + found.same + found.second == pytest.approx(1)
    assert found.median == "second" and found.against("first") == found.second


def test_juries_of_several_groups_are_as_drawn_ones() -> None:
    """200,000 juries drawn seat by seat."""
    seatings = [Seating(5, 0.7, 0.1, 0.2), Seating(4, 0.2, 0.2, 0.6), Seating(0, 1.0, 0.0, 0.0)]
    rng = np.random.default_rng(3)
    drawn = sum(
        rng.multinomial(one.seats, [one.first, one.same, one.second], size=200_000) for one in seatings
    )
    lead = drawn[:, 2] - drawn[:, 0]
    found = verdicts(seatings)
    assert found.first == pytest.approx((lead < 0).mean(), abs=0.005)
    assert found.same == pytest.approx((lead == 0).mean(), abs=0.005)


def test_seats_for_a_minority_turn_a_verdict() -> None:
    majority, minority = (0.7, 0.0, 0.3), (0.1, 0.0, 0.9)
    assert verdicts([Seating(10, *majority), Seating(2, *minority)]).median == "first"
    assert verdicts([Seating(6, *majority), Seating(6, *minority)]).median == "second"


@pytest.mark.parametrize(
    "seatings",
    [[], [Seating(0, 1, 0, 0)], [Seating(100, 1, 0, 0)], [Seating(3, 0.5, 0, 0)], [Seating(3, 1.2, -0.2, 0)]],
)
def test_what_is_no_jury_is_refused(seatings: list[Seating]) -> None:
    with pytest.raises(ValueError, match=r"jury|shares"):
        verdicts(seatings)


@pytest.mark.parametrize(
    ("weights", "seats"), [([1, 1], [6, 6]), ([1, 1, 1, 1, 1], [3, 3, 2, 2, 2]), ([10, 30], [3, 9])]
)
def test_seats_in_proportion_add_up(weights: list[int], seats: list[int]) -> None:
    assert apportioned(weights, 12) == seats
