"""UKPConvArg1: 84,445 votes of 3,815 people on which of two arguments convinces more, with MACE's published output."""

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from comparisons.aggregation.table import JudgmentTable, tabulate_judgments

CODES = {"a1": 0, "a2": 1, "equal": 2}


class Convarg(NamedTuple):
    """Judgments, published class of each pair (−1 where none was published), published competence of each person."""

    table: JudgmentTable
    published: npt.NDArray[np.int64]
    competence: npt.NDArray[np.float64]


def read_convarg(data: Path) -> Convarg:
    """From the folder of the shared data."""

    def rows(name: str) -> list[dict[str, str]]:
        with gzip.open(data / "convarg" / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    pairs, people = rows("pairs"), rows("workers")
    pair = {row["pair"]: number for number, row in enumerate(pairs)}
    person = {row["worker"]: number for number, row in enumerate(people)}
    judged = [(pair[row["pair"]], person[row["worker"]], CODES[row["value"]]) for row in rows("votes")]
    published = np.array([CODES.get(row["gold"], -1) for row in pairs])
    competence = np.array([float(row["mace_competence"]) for row in people])
    return Convarg(tabulate_judgments(*zip(*judged, strict=True)), published, competence)
