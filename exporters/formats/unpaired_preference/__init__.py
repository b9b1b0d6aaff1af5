"""Single completions that are wanted or not, for TRL's KTOTrainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, Record, ReleaseContent
from exporters.formats.tally import UNDECIDED, tallies


class UnpairedPreferenceFormat:
    key = "unpaired-preference"
    title = "Single completions, wanted or not (prompt, completion, label)"
    trainers = "TRL's KTOTrainer, with two or more records in a batch"
    unit = "labelled completion"
    sample_column = "completion"
    tag = "kto"
    note = (
        "Each text of an item is one record, however many pairs it was in: true when it won more of them than it "
        "lost, false when it lost more. A text with as many wins as losses is left out: it is neither."
    )
    refusal = ""
    reads_judgments = False
    holds_words = True
    columns: Mapping[str, str] = {
        "id": "Batch, item and completion: the same in every release of this project.",
        "item": "The id that the item was imported with.",
        "prompt": "The conversation up to the completion, as messages of role and content.",
        "completion": "One completion, as messages.",
        "label": "Whether it was preferred.",
        "protocol": "Kind and version of the protocol under which the item was judged.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("item", pa.string()),
            pa.field("prompt", MESSAGES),
            pa.field("completion", MESSAGES),
            pa.field("label", pa.bool_()),
            pa.field("protocol", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        for texts in tallies(content.pairs()):
            for text in texts:
                if text.balance == 0:
                    content.warn(UNDECIDED)
                    continue
                yield (
                    text.first.split,
                    {
                        "id": text.key,
                        "item": text.first.item,
                        "prompt": text.first.prompt,
                        "completion": text.completion,
                        "label": text.balance > 0,
                        "protocol": text.first.protocol,
                    },
                )


unpaired_preference = UnpairedPreferenceFormat()
