"""Which side of a split a prompt falls on. Pure functions; no Django.

The side depends on the prompt, the project's split seed and the seed of the settings, on nothing else: so a
prompt never lies on two sides, and it stays on its side when a later release holds more of them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache


def split_key(project_seed: int, seed: int) -> bytes:
    """The key of one project and one set of settings."""
    return hashlib.sha256(f"split {project_seed} {seed}".encode()).digest()


@lru_cache(maxsize=8)
def with_key(key: bytes) -> hmac.HMAC:
    """`hmac.digest` would let go of Python's lock for each prompt, and wait for it."""
    return hmac.new(key, digestmod="sha256")


def side_of(prompt_hash: str, key: bytes, shares: Sequence[tuple[str, float]]) -> str:
    """The side of the prompt with this content hash.

    `shares` are (side, share) with shares above 0 that add up to 1. A keyed hash places the prompt evenly in
    [0, 1), and the shares cut that line from left to right. Raises ValueError without any share.
    """
    if not shares:
        raise ValueError("a split needs at least one side")
    keyed = with_key(key).copy()
    keyed.update(prompt_hash.encode())
    place = int.from_bytes(keyed.digest()[:8], "big") / 2**64
    end = 0.0
    for side, share in shares:
        end += share
        if place < end:
            return side
    # Shares such as three thirds add up to a little less than 1: the last side ends at 1 all the same.
    return shares[-1][0]
