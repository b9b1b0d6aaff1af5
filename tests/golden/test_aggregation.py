"""Aggregation against published values and independent programs."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from comparisons.aggregation import (
    JudgmentTable,
    find_plurality,
    fit_bradley_terry,
    fit_dawid_skene,
    fit_mace,
    fit_plackett_luce,
    measure_certainty,
    tabulate_comparisons,
    tabulate_judgments,
    tabulate_rankings,
)
from comparisons.aggregation.held_out import hits, hold_out, log_scores, paired_difference, predict_mace
from comparisons.aggregation.majority import plurality_shares
from tests.golden.convarg import Convarg, read_convarg

# A. P. Dawid and A. M. Skene (1979), table 1: 45 patients; observer 1 saw each form three times, 2 to 5 once.
ANAESTHETISTS = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|222 2 2 2 3|
232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1|
222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|111 1 1 1 1|111 1 1 1 1|232 2 2 2 2|
111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3|
221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""


def anaesthetists() -> JudgmentTable:
    rows = [row.split() for row in ANAESTHETISTS.split("|")]
    tidy = [(i, a, int(c) - 1) for i, row in enumerate(rows) for a, cell in enumerate(row) for c in cell]
    items, people, values = zip(*tidy, strict=True)
    return tabulate_judgments(items, people, values, allow_repeats=True)


def test_dawid_skene_published_example() -> None:
    """Class frequencies and observer 1's error rates of the paper, which prints two decimals."""
    result = fit_dawid_skene(anaesthetists(), smoothing=0, tolerance=1e-13)
    assert result.converged and result.class_prior is not None and result.confusion is not None
    assert result.class_prior == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert result.confusion[0] == pytest.approx(np.array(first), abs=0.0051)


def test_one_coin_equals_crowd_kit() -> None:
    """crowd-kit 1.4.2, OneCoinDawidSkene(n_iter=5000, tol=1e-13) on the same forms."""
    result = fit_dawid_skene(anaesthetists(), form="one_coin", smoothing=0, tolerance=1e-14)
    assert result.class_prior is not None and result.confusion is not None and result.posterior is not None
    assert result.class_prior == pytest.approx([0.4019197, 0.4510998, 0.1246290, 0.0223515], abs=2e-6)
    skills = [0.8854305, 0.7007249, 0.8114650, 0.8530677, 0.8089198]
    assert result.confusion[:, 2, 2] == pytest.approx(skills, abs=2e-6)
    assert result.confusion[1, 0] == pytest.approx([0.7007249, *[(1 - 0.7007249) / 3] * 3], abs=2e-6)
    assert result.posterior[2, :2] == pytest.approx([0.1465109, 0.8534814], abs=5e-6)
    assert result.posterior[35, 2:] == pytest.approx([0.9941853, 0.0057375], abs=5e-6)


def published_scores(folder: Path, name: str, algorithm: str) -> dict[str, float]:
    with (folder / "evalica_golden" / f"{name}-golden.csv").open() as file:
        return {r["item"]: float(r["score"]) for r in csv.DictReader(file) if r["algorithm"] == algorithm}


@pytest.mark.data
@pytest.mark.parametrize("name", ["food", "simple"])
def test_bradley_terry_and_davidson_equal_evalica(shared_data: Path, name: str) -> None:
    """Bradley–Terry with ties half; and M. E. J. Newman's algorithm (JMLR 24, 2023), whose ties are Davidson's."""
    scores = published_scores(shared_data, name, "bradley_terry")
    with_ties = published_scores(shared_data, name, "newman")
    names = sorted(scores)
    outcome = {"left": -1, "tie": 0, "right": 1}
    with (shared_data / "evalica_golden" / f"{name}.csv").open() as file:
        rows = [
            (names.index(r["left"]), names.index(r["right"]), outcome[r["winner"]])
            for r in csv.DictReader(file)
        ]
    table = tabulate_comparisons(*zip(*rows, strict=True), names=names)
    for ties, published in (("half", scores), ("davidson", with_ties)):
        result = fit_bradley_terry(table, ties=ties)
        expected = np.log([published[name] for name in names])
        assert result.converged and result.strengths is not None
        assert result.strengths == pytest.approx(expected - expected.mean(), abs=1e-7)
        assert result.leaderboard[0].name == max(published, key=lambda name: published[name])


def test_bradley_terry_with_effects_equals_logistic_regression() -> None:
    """scikit-learn's logistic regression without penalty on the same differences."""
    rng = np.random.default_rng(3)
    left = rng.integers(5, size=800)
    right = (left + 1 + rng.integers(4, size=800)) % 5
    order, length = rng.choice([-1, 1], size=800), rng.normal(size=800)
    odds = np.array([0.9, 0.1, -0.5, 0.6, -1.1])[right] - np.array([0.9, 0.1, -0.5, 0.6, -1.1])[left]
    outcomes = np.where(rng.random(800) < 1 / (1 + np.exp(-(odds + 0.4 * order - 0.7 * length))), 1, -1)
    table = tabulate_comparisons(left, right, outcomes, covariates={"order": order, "length": length})
    result = fit_bradley_terry(table)
    rows = np.eye(5)[right] - np.eye(5)[left]
    design = np.column_stack([rows[:, 1:], order, length])
    other = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000).fit(
        design, outcomes
    )
    expected = np.append(0.0, other.coef_[0, :4])
    assert result.strengths is not None and result.tie_strength == 0
    assert result.strengths == pytest.approx(expected - expected.mean(), abs=1e-4)
    assert [effect.value for effect in result.effects] == pytest.approx(other.coef_[0, 4:], abs=1e-4)
    shares = other.predict_proba(design).prod(axis=1)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ (design * shares[:, None]))))[4:]
    assert [effect.standard_error for effect in result.effects] == pytest.approx(errors, rel=1e-3)


def test_rankings_equal_choix() -> None:
    """choix 0.4.1, mm_rankings(tol=1e-13) and log_likelihood_rankings: partial rankings, best first."""
    rankings = [
        (0, 1, 2, 3), (1, 0, 4), (2, 0, 1), (3, 4, 0, 2, 1), (0, 3), (4, 2, 1),
        (1, 3, 0), (0, 2, 4, 3), (2, 4, 0), (0, 1, 4, 2, 3), (3, 0, 1),
    ]  # fmt: skip
    triples = [
        (j, m, place) for j, ranking in enumerate(rankings) for place, m in enumerate(ranking, start=1)
    ]
    result = fit_plackett_luce(tabulate_rankings(*zip(*triples, strict=True)))
    expected = [0.3726432779, -0.2735894192, 0.2299586604, -0.6064831453, 0.2774706262]
    assert result.strengths == pytest.approx(expected, abs=1e-6)
    assert result.log_likelihood == pytest.approx(-25.935625936, abs=1e-6)


def test_top_choices_equal_choix() -> None:
    """choix 0.4.1, mm_top1(tol=1e-13) and log_likelihood_top1: the chosen one, then what else was shown."""
    choices = [
        (0, (1, 2, 3)), (1, (0, 4)), (2, (0, 1, 3)), (3, (0, 4)), (4, (1, 2)),
        (0, (4,)), (0, (2, 3)), (1, (0, 2, 3, 4)), (3, (1,)), (4, (3, 0)),
    ]  # fmt: skip
    triples = [(j, m, int(m == best)) for j, (best, rest) in enumerate(choices) for m in (best, *rest)]
    result = fit_plackett_luce(tabulate_rankings(*zip(*triples, strict=True)))
    expected = [0.236309265, 0.0916081794, -0.3240361738, -0.0680712174, 0.0641899468]
    assert result.strengths == pytest.approx(expected, abs=1e-6)
    assert result.log_likelihood == pytest.approx(-11.136523317, abs=1e-6)


@pytest.fixture(scope="module")
def convarg(shared_data: Path) -> Convarg:
    return read_convarg(shared_data)


@pytest.mark.data
def test_mace_reproduces_its_published_run(convarg: Convarg) -> None:
    """I. Habernal and I. Gurevych (ACL 2016) ran MACE 0.2 once over all 32 topics: plain EM, 500 iterations,
    smoothing 0.01/3, and kept the 95 % of pairs with the lowest entropy (their Step5GoldLabelEstimator)."""
    table, published, competence = convarg
    result = fit_mace(table, seed=1, method="em", restarts=3, max_iterations=500, tolerance=1e-12)
    assert result.posterior is not None and result.competence is not None
    certainty = measure_certainty(result.posterior)
    kept = certainty.surest(0.95)
    used = published >= 0
    same = float(np.mean(certainty.best[used] == published[used]))
    rank = float(spearmanr(result.competence, competence).statistic)
    plurality = find_plurality(table).agreement_share(published)
    print(
        f"MACE {same:.2%} of {used.sum()} (plurality {plurality:.2%}), same selection {np.mean(kept == used):.2%}, "
        f"Spearman {rank:.4f}, mean difference {np.mean(np.abs(result.competence - competence)):.4f}"
    )
    assert kept.sum() == used.sum() == 16_081
    assert plurality == pytest.approx(0.8903, abs=5e-5)
    assert same > 0.995 and np.mean(kept == used) > 0.995 and rank > 0.99
    assert np.mean(np.abs(result.competence - competence)) < 0.01
    # 500 iterations are not enough at this tolerance, and the result says so.
    assert not result.converged and "did not converge in 500" in result.warnings[0]


@pytest.mark.data
def test_mace_predicts_unseen_judgments_better_than_plurality(
    convarg: Convarg,
) -> None:
    """One judgment of each pair held out. The plurality's shares get the smoothing that suits these very
    judgments best, so it is flattered; MACE's prior is the one with the higher evidence bound on the rest."""
    kept, held = hold_out(convarg[0], seed=7)
    paper = fit_mace(kept, seed=0, restarts=3)
    firm = fit_mace(kept, seed=0, restarts=3, alpha=5, beta=5)
    assert paper.objective is not None and firm.objective is not None and paper.converged and firm.converged
    assert firm.objective > paper.objective
    shares = [
        plurality_shares(kept, smoothing)[held.items] for smoothing in (0.1, 0.3, 0.5, 0.7, 1, 1.5, 2, 3)
    ]
    plurality = max(shares, key=lambda share: log_scores(share, held.values).mean())
    for name, result in (("Beta(½, ½)", paper), ("Beta(5, 5)", firm)):
        predicted = predict_mace(result, held)
        right = paired_difference(hits(predicted, held.values), hits(plurality, held.values), seed=0)
        score = paired_difference(
            log_scores(predicted, held.values), log_scores(plurality, held.values), seed=0
        )
        print(
            f"{name}: accuracy {right.value:+.4f} [{right.low:+.4f}, {right.high:+.4f}], "
            f"log score {score.value:+.4f} [{score.low:+.4f}, {score.high:+.4f}], n = {score.items}"
        )
        assert right.low is not None and right.low > 0
    # Only the firmer prior also gives better probabilities; the paper's is too sure of itself here.
    assert score.low is not None and score.low > 0
