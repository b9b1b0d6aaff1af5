"""TRL's stepwise supervision, as a schema: nobody is asked about single steps yet, and its trainer is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, Record, ReleaseContent


class StepwiseFormat:
    """A release in this format is refused: an empty file would look like data."""

    key = "stepwise"
    title = "Labelled steps (prompt, completions, labels): not available"
    trainers = "TRL's PRMTrainer up to 1.13; its trainer is gone"
    unit = "completion in labelled steps"
    sample_column = "completions"
    tag = "prm"
    note = ""
    refusal = (
        "Nobody was asked about single steps, so the format stepwise has nothing to hold; its trainer, PRMTrainer, is "
        "gone from TRL after 1.13."
    )
    reads_judgments = False
    holds_words = False
    columns: Mapping[str, str] = {
        "prompt": "The conversation up to the completion, as messages of role and content.",
        "completions": "The steps of the completion, in their order.",
        "labels": "For each step, whether it is right.",
    }
    schema = pa.schema(
        [
            pa.field("prompt", MESSAGES),
            pa.field("completions", pa.list_(pa.string())),
            pa.field("labels", pa.list_(pa.bool_())),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        return iter(())


stepwise = StepwiseFormat()
