"""Whole conversations to imitate, for TRL's SFTTrainer: what people wrote, else what they preferred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, Record, ReleaseContent
from exporters.formats.tally import tallies


class MessagesFormat:
    key = "messages"
    title = "Conversations to imitate (messages)"
    trainers = "TRL's SFTTrainer"
    unit = "conversation"
    sample_column = "messages"
    tag = "sft"
    note = (
        "Every text that people wrote is one conversation. Of an item about which nobody wrote, the one completion "
        "that won most (pairs won less pairs lost) is taken; an item whose best completions draw level has none."
    )
    refusal = ""
    reads_judgments = False
    holds_words = True
    columns: Mapping[str, str] = {
        "id": "Batch, item and completion or judgment: the same in every release of this project.",
        "item": "The id that the item was imported with.",
        "messages": "The whole conversation, as messages of role and content; the assistant has the last word.",
        "source": "demonstration or revision: written by a person; preferred: a completion that people preferred.",
        "protocol": "Kind and version of the protocol under which it was written or judged.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("item", pa.string()),
            pa.field("messages", MESSAGES),
            pa.field("source", pa.string()),
            pa.field("protocol", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        written = set()
        for text in content.texts():
            written.add(text.group)
            yield (
                text.split,
                {
                    "id": text.id,
                    "item": text.item,
                    "messages": [*text.prompt, *text.completion],
                    "source": text.source,
                    "protocol": text.protocol,
                },
            )
        for texts in tallies(pair for pair in content.pairs() if pair.group not in written):
            highest = max(text.balance for text in texts)
            best = [text for text in texts if text.balance == highest]
            if len(best) > 1:
                content.warn("left out: the best completions of the item draw level")
                continue
            first = best[0].first
            yield (
                first.split,
                {
                    "id": best[0].key,
                    "item": first.item,
                    "messages": [*first.prompt, *best[0].completion],
                    "source": "preferred",
                    "protocol": first.protocol,
                },
            )


messages = MessagesFormat()
