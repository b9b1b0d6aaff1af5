"""95 % intervals hold the true value about 95 times in a hundred, over studies of 100 to 400 items.

The long form (CONCORD_COVERAGE=long, 500 studies, a minute or two) prints the coverage.
"""

import os

import pytest
from scipy.stats import binom

from tests.comparisons.agreement_studies import COEFFICIENTS, Study, coverage


def test_the_truth_of_a_study_is_its_value_on_very_many_items() -> None:
    study = Study.drawn(7)
    truth = study.truth()
    for name, result in study.estimates(items=200_000, n_resamples=200).items():
        assert result.value == pytest.approx(truth[name], abs=0.006)
        assert result.low is not None and result.high is not None and result.high - result.low < 0.012


def test_intervals_hold_the_truth() -> None:
    """Forty studies; a true coverage of .95 leaves these bounds once in ten thousand times."""
    low, high = binom.ppf([5e-5, 1 - 5e-5], 40, 0.95) / 40
    for name, share in coverage(40, first_seed=1000).items():
        assert low <= share <= high, name


@pytest.mark.skipif(os.environ.get("CONCORD_COVERAGE") != "long", reason="long: set CONCORD_COVERAGE=long")
def test_coverage_over_many_studies() -> None:
    found = coverage(500, first_seed=0)
    for name in COEFFICIENTS:
        print(f"\n{name}: {found[name]:.1%} of 500 studies")
    assert all(0.92 <= share <= 0.97 for share in found.values()), found
