"""Reads: what people had before them, as arrays by item: the models of the first two completions and their lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.models import Completion, Project
from comparisons.studies.columns import NOTHING, position_in, read_columns, spoken_characters

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shown:
    """The first two completions of I items, as imported. `items` has shape (I,), sorted.

    `models` has shape (I, 2) and points into `names`, sorted; NOTHING where no model is named. `characters` has shape
    (I, 2).
    """

    items: IntArray
    models: IntArray
    characters: IntArray
    names: tuple[str, ...]

    def rows(self, items: IntArray) -> IntArray:
        """The row of each of `items`, which are all known."""
        return np.searchsorted(self.items, items).astype(np.int64)

    def pairs(self, items: IntArray) -> tuple[IntArray, tuple[str, ...]]:
        """Which pair of models each of `items` compares, as a number and the names of the numbers, "a · b"."""
        sides = np.sort(self.models[self.rows(items)], axis=1)
        first, second = sides[:, 0] - NOTHING, sides[:, 1] - NOTHING
        found, index = np.unique(first * (len(self.names) + 1) + second, return_inverse=True)
        words = ("", *self.names)
        names = (f"{words[a]} · {words[b]}" for a, b in (divmod(int(n), len(words)) for n in found))
        return index.astype(np.int64), tuple(names)


def characters_of_items(project: Project) -> tuple[IntArray, IntArray]:
    """(items, characters of all their completions), shape (I,) each; items are sorted."""
    rows = Completion.objects.filter(item__project=project).order_by("item_id", "position")
    read = read_columns(rows, {"item": "item_id", "characters": spoken_characters("messages")})
    items, row = np.unique(read["item"], return_inverse=True)
    sums = np.bincount(row, weights=np.maximum(read["characters"], 0), minlength=len(items))
    return items, sums.astype(np.int64)


def model_names(project: Project) -> tuple[str, ...]:
    """Of all completions that name one, sorted."""
    named = Completion.objects.filter(item__project=project).exclude(model="")
    return tuple(sorted(named.order_by().values_list("model", flat=True).distinct()))


def shown_in(project: Project) -> Shown:
    """Every item of the project."""
    names = model_names(project)
    rows = Completion.objects.filter(item__project=project, position__in=(0, 1)).order_by(
        "item_id", "position"
    )
    read = read_columns(
        rows,
        {
            "item": "item_id",
            "position": "position",
            "model": position_in(names, "model"),
            "characters": spoken_characters("messages"),
        },
    )
    items, row = np.unique(read["item"], return_inverse=True)
    models = np.full((len(items), 2), NOTHING, dtype=np.int64)
    characters = np.zeros((len(items), 2), dtype=np.int64)
    models[row, read["position"]] = read["model"]
    # A completion without a word of the model has NULL characters.
    characters[row, read["position"]] = np.maximum(read["characters"], 0)
    return Shown(items, models, characters, names)
