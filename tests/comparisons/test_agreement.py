"""α and its bootstrap: equal to the package, honest about what it cannot tell."""

from dataclasses import FrozenInstanceError

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from comparisons.agreement import Level, RatingTable, krippendorff_alpha, tabulate_ratings
from comparisons.agreement.krippendorff import PACKAGE_CELLS, _alphas, _contributions

LEVELS: list[Level] = ["nominal", "ordinal", "interval", "ratio"]


def random_table(seed: int, items: int, values: int, people: int) -> RatingTable:
    """Ratings around a true value per item, with gaps: some items have one rating or none."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(values, size=(items, 1))
    ratings = np.clip(truth + rng.integers(-1, 2, size=(items, people)), 0, values - 1)
    units, annotators = np.nonzero(rng.random((items, people)) < 0.7)
    return tabulate_ratings(units, annotators, ratings[units, annotators])


@pytest.mark.parametrize("level", LEVELS)
@given(
    counts=arrays(np.int64, st.tuples(st.integers(2, 12), st.integers(2, 6)), elements=st.integers(0, 4)),
    domain_start=st.integers(-3, 3),
)
def test_bootstrap_arithmetic_equals_the_package(level: Level, counts: np.ndarray, domain_start: int) -> None:
    counts = counts[counts.sum(axis=1) >= 2]
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2:
        return
    # Ratio data have a zero point, so they are not negative.
    domain = np.arange(counts.shape[1]) + (abs(domain_start) if level == "ratio" else domain_start)
    parts = _contributions(counts, domain, np.arange(len(counts)))
    ours = _alphas(parts, np.ones((1, len(counts))), level)[0]
    theirs = krippendorff.alpha(value_counts=counts, value_domain=domain, level_of_measurement=level)
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_each_resample_equals_the_package_on_the_drawn_items(level: Level) -> None:
    table = random_table(1, items=40, values=7, people=3)
    counts = table.counts[table.shared]
    parts = _contributions(counts, table.domain, np.arange(len(counts)))
    drawn = np.random.default_rng(2).integers(len(counts), size=(20, len(counts)))
    weights = np.stack([np.bincount(row, minlength=len(counts)) for row in drawn]).astype(float)
    for estimate, rows in zip(_alphas(parts, weights, level), drawn, strict=True):
        expected = krippendorff.alpha(
            value_counts=counts[rows], value_domain=table.domain, level_of_measurement=level
        )
        assert estimate == pytest.approx(expected, abs=1e-12)


def test_result_carries_its_parameters_and_is_deterministic() -> None:
    table = random_table(3, items=60, values=5, people=4)
    first = krippendorff_alpha(table, level="ordinal", seed=11, n_resamples=300)
    assert first == krippendorff_alpha(table, level="ordinal", seed=11, n_resamples=300)
    other = krippendorff_alpha(table, level="ordinal", seed=12, n_resamples=300)
    assert (other.low, other.high) != (first.low, first.high)
    assert (first.level, first.seed, first.n_resamples, first.confidence) == ("ordinal", 11, 300, 0.95)
    assert first.low is not None and first.high is not None and first.value is not None
    assert first.low < first.value < first.high
    with pytest.raises(FrozenInstanceError):
        first.value = 1.0  # type: ignore[misc]


def test_single_ratings_do_not_count() -> None:
    table = tabulate_ratings([0, 0, 1, 1, 2], ["a", "b", "a", "b", "c"], [1, 1, 2, 3, 9])
    result = krippendorff_alpha(table, level="nominal", seed=0, min_items=2)
    assert (result.items, result.judgments, result.annotators) == (2, 4, 2)


def test_completions_of_an_item_are_drawn_together() -> None:
    """Twenty copies of each unit in one item tell no more than one copy: the interval must not shrink."""
    table = random_table(5, items=60, values=4, people=3)
    copies = RatingTable(np.repeat(table.counts, 20, 0), table.domain, np.repeat(table.items, 20), 3)
    one = krippendorff_alpha(table, level="interval", seed=4)
    many = krippendorff_alpha(copies, level="interval", seed=4)
    assert many.items == one.items
    assert many.value == pytest.approx(one.value, abs=0.01)
    assert one.low is not None and one.high is not None and many.low is not None and many.high is not None
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.05)
    apart = krippendorff_alpha(RatingTable.from_counts(copies.counts), level="interval", seed=4)
    assert apart.low is not None and apart.high is not None
    assert apart.high - apart.low < 0.4 * (one.high - one.low)


@pytest.mark.parametrize(("items", "has"), [(0, 0), (12, 12), (29, 29)])
def test_too_few_items_is_a_sentence(items: int, has: int) -> None:
    result = krippendorff_alpha(RatingTable.from_counts([[2, 1]] * items + [[1, 0]]), level="nominal", seed=0)
    assert result.reason == f"Needs 30 shared items, has {has}."
    assert (result.value, result.low, result.high) == (None, None, None)


def test_one_answer_only_is_undefined_and_says_so() -> None:
    result = krippendorff_alpha(RatingTable.from_counts([[3, 0]] * 40), level="ordinal", seed=0)
    assert result.reason == "All 120 answers are the same, so agreement beyond chance is undefined."
    assert (result.value, result.low, result.high, result.raw_agreement) == (None, None, None, 1.0)


def test_nearly_one_answer_gives_no_interval_and_so_no_number() -> None:
    result = krippendorff_alpha(RatingTable.from_counts([[3, 0]] * 40 + [[2, 1]]), level="nominal", seed=0)
    assert result.reason is not None and result.reason.startswith("Nearly all answers are the same")
    assert result.value is None
    assert result.raw_agreement == pytest.approx((40 + 1 / 3) / 41)


def test_interval_of_random_answers_holds_chance_about_95_times_in_100() -> None:
    holds = 0
    for seed in range(100):
        counts = np.random.default_rng(seed).multinomial(3, [0.6, 0.3, 0.1], size=150)
        result = krippendorff_alpha(
            RatingTable.from_counts(counts), level="ordinal", seed=seed, n_resamples=500
        )
        assert result.low is not None and result.high is not None
        holds += result.low <= 0 <= result.high
    assert 89 <= holds <= 99


def test_wide_scales_stay_in_memory_and_agree_with_the_package() -> None:
    """101 points × 2,500 units pass the limit for the package's own arrays."""
    counts = np.random.default_rng(9).multinomial(3, np.ones(101) / 101, size=2500)
    assert counts.size * 101 > PACKAGE_CELLS
    result = krippendorff_alpha(RatingTable.from_counts(counts), level="interval", seed=0, n_resamples=50)
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement="interval")
    assert result.value == pytest.approx(expected, abs=1e-12)


def test_bad_input_is_an_error_with_a_reason() -> None:
    with pytest.raises(ValueError, match="same unit twice"):
        tabulate_ratings([0, 0], ["a", "a"], [1, 2])
    with pytest.raises(ValueError, match="NaN"):
        tabulate_ratings([0, 0], ["a", "b"], [1.0, np.nan])
    with pytest.raises(ValueError, match="one entry for each rating"):
        tabulate_ratings([0, 0], ["a", "b"], [1])
    with pytest.raises(ValueError, match="two items"):
        tabulate_ratings([0, 0], ["a", "b"], [1, 2], items=[0, 1])
    with pytest.raises(ValueError, match="whole numbers"):
        RatingTable.from_counts([[1, -1]])
    with pytest.raises(ValueError, match="sorted"):
        RatingTable.from_counts([[1, 1]], domain=[2, 1])
    with pytest.raises(ValueError, match="text is nominal"):
        krippendorff_alpha(tabulate_ratings([0, 0], ["a", "b"], ["x", "y"]), level="ordinal", seed=0)
