"""The texts of a release that is being cut, streamed row by row."""

from collections.abc import Callable, Iterator, Sequence

from annotation.jobs import JobFailed
from annotation.models import Completion, Item
from comparisons.selectors import texts_of
from exporters.formats import Messages, Pair, Text
from exporters.snapshot import SelectedRow, SelectedText

ROWS_AT_ONCE = 500


class SelectedContent:
    """What a format reads while its release is being cut (see `ReleaseContent`)."""

    def __init__(
        self, rows: Sequence[SelectedRow], texts: Sequence[SelectedText], progress: Callable[[float], None]
    ) -> None:
        self.rows = rows
        self.written = texts
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
            self.progress((start + len(rows)) / (len(self.rows) + len(self.written)))
        for text, prompt, began, completion in self._written():
            if text.is_preferred:
                yield Pair(
                    id=text.id,
                    item=text.external_id,
                    split=text.split,
                    protocol=text.protocol,
                    prompt=prompt,
                    chosen=completion,
                    rejected=began,
                    strength=None,
                    judgments=1,
                )

    def texts(self) -> Iterator[Text]:
        for text, prompt, _, completion in self._written():
            yield Text(
                id=text.id,
                item=text.external_id,
                split=text.split,
                protocol=text.protocol,
                prompt=prompt,
                completion=completion,
                source="demonstration" if text.completion is None else "revision",
            )

    def _written(self) -> Iterator[tuple[SelectedText, Messages, Messages, Messages]]:
        """(text, its prompt, the messages that it began from, those messages with the text as the last)."""
        for start in range(0, len(self.written), ROWS_AT_ONCE):
            chunk = self.written[start : start + ROWS_AT_ONCE]
            prompts = dict(
                Item.objects.filter(pk__in={text.item for text in chunk}).values_list("pk", "prompt")
            )
            ids = {text.completion for text in chunk if text.completion is not None}
            completions = dict(Completion.objects.filter(pk__in=ids).values_list("pk", "messages"))
            words = texts_of([text.judgment for text in chunk])
            if len(words) < len(chunk):
                raise JobFailed("A text was erased while the release was being cut; please cut it again.")
            for text in chunk:
                began = [] if text.completion is None else completions[text.completion]
                last = {"role": "assistant", "content": words[text.judgment]}
                yield text, prompts[text.item], began, [*began[:-1], last]
            self.progress((len(self.rows) + start + len(chunk)) / (len(self.rows) + len(self.written)))
