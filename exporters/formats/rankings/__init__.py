"""What people ranked: for each item and criterion every ranking, and their mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import pyarrow as pa

from exporters.formats import MESSAGES, Judged, Record, ReleaseContent

COMPLETIONS = pa.list_(pa.struct([pa.field("model", pa.string()), pa.field("messages", MESSAGES)]))
RANKINGS = pa.list_(
    pa.struct(
        [
            pa.field("judgment", pa.int64()),
            pa.field("annotator", pa.string()),
            pa.field("ranks", pa.list_(pa.int32())),
        ]
    )
)


class RankingsFormat:
    key = "rankings"
    title = "Rankings (prompt, completions, ranks)"
    trainers = "your own analysis or listwise training"
    unit = "ranked item"
    sample_column = "mean_ranks"
    tag = "ranking"
    note = (
        "One record for each item and criterion. A rank is 1 for the best; completions that were put level share the "
        "lower number (1, 2, 2, 4). For `mean_ranks` those that share places have the mean of those places (1, 2.5, "
        "2.5, 4), so that a tie favours nobody; it is the order of Borda's count."
    )
    refusal = ""
    reads_judgments = True
    holds_words = False
    columns: Mapping[str, str] = {
        "id": "Batch, item and criterion: the same in every release of this project.",
        "item": "The id that the item was imported with.",
        "criterion": "Key of the question that was asked; overall is one of them.",
        "prompt": "The conversation up to the completions, as messages of role and content.",
        "completions": "All completions in the order of import, each with its model and its messages.",
        "rankings": "For each judgment its id, the pseudonym of its annotator and a rank for each completion.",
        "mean_ranks": "For each completion the mean of its places over the judgments.",
        "protocol": "Kind and version of the protocol under which the item was judged.",
    }
    schema = pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("item", pa.string()),
            pa.field("criterion", pa.string()),
            pa.field("prompt", MESSAGES),
            pa.field("completions", COMPLETIONS),
            pa.field("rankings", RANKINGS),
            pa.field("mean_ranks", pa.list_(pa.float64())),
            pa.field("protocol", pa.string()),
        ]
    )

    def records(self, content: ReleaseContent) -> Iterator[tuple[str, Record]]:
        ranked = (judged for judged in content.judgments() if judged.kind == "ranking")
        for _, group in groupby(ranked, key=attrgetter("group")):
            judgments = list(group)
            for scale in judgments[0].criteria:
                yield judgments[0].split, record_of(judgments, scale.key)


def record_of(judgments: Sequence[Judged], criterion: str) -> Record:
    """The rankings of one item on one criterion."""
    first = judgments[0]
    said = [judged.answers[criterion] for judged in judgments]
    places = [places_of(ranks) for ranks in said]
    return {
        "id": f"{first.group}-{criterion}",
        "item": first.item,
        "criterion": criterion,
        "prompt": first.prompt,
        "completions": [{"model": c.model, "messages": c.messages} for c in first.completions],
        "rankings": [
            {"judgment": judged.judgment, "annotator": judged.annotator, "ranks": ranks}
            for judged, ranks in zip(judgments, said, strict=True)
        ],
        "mean_ranks": [sum(column) / len(column) for column in zip(*places, strict=True)],
        "protocol": first.protocol,
    }


def places_of(ranks: Sequence[int]) -> list[float]:
    """Competition ranks (1, 2, 2, 4) as fractional ones (1, 2.5, 2.5, 4)."""
    return [rank + (ranks.count(rank) - 1) / 2 for rank in ranks]


rankings = RankingsFormat()
