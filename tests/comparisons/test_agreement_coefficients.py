"""All coefficients of agreement: equal to other packages, one bootstrap, a sentence where there is no number."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, replace
from itertools import combinations
from typing import get_args

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, kendalltau
from sklearn.metrics import cohen_kappa_score

from comparisons.agreement import (
    Bootstrap,
    Estimate,
    IndexedRatings,
    Weights,
    accuracy,
    agreement_with_others,
    annotator_accuracy,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac,
    index_ratings,
    intraclass_correlation,
    kendall_tau,
    kendall_w,
    krippendorff_alpha,
    raw_agreement,
)
from comparisons.agreement.icc import Form

Coefficient = Callable[[IndexedRatings, Bootstrap], Estimate]


def first_agreement(ratings: IndexedRatings, bootstrap: Bootstrap) -> Estimate:
    return (agreement_with_others(ratings, bootstrap) or [nobodys(bootstrap)])[0]


def first_accuracy(ratings: IndexedRatings, bootstrap: Bootstrap) -> Estimate:
    """Right is the lowest value; of one person, on shared units only."""
    rows = ratings.is_shared & (ratings.people == 0)
    people, items = ratings.people[rows], ratings.items[ratings.units[rows]]
    right = ratings.values[rows] == 0
    return (annotator_accuracy(people, right, items, bootstrap) or [nobodys(bootstrap)])[0]


def nobodys(bootstrap: Bootstrap) -> Estimate:
    """Without annotators there is no annotator's result; the share of everybody says why."""
    return accuracy(np.zeros(0, dtype=bool), np.zeros(0, dtype=int), bootstrap)


def alpha_of(level: str) -> Coefficient:
    return lambda ratings, b: krippendorff_alpha(
        ratings.table(),
        level=level,
        seed=b.seed,
        n_resamples=b.n_resamples,
        min_items=b.min_items,  # type: ignore[arg-type]
    )


COEFFICIENTS: dict[str, Coefficient] = {
    **{f"alpha {level}": alpha_of(level) for level in ("nominal", "ordinal", "interval", "ratio")},
    **{f"ac {w}": lambda r, b, w=w: gwet_ac(r.table(), b, weights=w) for w in get_args(Weights)},
    **{
        f"fleiss {w}": lambda r, b, w=w: fleiss_kappa(r.table(), b, weights=w) for w in ("identity", "linear")
    },
    **{f"cohen {w}": lambda r, b, w=w: cohen_kappa(r, b, weights=w) for w in get_args(Weights)},
    **{f"icc {f}": lambda r, b, f=f: intraclass_correlation(r, f, b) for f in get_args(Form)},
    "raw": lambda r, b: raw_agreement(r.table(), b),
    "W": kendall_w,
    "tau": kendall_tau,
    "with others": first_agreement,
    "accuracy": first_accuracy,
}  # type: ignore[misc]

# Three completions of each of 60 items by the same three people, on an uneven scale.
DOMAIN = np.array([1, 2, 3, 5, 9])


def rating_rows(items: int, seed: int) -> np.ndarray:
    """Shape (items, 3 completions, 3 people): values of DOMAIN; the third person is lenient and careless.

    A person errs much alike on all completions of an item, and a third of the items are hard: units drawn one by one
    instead of items would give too narrow an interval.
    """
    rng = np.random.default_rng(seed)
    truth = np.clip(rng.integers(5, size=(items, 1, 1)) + rng.integers(-1, 2, size=(items, 3, 1)), 0, 4)
    careless = np.array([0, 0, 1]) * rng.integers(0, 3, (items, 1, 3))
    hard = rng.random((items, 1, 1)) < 0.3
    noise = np.where(hard, rng.integers(-3, 4, size=(items, 1, 3)), careless)
    slips = rng.integers(-1, 2, size=(items, 3, 3)) * (rng.random((items, 3, 3)) < 0.15)
    return np.asarray(DOMAIN[np.clip(truth + noise + slips, 0, 4)])


def index_rows(rows: np.ndarray) -> IndexedRatings:
    item, completion, person = (index.ravel() for index in np.indices(rows.shape))
    return index_ratings(item * 3 + completion, person, rows.ravel(), items=item, domain=DOMAIN)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_interval_is_that_of_a_plain_bootstrap_over_items(name: str) -> None:
    """The plain way: draw items with all their completions, make a new table, compute anew, 250 times."""
    rows = rating_rows(60, seed=1)
    coefficient = COEFFICIENTS[name]
    result = coefficient(index_rows(rows), Bootstrap(seed=5, n_resamples=4000))
    rng = np.random.default_rng(2)
    once = Bootstrap(seed=0, n_resamples=1, min_items=2)
    plain = [coefficient(index_rows(rows[rng.integers(60, size=60)]), once).value for _ in range(250)]
    low, high = np.quantile(np.array(plain, dtype=float), [0.025, 0.975])
    assert result.value is not None and result.low is not None and result.high is not None
    width = high - low
    assert abs(result.low - low) < 0.2 * width
    assert abs(result.high - high) < 0.2 * width
    assert result.low < result.value < result.high
    assert result.items == 60


@pytest.mark.parametrize("name", [name for name in COEFFICIENTS if name not in ("W", "tau")])
def test_items_are_drawn_with_all_their_units(name: str) -> None:
    ratings = index_rows(rating_rows(60, seed=1))
    apart = replace(ratings, items=np.arange(len(ratings.items)))
    whole, single = (COEFFICIENTS[name](r, Bootstrap(seed=5)) for r in (ratings, apart))
    assert whole.value == pytest.approx(single.value, abs=1e-12)
    assert whole.low is not None and whole.high is not None
    assert single.low is not None and single.high is not None
    assert whole.high - whole.low > 1.3 * (single.high - single.low)


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_same_seed_gives_the_same_result(name: str) -> None:
    ratings = index_rows(rating_rows(50, seed=3))
    coefficient = COEFFICIENTS[name]
    first = coefficient(ratings, Bootstrap(seed=1, n_resamples=200))
    assert first == coefficient(ratings, Bootstrap(seed=1, n_resamples=200))
    other = coefficient(ratings, Bootstrap(seed=2, n_resamples=200))
    assert (first.low, first.high) != (other.low, other.high)
    assert (first.seed, first.n_resamples, first.confidence, first.min_items) == (1, 200, 0.95, 30)
    with pytest.raises(FrozenInstanceError):
        first.value = 1.0  # type: ignore[misc]


def tidy(rows: list[tuple[int, int, int]]) -> IndexedRatings:
    """From (unit, person, value), two units to an item."""
    units, people, values = (np.array([row[i] for row in rows], dtype=int) for i in range(3))
    return index_ratings(units, people, values, items=units // 2)


DEGENERATE = {
    # Nobody judged, or all said that they cannot judge: such answers are no ratings.
    "empty": tidy([]),
    "one annotator": tidy([(u, 0, u % 3) for u in range(80)]),
    "no overlap": tidy([(u, u % 2, u % 3) for u in range(80)]),
    "too few": tidy([(u, p, (u + p) % 3) for u in range(20) for p in range(2)]),
    "all the same": tidy([(u, p, 4) for u in range(80) for p in range(3)]),
}
# These have a number where all answers are the same: the share of agreeing or right answers is simply 1.
PLAIN_SHARES = {"with others", "accuracy"}


@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_what_cannot_be_computed_is_a_sentence(name: str, kind: str) -> None:
    result = COEFFICIENTS[name](DEGENERATE[kind], Bootstrap(seed=0, n_resamples=100))
    if kind == "all the same" and name in PLAIN_SHARES:
        assert (result.value, result.high, result.reason) == (1.0, 1.0, None)
        # Wilson over 40 items, not [1, 1].
        assert result.low == pytest.approx(40 / (40 + 1.959964**2), abs=1e-6)
        return
    assert (result.value, result.low, result.high) == (None, None, None)
    assert result.reason is not None and result.reason[0].isupper() and result.reason.endswith(".")
    assert result.items == {"too few": 10, "all the same": 40}.get(kind, 0) or name.startswith("cohen")
    assert not any(isinstance(v, float) and np.isnan(v) for v in asdict(result).values())


@pytest.mark.parametrize("weights", ["identity", "linear", "quadratic"])
def test_cohen_is_that_of_scikit_learn(weights: Weights) -> None:
    """Weighted κ goes by distance; scikit-learn's by position, so the scale here is even."""
    rng = np.random.default_rng(4)
    truth = rng.integers(4, size=(200, 1))
    rows = np.clip(truth + rng.integers(-1, 2, (200, 3)) + np.array([0, 0, 1]), 0, 4)
    # The third person misses items, so the pairs have different n.
    keep = np.ones(rows.shape, dtype=bool)
    keep[120:, 2] = False
    units, people = np.nonzero(keep)
    result = cohen_kappa(index_ratings(units, people, rows[keep]), Bootstrap(0, 200), weights=weights)
    expected = []
    for pair, (a, b) in zip(result.pairs, combinations(range(3), 2), strict=True):
        both = keep[:, a] & keep[:, b]
        kappa = cohen_kappa_score(
            rows[both, a], rows[both, b], weights=None if weights == "identity" else weights
        )
        assert (pair.first, pair.second, pair.items) == (a, b, both.sum())
        assert pair.value == pytest.approx(kappa, abs=1e-12)
        expected.append((kappa, both.sum()))
    mean = np.average([kappa for kappa, _ in expected], weights=[n for _, n in expected])
    assert [n for _, n in expected] == [200, 120, 120]
    assert result.value == pytest.approx(mean, abs=1e-12)
    assert (result.items, result.judgments, result.annotators) == (200, 880, 3)


def test_pairs_with_too_few_items_are_listed_but_not_in_the_mean() -> None:
    rng = np.random.default_rng(8)
    rows = [(u, p, int(rng.integers(3))) for u in range(100) for p in (0, 1)]
    rows += [(u, 2, int(rng.integers(3))) for u in range(20)]
    result = cohen_kappa(tidy([(2 * u, p, v) for u, p, v in rows]), Bootstrap(0, 100))
    assert [pair.reason for pair in result.pairs] == [None, *["Needs 30 shared items, has 20."] * 2]
    assert result.value == result.pairs[0].value
    assert (result.items, result.annotators) == (100, 2)
    assert result.pairs[2].raw_agreement is not None


def random_rankings(tied: bool) -> np.ndarray:
    """Shape (40 items, 4 completions, 3 people); with ties, the third person ties more than the others."""
    rng = np.random.default_rng(6)
    places = np.argsort(rng.random((40, 4, 1)) + 0.4 * rng.random((40, 4, 3)), axis=1).argsort(axis=1)
    return np.minimum(places, [2, 2, 1]) if tied else places


@pytest.mark.parametrize("tied", [False, True])
def test_rankings_are_those_of_scipy(tied: bool) -> None:
    """W = χ² / (k (m − 1)) of Friedman's test, which scipy corrects for ties; τ-b of every two people."""
    rows = random_rankings(tied)
    item, completion, person = (index.ravel() for index in np.indices(rows.shape))
    ratings = index_ratings(item * 4 + completion, person, rows.ravel(), items=item)
    ws = [friedmanchisquare(*places).statistic / (3 * 3) for places in rows]
    taus = [
        np.mean([kendalltau(places[:, a], places[:, b]).statistic for a, b in combinations(range(3), 2)])
        for places in rows
    ]
    w, tau = kendall_w(ratings, Bootstrap(0, 100)), kendall_tau(ratings, Bootstrap(0, 100))
    assert w.value == pytest.approx(np.mean(ws), abs=1e-12)
    assert tau.value == pytest.approx(np.mean(taus), abs=1e-12)
    assert 0.2 < np.mean(taus) < np.mean(ws) < 1
    assert (w.items, w.judgments, w.annotators, w.tied_items) == (40, 480, 3, 0)


def test_partial_and_tied_rankings_are_left_out_and_counted() -> None:
    """Sizes of 2 and 3 completions are mixed; who left one out does not count; full ties have no order."""
    rows = []
    for item in range(60):
        size = 2 + item % 2
        for person in range(4):
            tied = item < 10
            seen = size - (person >= 2)
            rows += [(3 * item + c, person, 0 if tied else c * (1 if person else -1)) for c in range(seen)]
    units, people, values = (np.array(column) for column in zip(*rows, strict=True))
    ratings = index_ratings(units, people, values, items=units // 3)
    tau, w = kendall_tau(ratings, Bootstrap(0, 50)), kendall_w(ratings, Bootstrap(0, 50))
    assert (tau.value, tau.items, tau.tied_items, tau.annotators) == (-1.0, 60, 10, 2)
    assert (w.value, w.items, w.tied_items) == (0.0, 60, 10)


def test_icc_says_why_a_table_is_not_complete() -> None:
    rng = np.random.default_rng(9)
    # Three of four people on each of 40 units, in turn.
    turns = [(u, p, int(rng.integers(5))) for u in range(0, 80, 2) for p in range(4) if p != u // 2 % 4]
    ratings, bootstrap = tidy(turns), Bootstrap(0, 50)
    assert intraclass_correlation(ratings, "1,1", bootstrap).value is not None
    for form in ("2,1", "3,1", "2,k", "3,k"):
        reason = intraclass_correlation(ratings, form, bootstrap).reason  # type: ignore[arg-type]
        assert reason == (
            "Needs all annotators on every unit: 4 annotators and 40 units make 160 ratings, and there are 120."
        )
    uneven = tidy([*turns, (0, 0, 3)])
    assert intraclass_correlation(uneven, "1,1", bootstrap).reason == (
        "Needs the same number of ratings on every unit; here they are 3 to 4."
    )


@pytest.mark.parametrize("weights", ["linear", "quadratic", "ordinal"])
def test_text_has_no_distances(weights: Weights) -> None:
    ratings = index_ratings([0, 0], ["a", "b"], ["good", "bad"])
    for coefficient in (gwet_ac, fleiss_kappa, raw_agreement):
        with pytest.raises(ValueError, match="text is nominal"):
            coefficient(ratings.table(), Bootstrap(0), weights=weights)
    with pytest.raises(ValueError, match="text is nominal"):
        cohen_kappa(ratings, Bootstrap(0), weights=weights)
    with pytest.raises(ValueError, match="text is nominal"):
        kendall_w(ratings, Bootstrap(0))
    with pytest.raises(ValueError, match="text is nominal"):
        intraclass_correlation(ratings, "1,1", Bootstrap(0))


def test_text_is_fine_without_distances() -> None:
    rows = [(u, p, "abc"[(u + (p == 2) * (u % 4 == 0)) % 3]) for u in range(60) for p in range(3)]
    units, people, values = (np.array(column) for column in zip(*rows, strict=True))
    ratings = index_ratings(units, people, values)
    # Two of three pairs of people disagree on a quarter of the items.
    assert raw_agreement(ratings.table(), Bootstrap(0, 100)).value == pytest.approx(1 - 2 / 3 / 4)
    assert [pair.raw_agreement for pair in cohen_kappa(ratings, Bootstrap(0, 100)).pairs] == [1, 0.75, 0.75]


def test_bad_arguments_are_errors() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Bootstrap(0, confidence=95)
    with pytest.raises(ValueError, match="at least one resample"):
        Bootstrap(0, n_resamples=0)
    with pytest.raises(ValueError, match="outside the domain"):
        index_ratings([0], ["a"], [4], domain=[1, 2, 3])
    with pytest.raises(ValueError, match="domain must be sorted"):
        index_ratings([0], ["a"], [1], domain=[2, 1])
