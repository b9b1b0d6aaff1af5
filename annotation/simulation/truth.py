"""What is right about an item, as the simulation knows it.

A lease shows content and no ids, so truth is found by content: by the prompt and the completions in any
order. Quality is a share of the scale in [0, 1] for each completion; a pairwise preference of p on a scale
of −n…n is a difference of p/n between the second and the first.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OVERALL = "overall"


@dataclass(frozen=True)
class ItemTruth:
    """`qualities`: criterion key → `text_key` of a completion → quality in [0, 1]."""

    qualities: Mapping[str, Mapping[str, float]]
    tie_reason: str = ""

    def quality(self, criterion: str, completion: str) -> float:
        """Quality on `criterion`; where that is not known, overall quality. Raises KeyError without either."""
        return self.qualities.get(criterion, self.qualities[OVERALL])[completion]


Truth = Mapping[str, ItemTruth]
"""`content_key` → what is right about that item."""


def messages(content: Any, role: str) -> list[dict[str, str]]:
    """Text or messages → messages; plain text is one message of `role`."""
    return [{"role": role, "content": content}] if isinstance(content, str) else list(content)


def text_key(completion: Any) -> str:
    """SHA-256 of one completion (text or messages)."""
    return _digest(messages(completion, "assistant"))


def content_key(prompt: Any, completions: Iterable[Any]) -> str:
    """SHA-256 of the prompt and the completions, whichever order they are shown in."""
    return _digest(
        [
            messages(prompt, "user"),
            sorted(text_key(completion) for completion in completions),
        ]
    )


def from_preferences(
    completions: Sequence[Any], preferences: Mapping[str, float], tie_reason: str = ""
) -> ItemTruth:
    """Truth of a pair. `preferences`: criterion → share of the scale in [−1, 1], negative: the first is better."""
    first, second = (text_key(completion) for completion in completions)
    return ItemTruth(
        {
            criterion: {first: 0.5 - share / 2, second: 0.5 + share / 2}
            for criterion, share in preferences.items()
        },
        tie_reason,
    )


def from_order(completions: Sequence[Any], order: Sequence[Sequence[int]]) -> ItemTruth:
    """Truth of a ranking. `order`: positions best first, ties share a list."""
    steps = max(len(order) - 1, 1)
    return ItemTruth(
        {
            OVERALL: {
                text_key(completions[position]): 1 - tier / steps
                for tier, positions in enumerate(order)
                for position in positions
            }
        }
    )


def from_shares(completions: Sequence[Any], shares: Sequence[Mapping[str, float]]) -> ItemTruth:
    """Truth of a rating. `shares`: for each completion, criterion → place on its scale in [0, 1]."""
    qualities: dict[str, dict[str, float]] = {}
    for completion, values in zip(completions, shares, strict=True):
        for criterion, share in values.items():
            qualities.setdefault(criterion, {})[text_key(completion)] = share
    return ItemTruth(qualities)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
