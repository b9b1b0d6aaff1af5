"""Gwet's AC, Fleiss' and Cohen's κ, Kendall's W, ICC and accuracy against published values.

Where a value has more digits than print, the further ones come with the shared data (its README), or from another
package that is named with its version.
"""

import ast
import csv
import gzip
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from comparisons.agreement import (
    Bootstrap,
    IndexedRatings,
    RatingTable,
    WeightedResult,
    Weights,
    accuracy,
    annotator_accuracy,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac,
    index_ratings,
    intraclass_correlation,
    kendall_tau,
    kendall_w,
    krippendorff_alpha,
    raw_agreement,
    tabulate_ratings,
)
from comparisons.agreement.icc import Form
from tests.golden.test_agreement import (
    FLEISS,
    KRIPPENDORFF,
    SHROUT_FLEISS,
    pandalm_ratings,
    table_of,
)

FEW = Bootstrap(seed=0, n_resamples=400, min_items=2)
USUAL = Bootstrap(seed=0)


def show(name: str, result: object) -> None:
    print(f"\n{name} {result.value:.6f} [{result.low:.3f}, {result.high:.3f}]")  # type: ignore[attr-defined]


def index_rows(rows: list[list[int]]) -> IndexedRatings:
    """From units × annotators without gaps."""
    tidy = [(u, a, v) for u, row in enumerate(rows) for a, v in enumerate(row)]
    return index_ratings(*(np.array(column) for column in zip(*tidy, strict=True)))


# irrCAC 0.4.4 (K. Gwet's own formulas) on the same table; identity also in Gwet (2014), AC1 .775, p_a .818.
@pytest.mark.parametrize(
    ("weights", "ac", "kappa", "raw"),
    [
        ("identity", 0.775444068, 0.761169275, 0.818181818),
        ("linear", 0.858739136, 0.817944767, 0.939393939),
        ("quadratic", 0.914000724, 0.864935065, 0.975378788),
        ("ordinal", 0.89893977, 0.850206189, 0.968181818),
    ],
)
def test_krippendorffs_example(weights: Weights, ac: float, kappa: float, raw: float) -> None:
    table = table_of(KRIPPENDORFF, missing=0)
    result = gwet_ac(table, FEW, weights=weights)
    assert result.value == pytest.approx(ac, abs=1e-8)
    assert result.raw_agreement == pytest.approx(raw, abs=1e-8)
    assert fleiss_kappa(table, FEW, weights=weights).value == pytest.approx(kappa, abs=1e-8)
    assert raw_agreement(table, FEW, weights=weights).value == pytest.approx(raw, abs=1e-8)
    # The unit with a single rating counts for the shares, not among the items.
    assert (result.items, result.judgments, result.annotators) == (11, 40, 4)


# Values that are not evenly spaced, so that linear and ordinal weights differ: irrCAC 0.4.4.
UNEVEN = [[1, 1, 2], [4, 9, 9], [2, 2, 2], [1, 2, 4], [9, 9, 4], [1, 1, 1], [4, 4, 9], [2, 1, 1]]


@pytest.mark.parametrize(
    ("weights", "ac", "kappa"),
    [
        ("linear", 0.497382199, 0.456398641),
        ("quadratic", 0.643312102, 0.611036079),
        ("ordinal", 0.676549865, 0.674502712),
    ],
)
def test_weights_take_the_values_of_an_uneven_scale(weights: Weights, ac: float, kappa: float) -> None:
    table = index_rows(UNEVEN).table()
    assert gwet_ac(table, FEW, weights=weights).value == pytest.approx(ac, abs=1e-8)
    assert fleiss_kappa(table, FEW, weights=weights).value == pytest.approx(kappa, abs=1e-8)


def test_a_value_that_nobody_chose_counts_for_gwet() -> None:
    """irrCAC 0.4.4 with categories 0, 1, 2, 4, 9."""
    tidy = [(u, a, v) for u, row in enumerate(UNEVEN) for a, v in enumerate(row)]
    columns = [np.array(column) for column in zip(*tidy, strict=True)]
    with_zero = tabulate_ratings(*columns, domain=[0, 1, 2, 4, 9])
    assert gwet_ac(with_zero, FEW).value == pytest.approx(0.335463259, abs=1e-8)
    assert gwet_ac(tabulate_ratings(*columns), FEW).value != pytest.approx(0.335463259, abs=1e-3)


def test_fleiss_example() -> None:
    """κ = .210 in print; statsmodels 0.15.0 gives .20993070442195522."""
    table = RatingTable.from_counts(FLEISS)
    result = fleiss_kappa(table, FEW)
    assert result.value == pytest.approx(0.20993070442195522, abs=1e-14)
    assert result.raw_agreement == pytest.approx(0.378022, abs=5e-7)
    assert gwet_ac(table, FEW).value == pytest.approx(0.225614, abs=5e-7)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("1,1", 0.165742), ("2,1", 0.289764), ("3,1", 0.714841),
        ("1,k", 0.442797), ("2,k", 0.620051), ("3,k", 0.909316),
    ],
)  # fmt: skip
def test_shrout_and_fleiss_example(form: Form, expected: float) -> None:
    result = intraclass_correlation(index_rows(SHROUT_FLEISS), form, FEW)
    assert result.value == pytest.approx(expected, abs=5e-7)
    assert (result.items, result.judgments, result.annotators, result.raters) == (6, 24, 4, 4)


# pingouin 0.6.1 on three raters who hardly differ in level.
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("1,1", 0.602824994), ("2,1", 0.631087392), ("3,1", 0.802374894),
        ("1,k", 0.819928362), ("2,k", 0.836921262), ("3,k", 0.924128948),
    ],
)  # fmt: skip
def test_icc_of_three_raters(form: Form, expected: float) -> None:
    rows = [[7, 5, 8], [2, 1, 4], [9, 6, 9], [4, 4, 7], [1, 2, 2], [6, 3, 9], [8, 8, 8], [3, 1, 6]]
    assert intraclass_correlation(index_rows(rows), form, FEW).value == pytest.approx(expected, abs=1e-8)


@pytest.mark.data
def test_evalica_example_without_correction(shared_data: Path) -> None:
    """gcl.csv: 4 annotators × 4 items, one gap; α is .083333.

    By hand: 3 of 3 pairs of ratings agree on the first item, then 2, 3 and 2 of 6, so p_a = 13/24.
    """
    rows = list(csv.reader((shared_data / "evalica_golden" / "gcl.csv").read_text().splitlines()))
    tidy = [(u, a, v) for a, row in enumerate(rows) for u, v in enumerate(row) if v]
    table = tabulate_ratings(*(np.array(column) for column in zip(*tidy, strict=True)))
    assert raw_agreement(table, FEW).value == pytest.approx(13 / 24)


@pytest.mark.data
def test_bbq_validation(shared_data: Path) -> None:
    """A. Parrish et al., BBQ (2022): people right 95.7 %, the majority 99.7 %."""
    tidy: list[tuple[str, str, str, str]] = []
    with gzip.open(shared_data / "bbq" / "validations_finalval.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for q in "12345":
                if row[f"q{q}_ex_id"] != "NA":
                    unit = "|".join(row[f"q{q}_{part}"] for part in ("cat", "uid", "ex_id"))
                    answer = row[f"Answer.q{q}"]
                    tidy.append((unit, row["anon_id"], answer, f"ans_{row[f'q{q}_label']}"))
    units, people, answers, labels = (np.array(column) for column in zip(*tidy, strict=True))
    right = answers == labels
    table = tabulate_ratings(units, people, answers)
    ac1 = gwet_ac(table, USUAL)
    everybody = accuracy(right, units, USUAL)
    # More than half of the five: an item on which 2, 2 and 1 agree has no majority.
    label_column = np.searchsorted(table.domain, labels[np.unique(units, return_index=True)[1]])
    by_majority = accuracy(table.counts[np.arange(300), label_column] >= 3, np.arange(300), USUAL)
    show("bbq AC1", ac1)
    show("bbq accuracy", everybody)
    show("bbq majority", by_majority)
    assert ac1.value == pytest.approx(0.883002, abs=5e-7)
    assert everybody.value == pytest.approx(0.956667, abs=5e-7)
    assert by_majority.value == pytest.approx(0.996667, abs=5e-7)
    assert (everybody.items, everybody.judgments) == (300, 1500)
    each = annotator_accuracy(people, right, units, Bootstrap(seed=0, min_items=1))
    total = sum(person.judgments * (person.value or 0) for person in each)
    assert total / 1500 == pytest.approx(0.956667, abs=5e-7)


@pytest.mark.data
def test_pandalm_pairs_of_people(shared_data: Path) -> None:
    """Y. Wang et al., PandaLM (2024): Cohen's κ .85, .88, .86."""
    ratings = index_ratings(*(np.array(c) for c in zip(*pandalm_ratings(shared_data), strict=True)))
    result = cohen_kappa(ratings, USUAL)
    found = {(pair.first, pair.second): pair for pair in result.pairs}
    for pair in result.pairs:
        show(f"pandalm Cohen {pair.first}, {pair.second}", pair)
        assert pair.items == 999
    assert found[1, 2].value == pytest.approx(0.852023, abs=5e-7)
    assert found[1, 3].value == pytest.approx(0.878944, abs=5e-7)
    assert found[2, 3].value == pytest.approx(0.861661, abs=5e-7)
    # All pairs share the same items, so the weights are equal.
    assert result.value == pytest.approx((0.852023 + 0.878944 + 0.861661) / 3, abs=5e-7)
    ac1 = gwet_ac(ratings.table(), USUAL)
    show("pandalm AC1", ac1)
    assert ac1.value == pytest.approx(0.886445, abs=5e-7)
    assert ac1.raw_agreement == pytest.approx(0.919920, abs=5e-7)


@pytest.mark.data
@pytest.mark.parametrize(
    ("strict", "pairs", "ac1", "raw"), [(False, 16927, 0.294817, 0.523806), (True, 11650, 0.430780, 0.602830)]
)
def test_convarg(shared_data: Path, strict: bool, pairs: int, ac1: float, raw: float) -> None:
    """I. Habernal and I. Gurevych, UKPConvArg1 (2016)."""
    codes = {"a1": -1, "equal": 0, "a2": 1}
    with gzip.open(shared_data / "convarg" / "pairs.csv.gz", "rt", encoding="utf-8") as file:
        wanted = {row["pair"] for row in csv.DictReader(file) if row["strict"] == "1" or not strict}
    with gzip.open(shared_data / "convarg" / "votes.csv.gz", "rt", encoding="utf-8") as file:
        votes = [row for row in csv.DictReader(file) if row["pair"] in wanted]
    table = tabulate_ratings(
        [v["pair"] for v in votes], [v["worker"] for v in votes], [codes[v["value"]] for v in votes]
    )
    result = gwet_ac(table, USUAL)
    show("convarg AC1", result)
    assert result.value == pytest.approx(ac1, abs=5e-7)
    assert result.raw_agreement == pytest.approx(raw, abs=5e-7)
    assert result.items == pairs
    assert len(table.counts) == pairs


@pytest.mark.data
def test_crows_pairs_types(shared_data: Path) -> None:
    """N. Nangia et al., CrowS-Pairs (2020): five people name the type of bias; "none" is one."""
    path = shared_data / "crows_pairs" / "crows_pairs_anonymized.csv.gz"
    tidy = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for item, row in enumerate(csv.DictReader(file)):
            named = ast.literal_eval(row["annotations"])
            tidy += [(item, place, (*types, "none")[0]) for place, types in enumerate(named)]
    table = tabulate_ratings(*(np.array(column) for column in zip(*tidy, strict=True)))
    alpha = krippendorff_alpha(table, level="nominal", seed=0)
    ac1 = gwet_ac(table, USUAL)
    show("crows_pairs α", alpha)
    show("crows_pairs AC1", ac1)
    assert len(table.domain) == 10
    assert alpha.value == pytest.approx(0.633713, abs=5e-7)
    assert ac1.value == pytest.approx(0.662572, abs=5e-7)


MODELS = ("bart", "bart-dpr", "human")


def squality_places(folder: Path, criterion: str) -> list[tuple[str, str, dict[str, int]]]:
    """(item, person, rank of each model's answer) of A. Wang et al., SQuALITY (2022)."""
    rankings: dict[tuple[str, str], dict[str, int]] = {}
    with gzip.open(folder / "squality_human" / "all-responses.jsonl.gz", "rt", encoding="utf-8") as file:
        for passage in map(json.loads, file):
            for question, answers in passage["questions"].items():
                for model in MODELS:
                    for review in answers[model]["reviews"]:
                        key = (f"{passage['passage-id']} {question}", review["worker_id"])
                        rankings.setdefault(key, {})[model] = review[f"{criterion}-rank"]
    return [(item, person, places) for (item, person), places in rankings.items()]


@pytest.mark.data
@pytest.mark.parametrize(
    ("criterion", "w", "ac1"),
    [("overall", 0.8644, 0.8327), ("selection", 0.8556, 0.8212), ("correctness", 0.7711, 0.7242)],
)
def test_squality_rankings(shared_data: Path, criterion: str, w: float, ac1: float) -> None:
    """W of the rankings, and AC1 of the pairs that they make beside p_a and α: the prevalence effect."""
    rankings = squality_places(shared_data, criterion)
    whole = [(f"{i} {m}", p, places[m], i) for i, p, places in rankings for m in MODELS]
    units, people, places, items = (list(column) for column in zip(*whole, strict=True))
    ratings = index_ratings(units, people, places, items=items)
    concordance = kendall_w(ratings, USUAL)
    show(f"squality {criterion} W", concordance)
    assert concordance.value == pytest.approx(w, abs=5e-5)
    assert (concordance.items, concordance.judgments, concordance.annotators) == (100, 900, 4)
    tau = kendall_tau(ratings, USUAL)
    show(f"squality {criterion} τ-b", tau)
    # Without ties and with k people on each item the mean of Spearman's ρ is (kW − 1) / (k − 1); of three places
    # τ lies below it but on its side of 0.
    assert tau.value is not None and 0 < tau.value < (3 * w - 1) / 2

    pairs = [
        (f"{i} {a} {b}", p, int(np.sign(places[b] - places[a])), i)
        for i, p, places in rankings
        for a, b in combinations(MODELS, 2)
    ]
    units, people, signs, items = (list(column) for column in zip(*pairs, strict=True))
    table = tabulate_ratings(units, people, signs, items=items)
    result: WeightedResult = gwet_ac(table, USUAL)
    alpha = krippendorff_alpha(table, level="nominal", seed=0)
    show(f"squality {criterion} pairs AC1", result)
    assert alpha.value is not None and result.raw_agreement is not None
    print(f"p_a {result.raw_agreement:.2f}, α {alpha.value:.2f}")
    assert result.value == pytest.approx(ac1, abs=5e-5)
    if criterion == "overall":
        assert result.raw_agreement == pytest.approx(0.87, abs=0.005)
        assert alpha.value == pytest.approx(0.44, abs=0.005)
