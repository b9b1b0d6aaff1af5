"""When to stop asking: pure functions on arrays, no database."""

from comparisons.stopping.cost import Forecast, forecast_width
from comparisons.stopping.gain import expected_gains

__all__ = ["Forecast", "expected_gains", "forecast_width"]
