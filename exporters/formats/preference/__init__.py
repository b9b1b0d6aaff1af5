"""TRL's preference pairs with an explicit, conversational prompt: what RewardTrainer and DPOTrainer take.

There is no `margin`: RewardTrainer would use it in its loss, and a release that only says which completion is
better must not change how a model is trained. The trainers ignore the other columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, SOFT_LABEL, Record, ReleaseContent


class PreferenceFormat:
    key = "preference"
    title = "Preference pairs (prompt, chosen, rejected)"
    trainers = "TRL's RewardTrainer and DPOTrainer"
    unit = "preference pair"
    sample_column = "chosen"
    tag = "preference"
    note = ""
    refusal = ""
    reads_judgments = False
    holds_words = True
    columns: Mapping[str, str] = {
        "id": "Batch, item and completions: the same in every release of this project.",
        "item": "The id that the item was imported with.",
        "prompt": "The conversation up to the completion, as messages of role and content.",
        "chosen": "The completion that was preferred, as messages.",
        "rejected": "The other completion, as messages.",
        "soft_label": SOFT_LABEL,
        "protocol": "Kind and version of the protocol under which the item was judged.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("item", pa.string()),
            pa.field("prompt", MESSAGES),
            pa.field("chosen", MESSAGES),
            pa.field("rejected", MESSAGES),
            pa.field("soft_label", pa.float64()),
            pa.field("protocol", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        for pair in content.pairs():
            yield (
                pair.split,
                {
                    "id": pair.id,
                    "item": pair.item,
                    "prompt": pair.prompt,
                    "chosen": pair.chosen,
                    "rejected": pair.rejected,
                    "soft_label": pair.soft_label,
                    "protocol": pair.protocol,
                },
            )


preference = PreferenceFormat()
