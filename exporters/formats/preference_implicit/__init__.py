"""TRL's preference pairs without a prompt column: both sides hold the whole conversation. RewardTrainer and DPOTrainer
find the prompt as what the two have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, SOFT_LABEL, Record, ReleaseContent


class PreferenceImplicitFormat:
    key = "preference-implicit"
    title = "Preference pairs, prompt inside (chosen, rejected)"
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
        "chosen": "The whole conversation with the completion that was preferred, as messages of role and content.",
        "rejected": "The whole conversation with the other completion, as messages.",
        "soft_label": SOFT_LABEL,
        "protocol": "Kind and version of the protocol under which the item was judged.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("item", pa.string()),
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
                    "chosen": [*pair.prompt, *pair.chosen],
                    "rejected": [*pair.prompt, *pair.rejected],
                    "soft_label": pair.soft_label,
                    "protocol": pair.protocol,
                },
            )


preference_implicit = PreferenceImplicitFormat()
