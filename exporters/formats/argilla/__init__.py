"""Records for Argilla 2: each is what `argilla.Record.from_dict` reads.

The label stands as a suggestion, because a response of Argilla belongs to one of its own users, whom we do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, Record, ReleaseContent

FIELDS = pa.struct(
    [pa.field("prompt", MESSAGES), pa.field("response_1", MESSAGES), pa.field("response_2", MESSAGES)]
)
SUGGESTION = pa.struct([pa.field("value", pa.string()), pa.field("agent", pa.string())])
METADATA = pa.struct(
    [pa.field("item", pa.string()), pa.field("protocol", pa.string()), pa.field("judgments", pa.int32())]
)
AGENT = "concord"


class ArgillaFormat:
    key = "argilla"
    title = "Records for Argilla (fields, suggestions, metadata)"
    trainers = (
        "`argilla.Record.from_dict`, for a dataset with the chat fields prompt, response_1 and response_2 and the "
        "label question preferred"
    )
    unit = "preference pair"
    sample_column = "suggestions"
    tag = "preference"
    note = (
        "The responses stand in the order of import, a revision behind what it revises; the suggestion says which is "
        "better."
    )
    refusal = ""
    reads_judgments = False
    holds_words = True
    columns: Mapping[str, str] = {
        "id": "Batch, item and completions: the same in every release of this project.",
        "fields": "prompt, response_1 and response_2, each as messages of role and content.",
        "suggestions": "For the question preferred: response_1 or response_2, suggested by the agent concord.",
        "metadata": "The id that the item was imported with, the protocol, and how many judgments the label rests on.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("fields", FIELDS),
            pa.field("suggestions", pa.struct([pa.field("preferred", SUGGESTION)])),
            pa.field("metadata", METADATA),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        for pair in content.pairs():
            first, second = (pair.rejected, pair.chosen) if pair.is_swapped else (pair.chosen, pair.rejected)
            better = "response_2" if pair.is_swapped else "response_1"
            yield (
                pair.split,
                {
                    "id": pair.id,
                    "fields": {"prompt": pair.prompt, "response_1": first, "response_2": second},
                    "suggestions": {"preferred": {"value": better, "agent": AGENT}},
                    "metadata": {"item": pair.item, "protocol": pair.protocol, "judgments": pair.judgments},
                },
            )


argilla = ArgillaFormat()
