"""Preference pairs as OpenAI's fine-tuning takes them (method dpo): one line of JSON for each.

An output is one assistant message. What both completions share before it belongs to the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, Record, ReleaseContent


class OpenAIFormat:
    key = "openai"
    title = "Preference pairs for OpenAI's fine-tuning (input, preferred_output, non_preferred_output)"
    trainers = "OpenAI's fine-tuning with the method dpo, from the JSONL file"
    unit = "preference pair"
    sample_column = "preferred_output"
    tag = "preference"
    note = (
        "An output is one message of the assistant. Messages that both completions share before their last stand in "
        "the input; a pair that differs earlier cannot be told in this format and is left out."
    )
    refusal = ""
    reads_judgments = False
    holds_words = True
    columns: Mapping[str, str] = {
        "input": "messages: the conversation up to the outputs, as messages of role and content.",
        "preferred_output": "The message that was preferred, in a list.",
        "non_preferred_output": "The other message, in a list.",
    }
    schema = pa.schema(
        [
            pa.field("input", pa.struct([pa.field("messages", MESSAGES)])),
            pa.field("preferred_output", MESSAGES),
            pa.field("non_preferred_output", MESSAGES),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        for pair in content.pairs():
            if pair.chosen[:-1] != pair.rejected[:-1]:
                content.warn("left out: its completions differ before their last message")
                continue
            yield (
                pair.split,
                {
                    "input": {"messages": [*pair.prompt, *pair.chosen[:-1]]},
                    "preferred_output": pair.chosen[-1:],
                    "non_preferred_output": pair.rejected[-1:],
                },
            )


openai = OpenAIFormat()
