"""The texts of a release that is being cut, streamed row by row."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from annotation.jobs import JobFailed
from annotation.models import Completion, Item
from comparisons.selectors import texts_of
from exporters.card import counted
from exporters.formats import Judged, Messages, Pair, Scale, Text
from exporters.judged import ERASED_MEANWHILE, judged
from exporters.snapshot import SelectedJudgment, SelectedRow, SelectedText

ROWS_AT_ONCE = 500
JUDGMENTS_AT_ONCE = 500


def group_of(row: str) -> str:
    """Batch and number of the item that a row is about: "1-4" of "1-4-0-1"."""
    return "-".join(row.split("-")[:2])


class SelectedContent:
    """What a format reads while its release is being cut (see `ReleaseContent`)."""

    def __init__(
        self,
        rows: Sequence[SelectedRow],
        texts: Sequence[SelectedText],
        progress: Callable[[float], None],
        whole: Sequence[SelectedJudgment] = (),
    ) -> None:
        self.rows = rows
        self.written = texts
        self.whole = whole
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
        for start in range(0, len(self.whole), JUDGMENTS_AT_ONCE):
            chunk = self.whole[start : start + JUDGMENTS_AT_ONCE]
            yield from judged(chunk, scales)
            self.progress((start + len(chunk)) / len(self.whole))

    def pairs(self) -> Iterator[Pair]:
        for start in range(0, len(self.rows), ROWS_AT_ONCE):
            rows = self.rows[start : start + ROWS_AT_ONCE]
            prompts = dict(Item.objects.filter(pk__in={row.item for row in rows}).values_list("pk", "prompt"))
            ids = {pk for row in rows for pk in (row.chosen, row.rejected)}
            texts = {
                pk: (position, messages)
                for pk, position, messages in Completion.objects.filter(pk__in=ids).values_list(
                    "pk", "position", "messages"
                )
            }
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
                    judgments=len(row.judgment_ids),
                )
            self.progress((start + len(rows)) / (len(self.rows) + len(self.written)))
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
        for start in range(0, len(self.written), ROWS_AT_ONCE):
            chunk = self.written[start : start + ROWS_AT_ONCE]
            prompts = dict(
                Item.objects.filter(pk__in={text.item for text in chunk}).values_list("pk", "prompt")
            )
            ids = {text.completion for text in chunk if text.completion is not None}
            rows = Completion.objects.filter(pk__in=ids).values_list("pk", "position", "messages")
            completions = {pk: (position, messages) for pk, position, messages in rows}
            words = texts_of([text.judgment for text in chunk])
            if len(words) < len(chunk):
                raise JobFailed(ERASED_MEANWHILE)
            for text in chunk:
                began = (0, []) if text.completion is None else completions[text.completion]
                last = {"role": "assistant", "content": words[text.judgment]}
                yield text, prompts[text.item], began, [*began[1][:-1], last]
            self.progress((len(self.rows) + start + len(chunk)) / (len(self.rows) + len(self.written)))
