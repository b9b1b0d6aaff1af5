"""What every look at the judgments answers with: one row of `Statistic`, before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Either `value` is a number and `reason` is empty, or `reason` says why there is none (`models.Statistic`)."""

    family: str
    name: str
    n: int
    counted: str
    method: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p_adjusted: float | None = None
    reason: str = ""
    criterion: str = ""
    slice_by: str = ""
    slice_value: str = ""
    annotator_id: int | None = None
    confidence: float = CONFIDENCE


Step = Callable[[], list[Figure]]
"""One part of a computation; between two the job may be cancelled."""
