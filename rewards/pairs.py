"""Preference pairs as the reward code sees them, and their split by prompt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PreferencePair:
    """One prompt with the completion that was preferred and the one that was not, all as plain text.

    A conversation is written out one message after another, with the role before each (see
    ``text_of_messages``); a completion of one message is that message's text.
    """

    prompt: str
    chosen: str
    rejected: str


def text_of_messages(messages: Sequence[dict[str, str]]) -> str:
    """A conversation as text. One message is its content alone; of several each starts with its role."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def normalised_prompt(prompt: str) -> str:
    """What makes a prompt the same: white space at the ends and letter case do not."""
    return prompt.strip().casefold()


def prompt_groups(pairs: Sequence[PreferencePair]) -> npt.NDArray[np.int64]:
    """Shape (P,): pairs with the same normalised prompt have the same number, from 0 as they appear."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(normalised_prompt(pair.prompt), len(seen)) for pair in pairs], np.int64)


def split_by_prompt(
    pairs: Sequence[PreferencePair], *, seed: int, test_share: float = 0.2
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of the training and the test pairs; no prompt is in both.

    About ``test_share`` of the *prompts* go to the test part, at least one; which ones depends only on the
    prompts and the seed, not on the order of the pairs. Raises ValueError with fewer than two prompts.
    """
    groups = prompt_groups(pairs)
    n_prompts = int(groups.max(initial=-1)) + 1
    if n_prompts < 2:
        raise ValueError(f"a split by prompt needs at least two prompts, got {n_prompts}")
    first = {int(group): pair.prompt for group, pair in zip(groups[::-1], reversed(pairs), strict=True)}
    digests = {
        group: hashlib.sha256(f"{seed}\0{normalised_prompt(prompt)}".encode()).digest()
        for group, prompt in first.items()
    }
    by_digest = sorted(digests, key=digests.__getitem__)
    test_groups = by_digest[: max(1, round(n_prompts * test_share))]
    in_test = np.isin(groups, test_groups)
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)
