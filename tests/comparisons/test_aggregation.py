"""Recovery of known parameters, and what is said where nothing can be estimated."""

import numpy as np
import pytest
from scipy.stats import binom

from comparisons.aggregation import (
    find_plurality,
    fit_bradley_terry,
    fit_crowd_bt,
    fit_dawid_skene,
    fit_mace,
    fit_plackett_luce,
    mean_strength,
    measure_certainty,
    tabulate_comparisons,
    tabulate_judgments,
    tabulate_rankings,
)
from comparisons.aggregation.dawid_skene import drawn_out
from comparisons.aggregation.leaderboard import critical_value
from comparisons.aggregation.plackett_luce import _lay_out

SEEDS = range(6)
NOTHING = np.zeros(0, dtype=np.int64)


def crowd(seed: int, skills: list[float], items: int = 200) -> tuple[np.ndarray, ...]:
    """Everybody judges every item of three classes; errors go to a neighbour class, so they are not even."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, p=[0.5, 0.3, 0.2], size=items)
    item, person = np.repeat(np.arange(items), len(skills)), np.tile(np.arange(len(skills)), items)
    is_right = rng.random(len(item)) < np.array(skills)[person]
    shift = np.where(rng.random(len(item)) < 0.8, 1, 2)
    return truth, item, person, np.where(is_right, truth[item], (truth[item] + shift) % 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_few_good_among_many_poor(seed: int) -> None:
    """20 people, 4 of them good: Dawid–Skene finds those and beats the plurality, which counts heads."""
    truth, *tidy = crowd(seed, [0.95] * 4 + [0.38] * 16)
    table = tabulate_judgments(*tidy)
    fit, mace = fit_dawid_skene(table), fit_mace(table, seed=seed, restarts=5)
    assert fit.converged and fit.posterior is not None and fit.confusion is not None
    accuracy = np.mean(fit.posterior.argmax(axis=1) == truth)
    assert accuracy > 0.95 > find_plurality(table).agreement_share(truth)
    found = np.trace(fit.confusion, axis1=1, axis2=2) / 3
    assert found[:4].min() > 0.85 > 0.6 > found[4:].max()
    # Row: the class; column: the answer. Errors of the poor go up by one in four of five cases.
    assert fit.confusion[4:, 0, 1].mean() > 2 * fit.confusion[4:, 0, 2].mean()
    assert mace.competence is not None and mace.competence[:4].min() > mace.competence[4:].max()


def test_log_posterior_and_evidence_never_fall() -> None:
    _, *tidy = crowd(1, [0.7, 0.5, 0.6, 0.4, 0.8], items=60)
    table = tabulate_judgments(*tidy)
    fits = [fit_dawid_skene(table, max_iterations=n, tolerance=1e-15).log_posterior for n in range(1, 40)]
    assert np.diff(np.array(fits, dtype=float)).min() > -1e-9
    for method in ("vb", "em"):
        climbs = [
            fit_mace(table, seed=0, method=method, restarts=1, max_iterations=n, tolerance=1e-15).objective
            for n in range(1, 40)
        ]
        assert np.diff(np.array(climbs, dtype=float)).min() > -1e-9


def test_steps_that_shrink_by_a_share_are_drawn_out_to_where_they_lead() -> None:
    """By hand: of points at limit + 0.9ⁿ · d the first three tell the limit. Where that is 0, a hundredth is left of
    what EM itself has there, for from 0 it never comes back."""
    for limit, expected in ((0.3, 0.3), (0.0, 0.01 * 0.162 / (1 + 0.01 * 0.162))):
        points = [np.array([1 - limit - 0.2 * 0.9**n, limit + 0.2 * 0.9**n]) for n in range(3)]
        start, once, twice = ((point, np.array([[point, point[::-1]]])) for point in points)
        prior, confusion = drawn_out(start, once, twice)
        assert prior == pytest.approx([1 - expected, expected])
        assert confusion == pytest.approx(np.array([[[1 - expected, expected], [expected, 1 - expected]]]))


@pytest.mark.parametrize("method", ["em", "vb"])
def test_mace_likelihood_written_out(method: str) -> None:
    """The paper's generative story, judgment by judgment: equal to the fit's own figures where EM ends."""
    _, *tidy = crowd(4, [0.8, 0.5, 0.9, 0.4], items=40)
    table = tabulate_judgments(*tidy)
    fit = fit_mace(table, seed=0, method=method, restarts=3, max_iterations=3000, tolerance=1e-14)
    assert fit.posterior is not None and fit.competence is not None and fit.strategy is not None
    assert fit.knowing is not None and fit.converged
    joint = np.full((40, 3), 1 / 3)
    for item, person, value in zip(*tidy, strict=True):
        knows, guess = fit.competence[person], fit.strategy[person, value]
        joint[item] *= [knows * (value == label) + (1 - knows) * guess for label in range(3)]
    if method == "em":
        assert fit.log_likelihood == pytest.approx(np.log(joint.sum(axis=1)).sum(), abs=1e-6)
        assert fit.posterior == pytest.approx(joint / joint.sum(axis=1)[:, None], abs=1e-6)
        # At the maximum a person's competence is the mean share of answers from knowledge, but for the smoothing.
        share = np.bincount(tidy[1], weights=fit.knowing) / 40
        assert fit.competence == pytest.approx(share, abs=1e-3)
    else:
        # Means of the same distributions: close to the posterior, not equal to it.
        assert np.mean(fit.posterior.argmax(axis=1) == joint.argmax(axis=1)) > 0.95


def test_evidence_bound_lies_just_below_the_evidence() -> None:
    """Evidence of six items by drawing parameters from the priors: the story told without the algorithm."""
    items, people = np.repeat(np.arange(6), 3), np.tile(np.arange(3), 6)
    values = np.array([0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1])
    table = tabulate_judgments(items, people, values)
    fit = fit_mace(
        table, seed=0, restarts=5, max_iterations=500, alpha=2, beta=2, strategy_prior=1, tolerance=1e-12
    )
    rng = np.random.default_rng(0)
    knows, guess = rng.beta(2, 2, size=(200_000, 3)), rng.random((200_000, 3))
    likelihood = np.ones(len(knows))
    for row in values.reshape(6, 3):
        both = np.stack(
            [knows * (row == label) + (1 - knows) * np.where(row == 1, guess, 1 - guess) for label in (0, 1)]
        )
        likelihood *= both.prod(axis=2).mean(axis=0)
    evidence = float(np.log(likelihood.mean()))
    print("evidence", evidence, "bound", fit.objective)
    assert fit.objective is not None and evidence - 2 < fit.objective < evidence


def test_ending_too_early_is_said() -> None:
    _, *tidy = crowd(1, [0.7, 0.5, 0.6], items=60)
    table = tabulate_judgments(*tidy)
    for result in (fit_dawid_skene(table, max_iterations=1), fit_mace(table, seed=0, max_iterations=2)):
        assert not result.converged and "did not converge" in result.warnings[0]


@pytest.mark.parametrize(
    ("items", "people", "values", "sentence"),
    [
        ([], [], [], "no judgments"),
        ([0, 1, 2], [0, 0, 0], [0, 1, 2], "one person's"),
        ([0, 1, 2], [0, 1, 2], [0, 1, 2], "judged by two people"),
        ([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1], "same class"),
        ([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], "only one class"),
    ],
)
def test_no_estimate_has_a_sentence(
    items: list[int], people: list[int], values: list[int], sentence: str
) -> None:
    columns = [np.array(column, dtype=np.int64) for column in (items, people, values)]
    count = 1 if sentence == "only one class" else 3
    table = tabulate_judgments(*columns, class_count=count)
    for result in (fit_dawid_skene(table), fit_mace(table, seed=0)):
        assert result.reason is not None and sentence in result.reason and result.posterior is None
        assert not result.converged


def test_parts_that_say_nothing_are_named() -> None:
    table = tabulate_judgments([0, 0, 1, 1, 2], [0, 1, 0, 1, 2], [0, 0, 1, 0, 1], item_count=4)
    for result in (fit_dawid_skene(table), fit_mace(table, seed=0, restarts=1)):
        said = " ".join(result.warnings)
        assert "1 of the annotators share no item" in said and "1 of the items have no judgments" in said
        assert result.posterior is not None and bool(np.isfinite(result.posterior).all())


@pytest.mark.parametrize(
    ("items", "people", "values", "message"),
    [
        ([0, 1], [0], [0, 1], "one entry"),
        ([0, -1], [0, 1], [0, 1], "below 0"),
        ([0.0, 1.0], [0, 1], [0, 1], "whole"),
        ([0, 0], [1, 1], [0, 1], "twice"),
        ([0, 1], [0, 1], [0, 5], "not below class_count 3"),
    ],
)
def test_bad_tables_are_refused(items: list[int], people: list[int], values: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tabulate_judgments(items, people, values, class_count=3)


def test_plurality_tells_ties_apart() -> None:
    table = tabulate_judgments([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0], [2, 2, 0, 1, 0, 1], item_count=4)
    result = find_plurality(table)
    assert result.winner.tolist() == [2, -1, 1, -1]
    assert result.is_tied.tolist() == [False, True, False, False]
    assert result.margin.tolist() == [1, 0, 1, 0] and result.judgments.tolist() == [3, 2, 1, 0]
    assert result.agreement_share([2, 0, 0, -1]) == pytest.approx(0.5)


def test_mean_strength_has_an_error_from_two_judgments_on() -> None:
    result = mean_strength([0, 0, 0, 1], [3, -1, 1, -2], points=3, item_count=3)
    assert result.mean.tolist() == [1.0, -2.0, None]
    assert result.standard_error.tolist() == [pytest.approx(2 / np.sqrt(3)), None, None]
    with pytest.raises(ValueError, match="outside"):
        mean_strength([0], [4], points=3)


def test_certainty_of_a_posterior() -> None:
    result = measure_certainty([[0.5, 0.5, 0], [0.95, 0.05, 0], [0.1, 0.1, 0.8]])
    assert result.entropy[0] == pytest.approx(np.log(2)) and result.entropy_share[0] == pytest.approx(
        0.63093, abs=1e-5
    )
    assert result.is_contested.tolist() == [True, False, True] and result.is_tied.tolist() == [
        True,
        False,
        False,
    ]
    assert result.best.tolist()[1:] == [0, 2] and result.surest(0.3).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="distribution"):
        measure_certainty([[np.nan, 1.0]])


STRENGTHS = np.array([0.9, 0.2, -0.1, -1.0])


def compared(seed: int, n: int = 1500) -> tuple[np.ndarray, ...]:
    """Davidson's model with ν = 0.6, order effect 0.5 and length effect −0.4."""
    rng = np.random.default_rng(seed)
    left = rng.integers(4, size=n)
    right = (left + 1 + rng.integers(3, size=n)) % 4
    order, length = rng.choice([-1, 1], size=n), rng.normal(size=n)
    odds = STRENGTHS[right] - STRENGTHS[left] + 0.5 * order - 0.4 * length
    weights = np.stack([np.exp(-odds / 2), np.full(n, 0.6), np.exp(odds / 2)], axis=1)
    drawn = (rng.random(n)[:, None] > np.cumsum(weights / weights.sum(axis=1)[:, None], axis=1)).sum(axis=1)
    return left, right, drawn - 1, order, length


def test_strengths_and_effects_lie_in_their_intervals() -> None:
    """Eighty fits, six parameters each at 95 %: no fewer are covered than 1 in 1,000 such runs would show."""
    covered, ties = np.zeros(6), []
    for seed in range(80):
        left, right, outcomes, order, length = compared(seed)
        table = tabulate_comparisons(left, right, outcomes, covariates={"order": order, "length": length})
        result = fit_bradley_terry(table)
        assert result.converged and result.tie_strength is not None
        board = sorted(result.leaderboard, key=lambda standing: standing.model)
        bounds = np.array([(one.low, one.high) for one in (*board, *result.effects)])
        actual = np.append(STRENGTHS - STRENGTHS.mean(), [0.5, -0.4])
        covered += (bounds[:, 0] <= actual) & (actual <= bounds[:, 1])
        ties.append(result.tie_strength)
    print("covered of 80:", covered)
    assert covered.min() >= binom.ppf(0.001, 80, 0.95) and covered.sum() <= binom.ppf(0.9999, 480, 0.95)
    assert np.mean(ties) == pytest.approx(0.6, abs=0.02)


def test_swapping_sides_changes_nothing() -> None:
    left, right, outcomes, order, length = compared(0)
    a = fit_bradley_terry(tabulate_comparisons(left, right, outcomes, covariates={"o": order, "l": length}))
    b = fit_bradley_terry(
        tabulate_comparisons(right, left, -outcomes, covariates={"o": -order, "l": -length})
    )
    assert a.strengths == pytest.approx(b.strengths, abs=1e-8)
    assert [e.value for e in a.effects] == pytest.approx([e.value for e in b.effects], abs=1e-8)


def test_weights_count_as_repeats() -> None:
    left, right, outcomes, *_ = compared(0, n=200)
    times = np.random.default_rng(0).integers(1, 4, size=200)
    weighted = fit_bradley_terry(tabulate_comparisons(left, right, outcomes, weights=times))
    repeated = fit_bradley_terry(
        tabulate_comparisons(*(np.repeat(c, times) for c in (left, right, outcomes)))
    )
    assert weighted.strengths == pytest.approx(repeated.strengths, abs=1e-8)
    assert weighted.covariance == pytest.approx(repeated.covariance, abs=1e-8)


@pytest.mark.parametrize(
    ("left", "right", "outcomes", "sentence"),
    [
        ([0, 2], [1, 3], [0, 0], "All comparisons are ties"),
        ([0, 2, 0, 2], [1, 3, 1, 3], [1, -1, -1, 1], "No comparison links A, B | C, D"),
        ([0, 1, 2, 3, 0], [1, 2, 3, 2, 1], [-1, 1, 1, 1, 1], "D, C"),
        ([], [], [], "no comparisons"),
    ],
)
def test_strengths_that_have_no_estimate(
    left: list[int], right: list[int], outcomes: list[int], sentence: str
) -> None:
    columns = [np.array(column, dtype=np.int64) for column in (left, right, outcomes)]
    result = fit_bradley_terry(tabulate_comparisons(*columns, names="ABCD"))
    assert result.reason is not None and result.leaderboard == () and result.strengths is None
    if sentence == "D, C":
        assert "C, D never lost or A, B never won" in result.reason
        firm = fit_bradley_terry(tabulate_comparisons(*columns, names="ABCD"), ridge=0.1)
        assert firm.converged and firm.leaderboard[0].name in "CD"
    else:
        assert sentence in result.reason


def test_effects_that_have_no_estimate() -> None:
    left, right, outcomes, order, _ = compared(0, n=300)

    def reason(**covariates: np.ndarray) -> str:
        table = tabulate_comparisons(left, right, outcomes, covariates=covariates)
        return fit_bradley_terry(table).reason or ""

    assert "never differs" in reason(nothing=np.zeros(300))
    assert "cannot be told apart" in reason(size=STRENGTHS[right] - STRENGTHS[left])
    assert "without an error" in reason(order=order, oracle=outcomes + 0.0)
    assert reason(order=order) == ""


def test_simultaneous_intervals_are_wider() -> None:
    left, right, outcomes, *_ = compared(0, n=300)
    table = tabulate_comparisons(left, right, outcomes)
    one, all_ = fit_bradley_terry(table), fit_bradley_terry(table, coverage="simultaneous")
    assert all_.leaderboard[0].low < one.leaderboard[0].low and all_.coverage == "simultaneous"
    # Šidák for four at 95 %: each at 98.73 %.
    assert critical_value(0.95, 4, "simultaneous") == pytest.approx(2.4909, abs=1e-4)


def test_crowd_bt_finds_those_who_say_the_opposite() -> None:
    """14 reliable, 4 coins, 2 contrarians: plain strengths shrink, these do not, and the people are told apart."""
    rng = np.random.default_rng(5)
    reliability = np.array([0.95] * 14 + [0.5] * 4 + [0.05] * 2)
    left, people = rng.integers(4, size=3000), rng.integers(20, size=3000)
    right = (left + 1 + rng.integers(3, size=3000)) % 4
    is_right = rng.random(3000) < 1 / (1 + np.exp(STRENGTHS[left] - STRENGTHS[right]))
    table = tabulate_comparisons(
        left, right, np.where(is_right ^ (rng.random(3000) > reliability[people]), 1, -1)
    )
    result, plain = fit_crowd_bt(table, people), fit_bradley_terry(table)
    assert result.converged and result.reliability is not None
    assert result.strengths is not None and plain.strengths is not None
    assert (
        result.reliability[:14].mean() > 0.85
        and result.reliability[18:].max() < result.reliability[:14].min()
    )
    actual = STRENGTHS - STRENGTHS.mean()
    assert np.abs(result.strengths - actual).max() < np.abs(plain.strengths - actual).max()
    disconnected = tabulate_comparisons([0, 2], [1, 3], [1, -1])
    assert "No comparison links" in (fit_crowd_bt(disconnected, [0, 1]).reason or "")


def test_rankings_of_two_are_comparisons() -> None:
    """A tie of two is half a win for either side in both models."""
    left, right, outcomes, *_ = compared(2, n=120)
    by_pairs = fit_bradley_terry(tabulate_comparisons(left, right, outcomes), ties="half")
    ranks = np.stack([1 + (outcomes > 0), 1 + (outcomes < 0)], axis=1)
    table = tabulate_rankings(
        np.repeat(np.arange(120), 2), np.stack([left, right], axis=1).ravel(), ranks.ravel()
    )
    by_ranks = fit_plackett_luce(table)
    assert by_ranks.strengths == pytest.approx(by_pairs.strengths, abs=1e-8)
    assert by_ranks.covariance == pytest.approx(by_pairs.covariance, abs=1e-8)


def test_a_tie_is_the_mean_of_its_orders() -> None:
    """Three at the second of three ranks: the log-likelihood is the mean over the six orders written out."""
    orders = [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)]
    point = np.array([0.3, -0.2, 0.5, 0.1, -0.7])
    ranked = [0, *[1, 1, 1], 2]
    backwards = tabulate_rankings(
        [0] * 5 + [1] * 5, list(range(5)) * 2, [r + 1 for r in ranked] + [5, 4, 3, 2, 1]
    )

    def log_likelihood(order: tuple[int, ...]) -> float:
        return sum(point[m] - np.log(np.exp(point[list(order[k:])]).sum()) for k, m in enumerate(order))

    expected = np.mean([log_likelihood((0, *order, 4)) for order in orders]) + log_likelihood((4, 3, 2, 1, 0))
    assert _lay_out(backwards).evaluate(point)[0] == pytest.approx(expected, abs=1e-12)


def test_ranking_strengths_lie_in_their_intervals() -> None:
    """Top two of four, the rest unranked; sixty fits at 95 %."""
    covered, actual = 0, STRENGTHS - STRENGTHS.mean()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        order = np.argsort(-(STRENGTHS + rng.gumbel(size=(250, 4))), axis=1)
        ranks = np.tile([1, 2, 0, 0], 250)
        result = fit_plackett_luce(tabulate_rankings(np.repeat(np.arange(250), 4), order.ravel(), ranks))
        covered += sum(one.low <= actual[one.model] <= one.high for one in result.leaderboard)
    print("covered of 240:", covered)
    assert binom.ppf(0.001, 240, 0.95) <= covered <= binom.ppf(0.9995, 240, 0.95)


def test_rankings_that_say_nothing() -> None:
    assert "Needs 2" in (fit_plackett_luce(tabulate_rankings(NOTHING, NOTHING, NOTHING)).reason or "")
    unranked = tabulate_rankings([0, 0], [0, 1], [0, 0])
    assert "No ranking" in (fit_plackett_luce(unranked).reason or "")
    one_way = tabulate_rankings([0, 0, 0], [0, 1, 2], [1, 2, 2], names="ABC")
    assert "A never lost or B, C never won" in (fit_plackett_luce(one_way).reason or "")
    with pytest.raises(ValueError, match="twice in one judgment"):
        tabulate_rankings([0, 0], [1, 1], [1, 2])
