"""The texts of a release that is being cut, streamed row by row."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import chain

import orjson
from django.db.models import TextField
from django.db.models.functions import Cast

from annotation.ids import among
from annotation.jobs import JobFailed
from annotation.models import Completion, Item
from comparisons.selectors import texts_of
from exporters.ahead import read_ahead
from exporters.formats import Judged, Messages, Pair, Scale, Text
from exporters.judged import ERASED_MEANWHILE, judged
from exporters.selection import SelectedRow, SelectedText, Selection
from exporters.words import counted

ROWS_AT_ONCE = 500
JUDGMENTS_AT_ONCE = 1500


def group_of(row: str) -> str:
    """Batch and number of the item that a row is about: "1-4" of "1-4-0-1"."""
    return "-".join(row.split("-")[:2])


def prompts_of(items: Collection[int]) -> dict[int, Messages]:
    """By item its prompt. Read as text: the driver's own parser of JSON takes five times as long."""
    rows = Item.objects.filter(among("pk", items)).values_list("pk", Cast("prompt", TextField()))
    return {pk: orjson.loads(prompt) for pk, prompt in rows}


def completions_of(ids: Collection[int]) -> dict[int, tuple[int, Messages]]:
    """By completion its position and its messages."""
    rows = Completion.objects.filter(among("pk", ids)).order_by()
    columns = rows.values_list("pk", "position", Cast("messages", TextField()))
    return {pk: (position, orjson.loads(messages)) for pk, position, messages in columns}


def texts_of_rows(
    rows: Collection[SelectedRow],
) -> tuple[dict[int, Messages], dict[int, tuple[int, Messages]]]:
    """Prompts by item, and what `completions_of` says of both sides of each row."""
    both = set(chain.from_iterable((row.chosen, row.rejected) for row in rows))
    return prompts_of({row.item for row in rows}), completions_of(both)


class SelectedContent:
    """What a format reads while its release is being cut (see `ReleaseContent`)."""

    def __init__(self, selection: Selection, progress: Callable[[float], None]) -> None:
        self.rows = selection.rows
        self.written = selection.texts
        self.whole = selection.whole
        self.progress = progress
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def warn(self, what: str, row: str = "") -> None:
        self.counts[what] += 1
        if row:
            self.first.setdefault(what, f" (the first: {row})")

    def warnings(self) -> tuple[str, ...]:
        """One sentence without its full stop for each kind of warning, in alphabetical order of what it says."""
        return tuple(
            f"{counted(number, 'record')} {what}{self.first.get(what, '')}"
            for what, number in sorted(self.counts.items())
        )

    def judgments(self) -> Iterator[Judged]:
        scales: dict[int, list[Scale]] = {}
        done = 0
        for chunk, found in read_ahead(
            self.whole.chunks(JUDGMENTS_AT_ONCE), lambda chunk: list(judged(chunk, scales))
        ):
            yield from found
            done += len(chunk)
            self.progress(done / len(self.whole))

    def pairs(self) -> Iterator[Pair]:
        done = 0
        for rows, (prompts, texts) in read_ahead(self.rows.chunks(ROWS_AT_ONCE), texts_of_rows):
            for row in rows:
                (chosen, chosen_text), (rejected, rejected_text) = texts[row.chosen], texts[row.rejected]
                group = group_of(row.id)
                yield Pair(
                    id=row.id,
                    group=group,
                    item=row.external_id,
                    split=row.split,
                    protocol=row.protocol,
                    prompt=prompts[row.item],
                    chosen=chosen_text,
                    rejected=rejected_text,
                    chosen_key=f"{group}-{chosen}",
                    rejected_key=f"{group}-{rejected}",
                    is_swapped=chosen > rejected,
                    strength=row.strength,
                    soft_label=row.soft_label,
                    judgments=len(row.judgment_ids),
                )
            done += len(rows)
            self.progress(done / (len(self.rows) + len(self.written)))
        for text, prompt, (position, began), completion in self._written():
            if text.is_preferred:
                yield Pair(
                    id=text.id,
                    group=group_of(text.id),
                    item=text.external_id,
                    split=text.split,
                    protocol=text.protocol,
                    prompt=prompt,
                    chosen=completion,
                    rejected=began,
                    chosen_key=text.id,
                    rejected_key=f"{group_of(text.id)}-{position}",
                    is_swapped=True,
                    strength=None,
                    soft_label=1.0,
                    judgments=1,
                )

    def texts(self) -> Iterator[Text]:
        for text, prompt, _, completion in self._written():
            yield Text(
                id=text.id,
                group=group_of(text.id),
                item=text.external_id,
                split=text.split,
                protocol=text.protocol,
                prompt=prompt,
                completion=completion,
                source="demonstration" if text.completion is None else "revision",
            )

    def _written(self) -> Iterator[tuple[SelectedText, Messages, tuple[int, Messages], Messages]]:
        """(text, its prompt, (position, messages) that it began from, those messages with the text as the last)."""
        done = len(self.rows)
        for chunk in self.written.chunks(ROWS_AT_ONCE):
            prompts = prompts_of({text.item for text in chunk})
            completions = completions_of({text.completion for text in chunk if text.completion is not None})
            words = texts_of([text.judgment for text in chunk])
            if len(words) < len(chunk):
                raise JobFailed(ERASED_MEANWHILE)
            for text in chunk:
                began = (0, []) if text.completion is None else completions[text.completion]
                last = {"role": "assistant", "content": words[text.judgment]}
                yield text, prompts[text.item], began, [*began[1][:-1], last]
            done += len(chunk)
            self.progress(done / (len(self.rows) + len(self.written)))
