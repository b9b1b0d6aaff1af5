"""Simulated studies whose agreement on endless items is known, to see how often the intervals hold it.

A study has 3 to 5 people with confusion matrices of their own, 2 to 5 values of unequal frequency and 100 to 400
items; everybody rates every item. Given the item's true value the people answer independently, so the chance of any
two answers, and with it each coefficient for infinitely many items, is a sum over the true values.
"""

from dataclasses import dataclass

import numpy as np

from comparisons.agreement import (
    Bootstrap,
    Estimate,
    annotator_accuracy,
    gwet_ac,
    index_ratings,
    krippendorff_alpha,
)

COEFFICIENTS = ("alpha nominal", "alpha ordinal", "AC1", "accuracy")


@dataclass(frozen=True)
class Study:
    """``shares`` has shape (V,): how often each value is true. ``answers`` has shape (A, V, V): given the truth."""

    shares: np.ndarray
    answers: np.ndarray
    items: int
    rng: np.random.Generator

    @classmethod
    def drawn(cls, seed: int) -> "Study":
        rng = np.random.default_rng(seed)
        values, people = int(rng.integers(2, 6)), int(rng.integers(3, 6))
        shares = rng.dirichlet(np.full(values, 3.0))
        steps = np.abs(np.subtract.outer(np.arange(values), np.arange(values)))
        # Who errs is more often near the truth than far from it.
        wrong = np.where(steps > 0, 0.5**steps, 0.0)
        wrong /= wrong.sum(axis=1, keepdims=True)
        skill = rng.uniform(0.55, 0.95, size=(people, 1, 1))
        answers = skill * np.eye(values) + (1 - skill) * wrong
        return cls(shares, answers, int(rng.integers(100, 401)), rng)

    def truth(self) -> dict[str, float]:
        """Each coefficient for infinitely many items; the accuracy is that of the first person."""
        people, values = len(self.answers), len(self.shares)
        given = self.shares @ self.answers  # (A, V): how often each person gives each value
        totals = given.mean(axis=0)
        # The chance of value c from one person and k from another on an item, over all ordered pairs.
        both = np.einsum("t,atc,btk->ck", self.shares, self.answers, self.answers)
        same = np.einsum("t,atc,atk->ck", self.shares, self.answers, self.answers)
        pairs = (both - same) / (people * (people - 1))
        ranks = np.cumsum(totals) - totals / 2
        distances = {
            "alpha nominal": 1 - np.eye(values),
            "alpha ordinal": np.subtract.outer(ranks, ranks) ** 2,
        }
        known = {name: float(1 - (pairs * d).sum() / (totals @ d @ totals)) for name, d in distances.items()}
        chance = (totals * (1 - totals)).sum() / (values - 1)
        known["AC1"] = float((np.trace(pairs) - chance) / (1 - chance))
        known["accuracy"] = float(self.shares @ np.diag(self.answers[0]))
        return known

    def estimates(self, items: int | None = None, n_resamples: int = 1000) -> dict[str, Estimate]:
        """The product's results on one sample of the study's items."""
        n = items or self.items
        true = self.rng.choice(len(self.shares), p=self.shares, size=n)
        below = np.cumsum(self.answers, axis=2)[:, true]  # (A, n, V)
        rows = (self.rng.random((len(self.answers), n, 1)) > below[..., :-1]).sum(axis=2)
        people, units = (index.ravel() for index in np.indices(rows.shape))
        # The scale is known to have all the values, whether or not they occur.
        table = index_ratings(units, people, rows.ravel(), domain=np.arange(len(self.shares))).table()
        bootstrap = Bootstrap(seed=0, n_resamples=n_resamples)
        [first] = annotator_accuracy(np.zeros(n), rows[0] == true, np.arange(n), bootstrap)
        return {
            "alpha nominal": krippendorff_alpha(table, level="nominal", seed=0, n_resamples=n_resamples),
            "alpha ordinal": krippendorff_alpha(table, level="ordinal", seed=0, n_resamples=n_resamples),
            "AC1": gwet_ac(table, bootstrap),
            "accuracy": first,
        }


def coverage(studies: int, first_seed: int) -> dict[str, float]:
    """The share of studies whose 95 % interval holds the value for infinitely many items."""
    held = dict.fromkeys(COEFFICIENTS, 0)
    for seed in range(first_seed, first_seed + studies):
        study = Study.drawn(seed)
        truth = study.truth()
        for name, result in study.estimates().items():
            assert result.low is not None and result.high is not None, result.reason
            held[name] += result.low <= truth[name] <= result.high
    return {name: count / studies for name, count in held.items()}
