"""Answers that came faster than anybody could have read what they are about."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FAST_CHARACTERS_PER_SECOND = 90.0
"""Four times the mean speed of silent reading of English: 238 words of 4.6 letters and a space a minute are 22
characters a second (M. Brysbaert, Journal of Memory and Language 109 (2019) 104047). Scripts that say more with a
character are read more slowly by it, so the bound is safe there too."""


def is_too_fast(
    active_seconds: npt.ArrayLike,
    characters: npt.ArrayLike,
    *,
    fast: float = FAST_CHARACTERS_PER_SECOND,
) -> npt.NDArray[np.bool_]:
    """Which answers took less than `characters` / `fast` seconds; both of shape (n,), of one answer each.

    `characters` counts prompt and completions. Raises ValueError for lengths that differ, and for negative or missing
    values: an answer without a time is left out by the caller, and counted.
    """
    seconds, length = np.asarray(active_seconds, dtype=np.float64), np.asarray(characters, dtype=np.float64)
    if seconds.shape != length.shape or seconds.ndim != 1:
        raise ValueError("active_seconds and characters need one entry for each answer")
    if not bool(np.all(seconds >= 0)) or not bool(np.all(length >= 0)):
        raise ValueError("seconds and characters must be 0 or more, and none may be missing")
    return np.asarray(seconds < length / fast)
