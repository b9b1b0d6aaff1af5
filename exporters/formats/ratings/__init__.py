"""What people rated: one record for each judgment and completion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, Record, ReleaseContent

RATINGS = pa.list_(
    pa.struct(
        [
            pa.field("criterion", pa.string()),
            pa.field("value", pa.int32()),
            pa.field("low", pa.int32()),
            pa.field("high", pa.int32()),
        ]
    )
)


class RatingsFormat:
    key = "ratings"
    title = "Ratings (prompt, completion, value on each criterion)"
    trainers = "your own analysis or regression on values"
    unit = "rated completion"
    sample_column = "ratings"
    tag = "rating"
    note = "One record for each judgment and completion, also of items with a single completion. Nothing is averaged."
    refusal = ""
    reads_judgments = True
    holds_words = False
    columns: Mapping[str, str] = {
        "id": "Batch, item, completion and judgment: the same in every release of this project.",
        "item": "The id that the item was imported with.",
        "prompt": "The conversation up to the completion, as messages of role and content.",
        "completion": "The completion that was rated, as messages.",
        "model": "The model that made it, if the data named one.",
        "annotator": "Pseudonym of the person who rated it.",
        "ratings": "For each criterion its key, the value, and the lowest and highest value that could be given.",
        "protocol": "Kind and version of the protocol under which it was rated.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("item", pa.string()),
            pa.field("prompt", MESSAGES),
            pa.field("completion", MESSAGES),
            pa.field("model", pa.string()),
            pa.field("annotator", pa.string()),
            pa.field("ratings", RATINGS),
            pa.field("protocol", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        for judged in content.judgments():
            if judged.kind != "rating":
                continue
            for place, completion in enumerate(judged.completions):
                yield (
                    judged.split,
                    {
                        "id": f"{judged.group}-{completion.position}-{judged.judgment}",
                        "item": judged.item,
                        "prompt": judged.prompt,
                        "completion": completion.messages,
                        "model": completion.model,
                        "annotator": judged.annotator,
                        "ratings": [
                            {
                                "criterion": scale.key,
                                "value": judged.answers[scale.key][place],
                                "low": scale.low,
                                "high": scale.high,
                            }
                            for scale in judged.criteria
                        ],
                        "protocol": judged.protocol,
                    },
                )


ratings = RatingsFormat()
