"""Prompts alone, for TRL's GRPOTrainer and RLOOTrainer. They hand every other column to the reward function, so there
is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import chain

import pyarrow as pa

from exporters.formats import MESSAGES, Pair, Record, ReleaseContent, Text


class PromptOnlyFormat:
    key = "prompt-only"
    title = "Prompts alone (prompt)"
    trainers = "TRL's GRPOTrainer and RLOOTrainer"
    unit = "prompt"
    sample_column = "prompt"
    tag = "prompts"
    note = "Every prompt of a labelled pair or a written text, once, however many items share it."
    refusal = ""
    reads_judgments = False
    holds_words = False
    columns: Mapping[str, str] = {
        "prompt": "A conversation that waits for an answer, as messages of role and content."
    }
    schema = pa.schema([pa.field("prompt", MESSAGES)])

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        # Hashes, not prompts: the release may be far larger than the memory.
        seen: set[bytes] = set()
        rows: Iterator[Pair | Text] = chain(content.pairs(), content.texts())
        for row in rows:
            digest = hashlib.sha256(json.dumps(row.prompt).encode()).digest()
            if digest not in seen:
                seen.add(digest)
                yield row.split, {"prompt": row.prompt}


prompt_only = PromptOnlyFormat()
