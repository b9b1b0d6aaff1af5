"""Parts of a project's answers: by batch, language, guideline, group of annotators, strength, pair of models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from annotation.models import Membership, Project
from comparisons.agreement import RatingTable
from comparisons.studies.data import Choices
from comparisons.studies.shown import Shown

SLICES_MAX = 50
"""Of one kind, the largest: a page that listed a thousand pairs of models would be read by nobody."""

Mask = npt.NDArray[np.bool_]
Part = tuple[str, str, Mask]
"""What by, the value in words, and which of the R answers."""
Tabler = Callable[[Mask], RatingTable]
Groups = Mapping[str, npt.NDArray[np.int64]]
"""Skill → the annotators who have it. Whoever has several is in several groups."""


class Answers(Protocol):
    """R answers with where they come from, shape (R,) each."""

    @property
    def annotators(self) -> npt.NDArray[np.int64]: ...
    @property
    def batches(self) -> npt.NDArray[np.int64]: ...
    @property
    def languages(self) -> npt.NDArray[Any]: ...
    @property
    def guidelines(self) -> npt.NDArray[np.int64]: ...


def groups_in(project: Project) -> Groups:
    found: dict[str, list[int]] = {}
    people = Membership.objects.filter(project=project, role="annotator").order_by("pk")
    for person, skills in people.values_list("pk", "skills"):
        for skill in skills:
            found.setdefault(skill, []).append(person)
    return {skill: np.array(found[skill], dtype=np.int64) for skill in sorted(found)}


def parts_of(answers: Answers, groups: Groups) -> Iterator[Part]:
    """By what every kind of answer has; the largest part first, none where all answers are alike."""
    yield from _by_label("batch", answers.batches)
    yield from _by_label("language", answers.languages)
    yield from _by_label("guideline", answers.guidelines)
    for skill, people in groups.items():
        chosen = np.isin(answers.annotators, people)
        if chosen.any() and not chosen.all():
            yield "annotator group", skill, chosen


def parts_of_choices(choices: Choices, shown: Shown, groups: Groups) -> Iterator[Part]:
    """Those, and by strength and pair of models."""
    yield from parts_of(choices, groups)
    yield from _by_label("strength", halves_by_strength(choices))
    index, names = shown.pairs(choices.items)
    yield from _by_label("model pair", index, names)


def halves_by_strength(choices: Choices) -> npt.NDArray[Any]:
    """Of each choice, the half that its item lies in by the mean |preference| of its choices; the median is low."""
    _, index = np.unique(choices.items, return_inverse=True)
    sizes = np.bincount(index)
    mean = np.bincount(index, weights=np.abs(choices.preference)) / np.maximum(sizes, 1)
    is_upper = mean > np.median(mean) if len(mean) else np.zeros(0, dtype=bool)
    return np.where(is_upper[index], "upper half", "lower half")


def tabler(
    units: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    values: npt.NDArray[np.int64],
    domain: npt.NDArray[np.int64],
) -> Tabler:
    """A function from a mask to the table of the masked ratings, which sorts the R ratings once for all masks.

    `units`, `items` and `values` have shape (R,), one rating of one person each; `domain` is sorted and holds them all.
    """
    found, first, unit = np.unique(units, return_index=True, return_inverse=True)
    cells = unit * len(domain) + np.searchsorted(domain, values)
    item_of_unit = np.unique(items, return_inverse=True)[1][first]

    def table(chosen: Mask) -> RatingTable:
        counts = np.bincount(cells[chosen], minlength=len(found) * len(domain)).reshape(-1, len(domain))
        used = counts.any(axis=1)
        return RatingTable(counts[used], domain, item_of_unit[used], None)

    return table


def _by_label(
    slice_by: str, labels: npt.NDArray[Any], names: tuple[str, ...] | None = None
) -> Iterator[Part]:
    values, counts = np.unique(labels, return_counts=True)
    if len(values) < 2:
        return
    for value in values[np.argsort(-counts, kind="stable")][:SLICES_MAX]:
        yield slice_by, str(value) if names is None else names[value], labels == value
