"""When to stop asking: pure functions on arrays, no database."""

from comparisons.stopping.certainty import DECIDED, MIN_JUDGMENTS, certainty, tie_probability
from comparisons.stopping.cost import Forecast, forecast_width
from comparisons.stopping.gain import expected_gains

__all__ = [
    "DECIDED",
    "MIN_JUDGMENTS",
    "Forecast",
    "certainty",
    "expected_gains",
    "forecast_width",
    "tie_probability",
]
