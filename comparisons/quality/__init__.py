"""How well a person judges: pure functions on arrays, no database. They propose; people decide."""

from comparisons.quality.drift import Drift, watch_accuracy
from comparisons.quality.pace import FAST_CHARACTERS_PER_SECOND, is_too_fast
from comparisons.quality.runs import LongestRun, longest_run
from comparisons.quality.shares import Share, wilson_share

__all__ = [
    "FAST_CHARACTERS_PER_SECOND",
    "Drift",
    "LongestRun",
    "Share",
    "is_too_fast",
    "longest_run",
    "watch_accuracy",
    "wilson_share",
]
