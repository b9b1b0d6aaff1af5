"""The texts of a release that is being cut, streamed row by row."""

from collections.abc import Callable, Iterator, Sequence

from annotation.models import Completion, Item
from exporters.formats import Pair
from exporters.snapshot import SelectedRow

ROWS_AT_ONCE = 500


class SelectedContent:
    """What a format reads while its release is being cut (see `ReleaseContent`)."""

    def __init__(self, rows: Sequence[SelectedRow], progress: Callable[[float], None]) -> None:
        self.rows = rows
        self.progress = progress

    def pairs(self) -> Iterator[Pair]:
        for start in range(0, len(self.rows), ROWS_AT_ONCE):
            rows = self.rows[start : start + ROWS_AT_ONCE]
            prompts = dict(Item.objects.filter(pk__in={row.item for row in rows}).values_list("pk", "prompt"))
            ids = {pk for row in rows for pk in (row.chosen, row.rejected)}
            texts = dict(Completion.objects.filter(pk__in=ids).values_list("pk", "messages"))
            for row in rows:
                yield Pair(
                    id=row.id,
                    item=row.external_id,
                    split=row.split,
                    protocol=row.protocol,
                    prompt=prompts[row.item],
                    chosen=texts[row.chosen],
                    rejected=texts[row.rejected],
                    strength=row.strength,
                    judgments=len(row.judgment_ids),
                )
            self.progress((start + len(rows)) / len(self.rows))
