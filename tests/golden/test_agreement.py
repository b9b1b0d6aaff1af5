"""Krippendorff's α against published values.

Where a value has more digits than print, the further ones come with the shared data (its README), computed
from the authors' own data by other code and marked there as equal to what was published.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from comparisons.agreement import AgreementResult, Level, RatingTable, krippendorff_alpha, tabulate_ratings

# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example C/D: 4 observers × 12 units;
# 0 stands for a missing value.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]

# The worked example of Fleiss' κ (κ = .210; J. L. Fleiss, Measuring nominal scale agreement among many raters,
# 1971, describes the method): 10 subjects × 5 categories, 14 raters each.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]

# P. E. Shrout and J. L. Fleiss, Intraclass correlations (1979), table 2: 6 targets × 4 judges.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def table_of(rows: list[list[int]], missing: int | None = None) -> RatingTable:
    """A table from annotators × units."""
    tidy = [(u, a, v) for a, row in enumerate(rows) for u, v in enumerate(row) if v != missing]
    return tabulate_ratings(*(np.array(column) for column in zip(*tidy, strict=True)))


def alpha(table: RatingTable, level: Level) -> AgreementResult:
    return krippendorff_alpha(table, level=level, seed=0, min_items=2)


@pytest.mark.parametrize(
    ("level", "expected"),
    [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107), ("ratio", 0.797403)],
)
def test_krippendorffs_example(level: Level, expected: float) -> None:
    result = alpha(table_of(KRIPPENDORFF, missing=0), level)
    assert result.value == pytest.approx(expected, abs=5e-7)
    assert (result.items, result.judgments, result.annotators) == (11, 40, 4)
    assert result.raw_agreement == pytest.approx(0.818182, abs=5e-7)


def test_fleiss_example() -> None:
    result = alpha(RatingTable.from_counts(FLEISS), "nominal")
    assert result.value == pytest.approx(0.215574, abs=5e-7)
    assert result.raw_agreement == pytest.approx(0.378022, abs=5e-7)
    assert (result.items, result.judgments) == (10, 140)


def test_shrout_and_fleiss_example() -> None:
    transposed = [list(column) for column in zip(*SHROUT_FLEISS, strict=True)]
    assert alpha(table_of(transposed), "interval").value == pytest.approx(0.147308, abs=5e-7)


@pytest.mark.data
def test_evalica_part_of_speech_example(shared_data: Path) -> None:
    """github dustalov/evalica, gcl.csv (Apache-2.0): annotators × items, an empty field is missing."""
    rows = list(csv.reader((shared_data / "evalica_golden" / "gcl.csv").read_text().splitlines()))
    tidy = [(u, a, v) for a, row in enumerate(rows) for u, v in enumerate(row) if v]
    table = tabulate_ratings(*(np.array(column) for column in zip(*tidy, strict=True)))
    assert alpha(table, "nominal").value == pytest.approx(0.083333, abs=5e-7)


@pytest.mark.data
def test_bbq_validation(shared_data: Path) -> None:
    """A. Parrish et al., BBQ (2022), validation study: α = .883 over 300 examples × 5 people."""
    tidy = []
    with gzip.open(shared_data / "bbq" / "validations_finalval.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for q in "12345":
                if row[f"q{q}_ex_id"] != "NA":
                    unit = "|".join((row[f"q{q}_cat"], row[f"q{q}_uid"], row[f"q{q}_ex_id"]))
                    tidy.append((unit, row["anon_id"], row[f"Answer.q{q}"]))
    result = alpha(tabulate_ratings(*(np.array(c) for c in zip(*tidy, strict=True))), "nominal")
    print(f"\nbbq nominal α {result.value:.6f} [{result.low:.3f}, {result.high:.3f}]")
    assert result.value == pytest.approx(0.883073, abs=5e-7)
    assert (result.items, result.judgments) == (300, 1500)
    assert (result.low, result.high) == (pytest.approx(0.853, abs=0.006), pytest.approx(0.913, abs=0.006))


def pandalm_ratings(folder: Path) -> Iterator[tuple[int, int, int]]:
    """(item, annotator, −1 | 0 | 1) of WeOpenML/PandaLM testset-v1: the same three people on 999 items."""
    sides = {"1": -1, "0": 0, "2": 1}
    with gzip.open(folder / "pandalm" / "testset-v1.json.gz", "rt", encoding="utf-8") as file:
        for item, row in enumerate(json.load(file)):
            for annotator in (1, 2, 3):
                yield item, annotator, sides[str(row[f"annotator{annotator}"])]


@pytest.mark.data
@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.864221), ("ordinal", 0.877464)])
def test_pandalm(shared_data: Path, level: Level, expected: float) -> None:
    """Y. Wang et al., PandaLM (2024): Cohen's κ .85, .88, .86 between the pairs of these people."""
    tidy = list(pandalm_ratings(shared_data))
    result = alpha(tabulate_ratings(*(np.array(c) for c in zip(*tidy, strict=True))), level)
    print(f"\npandalm {level} α {result.value:.6f} [{result.low:.3f}, {result.high:.3f}]")
    assert result.value == pytest.approx(expected, abs=5e-7)
    assert result.raw_agreement == pytest.approx(0.919920, abs=5e-7)
    assert (result.items, result.judgments, result.annotators) == (999, 2997, 3)
    if level == "nominal":
        assert (result.low, result.high) == (pytest.approx(0.845, abs=0.006), pytest.approx(0.889, abs=0.006))


@pytest.mark.data
@pytest.mark.parametrize(
    ("level", "is_in", "expected"),
    [
        ("nominal", lambda strict: True, 0.266758),
        ("ordinal", lambda strict: True, 0.369615),
        ("nominal", lambda strict: strict, 0.342895),
        ("ordinal", lambda strict: strict, 0.485073),
    ],
)
def test_convarg(shared_data: Path, level: Level, is_in: Callable[[bool], bool], expected: float) -> None:
    """I. Habernal and I. Gurevych, UKPConvArg1 (2016): all 16,927 pairs; 11,650 of them strict."""
    codes = {"a1": -1, "equal": 0, "a2": 1}
    with gzip.open(shared_data / "convarg" / "pairs.csv.gz", "rt", encoding="utf-8") as file:
        pairs = {row["pair"] for row in csv.DictReader(file) if is_in(row["strict"] == "1")}
    with gzip.open(shared_data / "convarg" / "votes.csv.gz", "rt", encoding="utf-8") as file:
        rows = [
            (r["pair"], r["worker"], codes[r["value"]]) for r in csv.DictReader(file) if r["pair"] in pairs
        ]
    table = tabulate_ratings([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
    result = krippendorff_alpha(table, level=level, seed=0, n_resamples=200)
    assert result.value == pytest.approx(expected, abs=5e-7)
    assert result.low is not None and result.high is not None
    assert result.low < expected < result.high


@pytest.mark.data
@pytest.mark.parametrize(
    ("criterion", "points", "ranks"),
    [("overall", 0.798256, 0.796893), ("selection", 0.781275, 0.783574), ("correctness", 0.458692, 0.657048)],
)
def test_squality_ratings_and_ranks(shared_data: Path, criterion: str, points: float, ranks: float) -> None:
    """A. Wang et al., SQuALITY (2022), human evaluation: 100 questions × 3 answers, three reviewers on each.

    As in the product the unit is one answer, and the bootstrap draws questions with all their answers.
    """
    rated: list[tuple[str, str, str, int, int]] = []
    with gzip.open(shared_data / "squality_human" / "all-responses.jsonl.gz", "rt", encoding="utf-8") as file:
        for passage in map(json.loads, file):
            for question, answers in passage["questions"].items():
                item = f"{passage['passage-id']} {question}"
                for model in ("bart", "bart-dpr", "human"):
                    for review in answers[model]["reviews"]:
                        rating, rank = review[f"{criterion}-rating"], review[f"{criterion}-rank"]
                        rated.append((f"{item} {model}", review["worker_id"], item, rating, rank))
    units, people, items, ratings, places = (list(column) for column in zip(*rated, strict=True))
    by_points = alpha(tabulate_ratings(units, people, ratings, items=items), "interval")
    by_rank = alpha(tabulate_ratings(units, people, places, items=items), "ordinal")
    assert by_points.value == pytest.approx(points, abs=5e-7)
    assert by_rank.value == pytest.approx(ranks, abs=5e-7)
    assert (by_rank.items, by_rank.judgments) == (100, 900)


@pytest.mark.data
def test_interval_covers_the_population_at_the_minimum(shared_data: Path) -> None:
    """30 items drawn from pandalm: the nominal 95 % interval covers α of the whole in about nine of ten.

    This is why the minimum is 30; with 10 items it covers seven in ten, and the second half shows it.
    """
    table = tabulate_ratings(*(np.array(c) for c in zip(*pandalm_ratings(shared_data), strict=True)))
    rng = np.random.default_rng(3)

    def coverage(items: int) -> float:
        covered = 0
        for seed in range(200):
            sample = RatingTable.from_counts(table.counts[rng.integers(len(table.counts), size=items)])
            result = krippendorff_alpha(sample, level="nominal", seed=seed, n_resamples=400, min_items=items)
            covered += (
                result.low is not None and result.high is not None and result.low <= 0.864221 <= result.high
            )
        return covered / 200

    assert 0.85 <= coverage(30) <= 0.98
    assert coverage(10) < 0.8
