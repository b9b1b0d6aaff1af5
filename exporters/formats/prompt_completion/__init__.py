"""TRL's prompt and completion, both as messages: what SFTTrainer takes.

One row for each text that somebody wrote: demonstrations, and completions as they read after a revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, Record, ReleaseContent


class PromptCompletionFormat:
    key = "prompt-completion"
    title = "Written texts (prompt, completion)"
    trainers = "TRL's SFTTrainer"
    unit = "written text"
    sample_column = "completion"
    tag = "sft"
    note = ""
    refusal = ""
    reads_judgments = False
    holds_words = True
    columns: Mapping[str, str] = {
        "id": "Batch, item and judgment: the same in every release of this project.",
        "item": "The id that the item was imported with.",
        "prompt": "The conversation up to the completion, as messages of role and content.",
        "completion": "What a person wrote, as messages.",
        "source": "demonstration: written afresh; revision: a completion as a person left it after their critique.",
        "protocol": "Kind and version of the protocol under which it was written.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("item", pa.string()),
            pa.field("prompt", MESSAGES),
            pa.field("completion", MESSAGES),
            pa.field("source", pa.string()),
            pa.field("protocol", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        for text in content.texts():
            yield (
                text.split,
                {
                    "id": text.id,
                    "item": text.item,
                    "prompt": text.prompt,
                    "completion": text.completion,
                    "source": text.source,
                    "protocol": text.protocol,
                },
            )


prompt_completion = PromptCompletionFormat()
