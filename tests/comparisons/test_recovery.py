"""Twenty simulated annotators of known skill and leanings: what is estimated of few items is what they do on many.

The truth is the same people on very many items, so the intervals are held to what they claim: these annotators, not all
that there might be.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, spearmanr

from annotation.simulation.annotator import SimulatedAnnotator
from annotation.simulation.sample import SampledJudgments, sample_judgments
from comparisons.aggregation import find_plurality, fit_dawid_skene, tabulate_judgments
from comparisons.bias import preference_effects
from comparisons.quality import wilson_share

PEOPLE = [
    SimulatedAnnotator(
        skill=0.25 + 0.035 * number,
        seed=100 + number,
        position_bias=(0.0, 0.1, 0.25, -0.15)[number % 4],
        length_bias=(0.0, 0.3)[number % 2],
    )
    for number in range(20)
]
MANY, FEW, OVERLAP = 9_000, 150, 5
STUDIES = 20


def drawn(
    items: int, seed: int, people: list[SimulatedAnnotator] = PEOPLE
) -> tuple[SampledJudgments, npt.NDArray[np.float64]]:
    """Judgments of pairs of unequal length, and log₂ of how much longer the response shown first is, for each."""
    lengths = np.exp(np.random.default_rng(seed).normal(6, 0.6, (items, 2))).astype(np.int64)
    sample = sample_judgments(people, items, seed=seed, overlap=OVERLAP, ties=False, lengths=lengths)
    first, second = lengths[sample.item, sample.first_shown], lengths[sample.item, 1 - sample.first_shown]
    return sample, np.log2(first / second)


def took_first(sample: SampledJudgments) -> npt.NDArray[np.float64]:
    return ((sample.preference < 0) == (sample.first_shown == 0)).astype(np.float64)


def is_right(sample: SampledJudgments) -> npt.NDArray[np.bool_]:
    return np.asarray(np.sign(sample.preference) == np.sign(sample.truth[sample.item]))


@cache
def many() -> tuple[SampledJudgments, npt.NDArray[np.float64]]:
    return drawn(MANY, seed=1)


def effects_in(sample: SampledJudgments, longer: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Estimate, low and high of the lean to the first place and of length, shape (2, 3)."""
    report = preference_effects(took_first(sample), longer[:, np.newaxis], sample.item, keys=["length"])
    assert report.converged and report.reason is None
    return np.array([[e.log_odds, e.low, e.high] for e in report.effects])


def test_the_leanings_of_few_items_hold_those_of_many() -> None:
    known = effects_in(*many())[:, 0]
    assert known.min() > 0.1  # to the first place, and to what is longer
    held = np.zeros(2)
    for seed in range(2, 2 + STUDIES):
        found = effects_in(*drawn(FEW, seed))
        held += (found[:, 1] <= known) & (known <= found[:, 2])
    assert (held >= binom.ppf(0.001, STUDIES, 0.95)).all(), held


def test_each_persons_skill_and_lean_lie_in_their_intervals() -> None:
    sample, _ = drawn(8 * FEW, seed=40)
    whole, _ = many()
    held = np.zeros(2)
    leans = []
    for number in range(len(PEOPLE)):
        own, all_of_them = sample.annotator == number, whole.annotator == number
        right = is_right(sample)[own]
        share = wilson_share(int(right.sum()), len(right))
        assert share.low is not None and share.high is not None
        held[0] += share.low <= is_right(whole)[all_of_them].mean() <= share.high
        report = preference_effects(
            took_first(sample)[own], np.zeros((own.sum(), 0)), sample.item[own], keys=[]
        )
        [lean] = report.effects
        leans.append(lean.points)
        points = 100 * (took_first(whole)[all_of_them].mean() - 0.5)
        held[1] += lean.points_low <= points <= lean.points_high
    assert (held >= binom.ppf(0.001, len(PEOPLE), 0.95)).all(), held
    assert spearmanr(leans, [person.position_bias for person in PEOPLE]).statistic > 0.7


def accuracies(people: list[SimulatedAnnotator], seed: int) -> tuple[float, float, npt.NDArray[np.float64]]:
    """How often Dawid and Skene's model and the majority are right, and how often each person is by the model."""
    sample, _ = drawn(600, seed, people)
    table = tabulate_judgments(
        sample.item, sample.annotator, (sample.preference > 0).astype(np.int64), item_count=600, class_count=2
    )
    fit = fit_dawid_skene(table)
    assert fit.converged and fit.posterior is not None and fit.confusion is not None
    truth = (sample.truth > 0).astype(np.int64)
    by_model = float((fit.posterior.argmax(axis=1) == truth).mean())
    return (
        by_model,
        find_plurality(table).agreement_share(truth),
        np.diagonal(fit.confusion, axis1=1, axis2=2).mean(axis=1),
    )


def test_dawid_and_skene_beat_the_majority_where_people_differ_and_lose_nothing_where_they_do_not() -> None:
    uneven = [SimulatedAnnotator(skill=0.9 if number < 5 else 0.15, seed=number) for number in range(20)]
    even = [SimulatedAnnotator(skill=0.5, seed=number) for number in range(20)]
    gains = {True: [], False: []}
    for seed in range(3):
        for differ, people in ((True, uneven), (False, even)):
            by_model, by_majority, skills = accuracies(people, seed)
            gains[differ].append(by_model - by_majority)
            if differ:
                assert skills[:5].min() > skills[5:].max()
    assert min(gains[True]) > 0.03
    assert min(gains[False]) > -0.02
