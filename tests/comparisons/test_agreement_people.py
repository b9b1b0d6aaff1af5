"""Each annotator beside the others, and the resampling device by itself."""

import krippendorff
import numpy as np
import pytest
from scipy import sparse
from scipy.stats import binomtest

from comparisons.agreement import (
    Bootstrap,
    IndexedRatings,
    Level,
    RatingTable,
    accuracy,
    agreement_with_others,
    annotator_accuracy,
    index_ratings,
    krippendorff_alpha,
    leave_one_out,
    wilson_interval,
)
from comparisons.agreement.patterns import CountPatterns
from comparisons.agreement.resampling import equal_rows, item_patterns, resample_weights

LEVELS: list[Level] = ["nominal", "ordinal", "interval", "ratio"]


def ratings_with_gaps(seed: int) -> tuple[np.ndarray, IndexedRatings]:
    """Five people on 80 items, NaN where they did not rate; the last one answers at random."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, size=(80, 1))
    rows = np.clip(truth + rng.integers(-1, 2, size=(80, 5)), 1, 5).astype(float)
    rows[:, 4] = rng.integers(1, 6, size=80)
    rows[rng.random(rows.shape) < 0.35] = np.nan
    units, people = np.nonzero(~np.isnan(rows))
    return rows, index_ratings(units, people, rows[units, people])


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_without_a_person_is_that_of_the_package(level: Level) -> None:
    rows, ratings = ratings_with_gaps(1)
    whole = krippendorff.alpha(reliability_data=rows.T, level_of_measurement=level)
    found = leave_one_out(ratings, level=level)
    for person, influence in enumerate(found):
        others = np.delete(rows, person, axis=1)
        expected = krippendorff.alpha(reliability_data=others.T, level_of_measurement=level)
        assert influence.alpha == pytest.approx(whole, abs=1e-12)
        assert influence.alpha_without == pytest.approx(expected, abs=1e-12)
        assert influence.difference == pytest.approx(expected - whole, abs=1e-12)
        assert influence.items_without == ((~np.isnan(others)).sum(axis=1) >= 2).sum()
        of_person = ~np.isnan(rows[:, person]) & ((~np.isnan(rows)).sum(axis=1) >= 2)
        assert influence.items == influence.judgments == of_person.sum()
    # Only without the one who answers at random do the others agree better.
    assert found[4].difference == max(one.difference for one in found if one.difference is not None) > 0.1


def test_influence_that_does_not_exist_is_a_sentence() -> None:
    rows = [(u, p, u % 2 if p < 2 else 0) for u in range(40) for p in range(2)]
    rows += [(u, 2, 0) for u in range(100, 140)] + [(u, p, 0) for u in range(200, 232) for p in (3, 4)]

    def reasons(kept: list[tuple[int, int, int]]) -> list[str | None]:
        ratings = index_ratings(*(np.array(column, dtype=int) for column in zip(*kept, strict=True)))
        results = leave_one_out(ratings, level="nominal")
        for one in results:
            numbers = (one.alpha, one.alpha_without, one.difference)
            assert numbers == (None,) * 3 if one.reason else None not in numbers
        return [one.reason for one in results]

    same = "Without this person all answers are the same, so agreement beyond chance is undefined."
    alone = "Shares no item with anybody, so α does not depend on this person."
    assert reasons(rows) == [same, same, alone, None, None]
    assert reasons(rows[:80])[0] == "Without this person 0 shared items remain, and 30 are needed."
    assert reasons(rows[:40])[0] == "Needs 30 shared items, has 20."
    assert reasons(rows[-64:]) == ["Without this person 0 shared items remain, and 30 are needed."] * 2
    three = [(u, p, 7) for u in range(40) for p in range(3)]
    assert reasons(three) == ["All answers are the same, so agreement beyond chance is undefined."] * 3


def test_several_units_of_an_item_are_one_item_for_influence() -> None:
    rng = np.random.default_rng(3)
    rows = [(u, p, int(rng.integers(4))) for u in range(120) for p in range(3) if p < 2 or u >= 80]
    units, people, values = (np.array(column) for column in zip(*rows, strict=True))
    found = leave_one_out(index_ratings(units, people, values, items=units // 3), level="ordinal")
    # Units 0–79 lose their pair without person 0; item 26 (units 78–80) keeps one unit.
    assert [one.items_without for one in found] == [14, 14, 40]
    assert [(one.items, one.judgments) for one in found] == [(40, 120), (40, 120), (14, 40)]


def test_agreement_with_others_is_the_share_of_the_others() -> None:
    rows, ratings = ratings_with_gaps(2)
    found = agreement_with_others(ratings, Bootstrap(0, 300))
    for person, result in enumerate(found):
        shares = []
        for row in rows:
            others = np.delete(row, person)
            others = others[~np.isnan(others)]
            if not np.isnan(row[person]) and len(others):
                shares.append(np.mean(others == row[person]))
        assert result.value == pytest.approx(np.mean(shares), abs=1e-12)
        assert (result.annotator, result.items, result.judgments) == (person, len(shares), len(shares))
        assert result.low is not None and result.high is not None
        # By the normal approximation, to a tenth of the width.
        reach = 1.96 * np.std(shares) / np.sqrt(len(shares))
        assert result.low == pytest.approx(np.mean(shares) - reach, abs=0.2 * reach)
        assert result.high == pytest.approx(np.mean(shares) + reach, abs=0.2 * reach)
    assert min(found, key=lambda one: one.value or 0).annotator == 4


def test_weighted_agreement_with_others() -> None:
    """Values 1, 2, 5: 2 is a quarter of the scale away from 1 and 5 is at its other end."""
    rows = [(u, p, (1, 2, 5)[p]) for u in range(40) for p in range(3)]
    ratings = index_ratings(*(np.array(column) for column in zip(*rows, strict=True)))
    found = agreement_with_others(ratings, Bootstrap(0, 50), weights="linear")
    assert [one.value for one in found] == pytest.approx([3 / 8, 1 / 2, 1 / 8])


@pytest.mark.parametrize(("right", "n"), [(0, 40), (3, 40), (190, 200), (40, 40)])
def test_wilson_is_that_of_scipy(right: int, n: int) -> None:
    expected = binomtest(right, n).proportion_ci(0.9, method="wilson")
    assert wilson_interval(right / n, n, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_accuracy_of_each_and_of_all() -> None:
    """One answer for each item takes Wilson's interval; several answers on an item are drawn together."""
    people = np.array(["bo"] * 40 + ["al"] * 50)
    items = np.concatenate([np.arange(40), np.arange(50) // 5 * 5 + 100])
    right = np.concatenate([np.arange(40) < 31, np.repeat(np.arange(10) < 7, 5)])
    al, bo = annotator_accuracy(people, right, items, Bootstrap(0, min_items=10))
    assert (al.annotator, al.value, al.items, al.judgments) == ("al", 0.7, 10, 50)
    assert (bo.annotator, bo.value, bo.items, bo.judgments) == ("bo", 31 / 40, 40, 40)
    expected = binomtest(31, 40).proportion_ci(method="wilson")
    assert (bo.low, bo.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    # Ten items and not fifty answers: the quantiles of a binomial of 10.
    assert (al.low, al.high) == (0.4, 1.0)
    everybody = accuracy(right, items, Bootstrap(0))
    assert (everybody.value, everybody.items, everybody.judgments) == (66 / 90, 50, 90)
    with pytest.raises(ValueError, match="True or False"):
        accuracy(np.ones(3), np.arange(3), Bootstrap(0))
    with pytest.raises(ValueError, match="one entry"):
        annotator_accuracy([1], [True, False], [1, 2], Bootstrap(0))


def test_items_with_equal_parts_are_drawn_as_one_multinomial() -> None:
    parts = np.repeat([[1.0, 0, 2], [0, 1, 2], [1, 0, 3]], [600, 300, 100], axis=0)
    parts = parts[np.random.default_rng(1).permutation(1000)]
    for matrix in (parts, sparse.csr_array(parts)):
        patterns = item_patterns(matrix)
        found = {
            tuple(row): size for row, size in zip(parts[patterns.rows].tolist(), patterns.sizes, strict=True)
        }
        assert found == {(1, 0, 2): 600, (0, 1, 2): 300, (1, 0, 3): 100}
        drawn = np.concatenate(list(resample_weights(patterns, 20_000, seed=2)))
        assert (drawn.sum(axis=1) == 1000).all()
        order = np.argsort(patterns.sizes)
        assert drawn.mean(axis=0)[order] == pytest.approx([100, 300, 600], rel=0.01)
        # n p (1 − p), and −n p q between two patterns.
        assert np.cov(drawn.T)[order][:, order] == pytest.approx(
            np.array([[90, -30, -60], [-30, 210, -180], [-60, -180, 240]]), rel=0.06
        )


def test_different_items_stay_apart_and_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = np.random.default_rng(3).random((500, 3))
    assert equal_rows(parts) is None
    patterns = item_patterns(parts)
    drawn = np.concatenate(list(resample_weights(patterns, 3000, seed=4)))
    assert (drawn.sum(axis=1) == 500).all()
    assert drawn.var(axis=0).mean() == pytest.approx(1 - 1 / 500, rel=0.02)
    monkeypatch.setattr("comparisons.agreement.resampling.BLOCK_CELLS", 7 * 500)
    assert (np.concatenate(list(resample_weights(patterns, 3000, seed=4))) == drawn).all()


def test_items_with_the_same_units_in_another_order_are_one_pattern() -> None:
    one, two = [2, 0, 1], [0, 3, 0]
    counts = np.array([one, two, two, one, one, one] * 40)
    items = np.arange(240) // 2
    merged, patterns = CountPatterns.of_counts(counts, items).by_item_pattern()
    assert merged.counts.shape == (2, 3)
    assert sorted(patterns.sizes) == [40, 80]
    # Labels of items need not follow their rows.
    shuffled = np.random.default_rng(5).permutation(240)
    table = RatingTable(counts[shuffled], np.arange(3), items[shuffled], 3)
    straight = RatingTable(counts, np.arange(3), items, 3)
    for level in LEVELS:
        a, b = (krippendorff_alpha(t, level=level, seed=1, n_resamples=300) for t in (table, straight))
        assert a.value == pytest.approx(b.value, abs=1e-12)
        assert (a.low, a.high) == (pytest.approx(b.low, abs=0.04), pytest.approx(b.high, abs=0.04))


@pytest.mark.parametrize("level", LEVELS)
def test_many_values_and_no_equal_items(level: Level) -> None:
    """The sparse way: 60 values, hardly two units alike, in no order; each resample equals the package."""
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 60, size=(90, 1))
    rows = np.clip(truth + rng.integers(-9, 10, size=(90, 4)), 0, 59)
    units, people = np.nonzero(rng.random(rows.shape) < 0.8)
    shuffled = rng.permutation(len(units))
    table = index_ratings(units[shuffled], people[shuffled], rows[units, people][shuffled]).table()
    result = krippendorff_alpha(table, level=level, seed=7, n_resamples=20)
    counts = table.counts[table.shared]
    patterns = item_patterns(np.arange(len(counts), dtype=float)[:, np.newaxis])
    [weights] = resample_weights(patterns, 20, seed=7)
    plain = [
        krippendorff.alpha(
            value_counts=np.repeat(counts, w.astype(int), axis=0),
            value_domain=table.domain,
            level_of_measurement=level,
        )
        for w in weights
    ]
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=1e-12)


def test_one_rating_among_thousands_is_not_taken_for_none() -> None:
    """Interval data, far from 0: a resample with one different rating is defined, one without is not."""
    counts = np.zeros((400, 20), dtype=int)
    counts[:, 0] = 3
    counts[0] = 0
    counts[0, [1, 19]] = 1
    table = RatingTable.from_counts(counts, domain=np.arange(20) + 100_000)
    result = krippendorff_alpha(table, level="interval", seed=0, n_resamples=2000)
    # The item is missing from a resample with probability (1 − 1/400)^400 = .3675.
    assert result.reason is not None and "undefined in 37% of the resamples" in result.reason
