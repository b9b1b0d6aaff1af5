"""Reads: a project's current pairwise answers as arrays, with what was shown and who answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import QuerySet

from annotation.ids import among
from annotation.models import Completion, Criterion, Judgment, Project
from comparisons.models import PairwiseAnswer
from comparisons.studies.columns import read_columns

OVERALL = "overall"
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


def by_person(annotators: npt.NDArray[np.int64]) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """(annotator, positions of their answers in the order given), sorted by annotator."""
    people, index = np.unique(annotators, return_inverse=True)
    order = np.argsort(index, kind="stable")
    ends = np.cumsum(np.bincount(index, minlength=len(people)))[:-1]
    return list(zip(people.tolist(), np.split(order, ends), strict=True)) if len(people) else []


def choices_of(judgments: QuerySet[Judgment], criterion: str = OVERALL) -> Choices:
    """Pairwise answers of `judgments` to `criterion`. Where the scale changed with the protocol, those on the scale
    that most of them have: answers on different scales are never mixed."""
    # By their ids: PostgreSQL gathers no statistics of so short a table, takes a join to it for a few rows, and then
    # looks each answer up apart.
    criteria = Criterion.objects.filter(key=criterion, protocol__kind="pairwise")
    bounds = dict(criteria.values_list("pk", "high"))
    answers = PairwiseAnswer.objects.filter(
        among("criterion", bounds), judgment__in=judgments, turn__isnull=True
    )
    read = read_columns(
        answers.order_by("judgment_id"),
        {
            "judgments": "judgment_id",
            "items": "judgment__item_id",
            "annotators": "judgment__annotator_id",
            "preference": "preference",
            "first": "judgment__display_order__0",
            "batches": "judgment__batch__number",
            "guidelines": "judgment__guideline__number",
            "criterion": "criterion_id",
        },
        {"seconds": "judgment__active_seconds"},
        {"languages": "judgment__item__language"},
    )
    asked, place = np.unique(read.pop("criterion"), return_inverse=True)
    bound_of = np.array([bounds[pk] for pk in asked.tolist()], dtype=np.int64)[place]
    scales, sizes = np.unique(bound_of, return_counts=True)
    bound = int(scales[sizes.argmax()]) if len(scales) else 1
    if len(scales) > 1:
        read = {name: column[bound_of == bound] for name, column in read.items()}
    return Choices(is_swapped=read.pop("first") == 1, bound=bound, **read)


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
