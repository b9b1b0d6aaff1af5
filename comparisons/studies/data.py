"""Reads: a project's current pairwise answers as arrays, with what was shown and who answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import Count, F, QuerySet

from annotation.models import Completion, Judgment, Project
from comparisons.models import PairwiseAnswer

OVERALL = "overall"
COLUMNS = (
    "judgment_id",
    "judgment__item_id",
    "judgment__annotator_id",
    "preference",
    "first_shown",
    "judgment__batch__number",
    "judgment__item__language",
    "judgment__guideline__number",
    "judgment__active_seconds",
)
CHUNK = 10_000


@dataclass(frozen=True)
class Choices:
    """R answers to one criterion on one scale, one row for each judgment, in order of judgment; shape (R,) each.

    `preference` is signed as stored, negative for the completion imported first, within [`-bound`, `bound`].
    `is_swapped`: the one imported second stood first on the screen. `seconds` is NaN where no time was sent.
    """

    judgments: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    annotators: npt.NDArray[np.int64]
    preference: npt.NDArray[np.int64]
    is_swapped: npt.NDArray[np.bool_]
    batches: npt.NDArray[np.int64]
    languages: npt.NDArray[Any]
    guidelines: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    bound: int

    def __len__(self) -> int:
        return len(self.judgments)

    def take(self, chosen: npt.NDArray[Any]) -> Choices:
        """The answers of a mask of shape (R,), or at positions."""
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "bound"}
        return replace(self, **arrays)

    @property
    def sides(self) -> npt.NDArray[np.int64]:
        """−1 where the response shown first was preferred, +1 for the second, 0 for about the same."""
        return np.sign(self.preference) * np.where(self.is_swapped, -1, 1)


def choices_of(judgments: QuerySet[Judgment], criterion: str = OVERALL) -> Choices:
    """Pairwise answers of `judgments` to `criterion`. Where the scale changed with the protocol, those on the scale
    that most of them have: answers on different scales are never mixed."""
    answers = PairwiseAnswer.objects.filter(
        judgment__in=judgments,
        criterion__key=criterion,
        criterion__protocol__kind="pairwise",
        turn__isnull=True,
    )
    scales: Counter[int] = Counter(
        {bound: n for bound, n in answers.values_list("criterion__high").annotate(n=Count("pk")) if bound}
    )
    bound = scales.most_common(1)[0][0] if scales else 1
    rows = (
        answers.filter(criterion__high=bound)
        .annotate(first_shown=F("judgment__display_order__0"))
        .order_by("judgment_id")
        .values_list(*COLUMNS)
    )
    columns = list(zip(*rows.iterator(chunk_size=CHUNK), strict=True)) or [()] * len(COLUMNS)
    judgment, item, annotator, preference, first, batch, language, guideline, seconds = columns
    return Choices(
        judgments=np.array(judgment, dtype=np.int64),
        items=np.array(item, dtype=np.int64),
        annotators=np.array(annotator, dtype=np.int64),
        preference=np.array(preference, dtype=np.int64),
        is_swapped=np.array(first, dtype=np.int64) == 1,
        batches=np.array(batch, dtype=np.int64),
        languages=np.array(language, dtype=str),
        guidelines=np.array(guideline, dtype=np.int64),
        seconds=np.array([np.nan if value is None else value for value in seconds], dtype=np.float64),
        bound=bound,
    )


def models_of(items: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Item → the names of the models of its first two completions, as imported; "" where none is known."""
    rows = Completion.objects.filter(item_id__in=items, position__in=(0, 1)).order_by("item_id", "position")
    found: dict[int, tuple[str, str]] = {}
    for item, position, model in rows.values_list("item_id", "position", "model").iterator(chunk_size=CHUNK):
        found[item] = (model, "") if position == 0 else (found[item][0], model)
    return found


def texts_of_items(items: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Item → the texts of its first two completions: what the model said in all its turns."""
    rows = Completion.objects.filter(item_id__in=items, position__in=(0, 1)).order_by("item_id", "position")
    found: dict[int, tuple[str, str]] = {}
    for item, position, messages in rows.values_list("item_id", "position", "messages").iterator(
        chunk_size=CHUNK
    ):
        text = "\n\n".join(turn["content"] for turn in messages if turn["role"] == "assistant")
        found[item] = (text, "") if position == 0 else (found[item][0], text)
    return found


def latest_judgment(project: Project) -> int | None:
    """The newest judgment of whatever state: what a study has seen."""
    return (
        Judgment.objects.filter(batch__project=project).order_by("-pk").values_list("pk", flat=True).first()
    )
