"""Preference pairs for tests: real ones, and invented ones whose rule is known."""

import gzip
import json
from pathlib import Path

import numpy as np

from rewards.pairs import PreferencePair

WORDS = [
    "apple",
    "river",
    "stone",
    "quiet",
    "morning",
    "seven",
    "clear",
    "answer",
    "because",
    "light",
    "paper",
]


def hh_pairs(shared_data: Path) -> list[PreferencePair]:
    """anthropics/hh-rlhf harmless-base test (MIT), 2,312 pairs; identical texts are dropped."""
    pairs = []
    with gzip.open(shared_data / "hh_harmless" / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            prompt, chosen = row["chosen"].rsplit("\n\nAssistant:", 1)
            rejected = row["rejected"].rsplit("\n\nAssistant:", 1)[1]
            if chosen.strip() != rejected.strip():
                pairs.append(PreferencePair(prompt, chosen.strip(), rejected.strip()))
    return pairs


def invented_pairs(n: int, *, seed: int = 0, per_prompt: int = 1) -> list[PreferencePair]:
    """Pairs in which the completion with more question marks was chosen; length says nothing."""
    rng = np.random.default_rng(seed)

    def text(questions: int) -> str:
        return " ".join(rng.choice(WORDS, size=rng.integers(5, 40))) + "?" * questions

    return [
        PreferencePair(f"Prompt {index // per_prompt}: what now?", text(3), text(0)) for index in range(n)
    ]
