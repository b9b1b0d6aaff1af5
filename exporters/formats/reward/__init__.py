"""Preference pairs with a margin, for TRL's RewardTrainer.

Its loss is −log σ(reward of chosen − reward of rejected − margin), and one null margin fails the whole training. A
label without a strength gets the margin 0.0: for that row the loss is then exactly the one without margins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from exporters.formats import MESSAGES, SOFT_LABEL, Record, ReleaseContent


class RewardFormat:
    key = "reward"
    title = "Preference pairs with a margin (prompt, chosen, rejected, margin)"
    trainers = (
        "TRL's RewardTrainer, which asks for a reward that is higher by the margin; DPOTrainer ignores it"
    )
    unit = "preference pair"
    sample_column = "margin"
    tag = "reward-model"
    note = (
        "`margin` is how much better the chosen completion was found: for the labels every and mean_strength in steps "
        "of the protocol's scale (places of a ranking, points of a rating), for majority the votes for it less the "
        "votes against it, as a share of all, and 1.0 for what a reviewer decided (adjudicated). It is 0.0, which "
        "changes nothing in the loss, for a tie kept in both orders, for labels that came with the data and for "
        "revisions: those have no strength."
    )
    refusal = ""
    reads_judgments = False
    holds_words = True
    columns: Mapping[str, str] = {
        "id": "Batch, item and completions: the same in every release of this project.",
        "item": "The id that the item was imported with.",
        "prompt": "The conversation up to the completion, as messages of role and content.",
        "chosen": "The completion that was preferred, as messages.",
        "rejected": "The other completion, as messages.",
        "margin": "How much better it was found, 0 or more; RewardTrainer puts it into its loss.",
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
            pa.field("margin", pa.float64()),
            pa.field("soft_label", pa.float64()),
            pa.field("protocol", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        for pair in content.pairs():
            if pair.strength is None:
                content.warn("without a strength, which have the margin 0.0")
            yield (
                pair.split,
                {
                    "id": pair.id,
                    "item": pair.item,
                    "prompt": pair.prompt,
                    "chosen": pair.chosen,
                    "rejected": pair.rejected,
                    "margin": 0.0 if pair.strength is None else float(pair.strength),
                    "soft_label": pair.soft_label,
                    "protocol": pair.protocol,
                },
            )


reward = RewardFormat()
