"""What one more judgment is worth, and how many items an interval takes."""

import numpy as np
import pytest

from comparisons.agreement import krippendorff_alpha, tabulate_ratings
from comparisons.stopping import expected_gains, forecast_width

ANSWERS = np.array([[0.7, 0.2, 0.1], [0.15, 0.8, 0.05], [0.1, 0.3, 0.6]])


def test_the_gain_equals_what_simulated_judgments_bring() -> None:
    """Class and answer drawn a million times: how much oftener the most probable class is right."""
    rng = np.random.default_rng(6)
    posterior = np.array([[0.4, 0.35, 0.25], [0.98, 0.01, 0.01], [0.1, 0.45, 0.45]])
    gains = expected_gains(posterior, ANSWERS)
    n = 1_000_000
    for belief, gain in zip(posterior, gains, strict=True):
        truth = rng.choice(3, p=belief, size=n)
        answer = (rng.random(n)[:, np.newaxis] > ANSWERS.cumsum(axis=1)[truth]).sum(axis=1).clip(max=2)
        guess = (belief[:, np.newaxis] * ANSWERS).argmax(axis=0)[answer]
        assert np.mean(guess == truth) - belief.max() == pytest.approx(gain, abs=0.002)
    assert gains[1] == 0 < gains[2] < gains[0]


def test_a_person_who_guesses_is_worth_nothing() -> None:
    assert expected_gains([[0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]) == pytest.approx([0.0])
    assert expected_gains([[0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx([0.5])


@pytest.mark.parametrize(
    ("posterior", "confusion", "message"),
    [
        ([[0.5, 0.6]], [[1, 0], [0, 1]], "distribution"),
        ([[0.5, 0.5]], [[1, 0], [0.5, 0]], "distribution"),
        ([0.5, 0.5], [[1, 0], [0, 1]], "shape"),
    ],
)
def test_what_is_no_distribution_is_refused(posterior: object, confusion: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expected_gains(posterior, confusion)  # type: ignore[arg-type]


def test_the_forecast_is_the_width_that_so_many_items_give() -> None:
    """α of simulated people: at the forecast number of items its interval has the width that was asked for."""

    def interval(items: int) -> tuple[float, float]:
        rng = np.random.default_rng(items)
        truth = np.repeat(rng.integers(0, 2, items), 3)
        answers = np.where(rng.random(items * 3) < 0.85, truth, 1 - truth)
        table = tabulate_ratings(np.repeat(np.arange(items), 3), np.tile(np.arange(3), items), answers)
        result = krippendorff_alpha(table, level="nominal", seed=1)
        assert result.low is not None and result.high is not None
        return result.low, result.high

    low, high = interval(200)
    forecast = forecast_width(low=low, high=high, items=200, width=0.06, price_per_item=0.9)
    assert forecast.items is not None and forecast.more == forecast.items - 200
    assert forecast.cost == pytest.approx(0.9 * forecast.more)
    low, high = interval(forecast.items)
    assert high - low == pytest.approx(0.06, rel=0.15)


def test_a_forecast_without_ground_is_a_sentence() -> None:
    assert forecast_width(low=None, high=None, items=5, width=0.1).reason == "There is no interval yet."
    assert forecast_width(low=1.0, high=1.0, items=50, width=0.1).reason == (
        "The interval has no width: all items agree."
    )
    assert forecast_width(low=0.4, high=0.45, items=50, width=0.1).more == 0
    with pytest.raises(ValueError, match="width above 0"):
        forecast_width(low=0.1, high=0.2, items=5, width=0)
