"""From the judgments of a pair to its label, and which pairs of a ranking are kept: pure functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.labels import (
    LABELS,
    Estimate,
    Evidence,
    Label,
    Vote,
    agreement,
    holds_in_both_orders,
)
from exporters.ranked_pairs import kept_pairs

Pairs = dict[tuple[int, int], list[Vote]]


def votes(*preferences: int) -> list[Vote]:
    return [Vote(number, preference) for number, preference in enumerate(preferences, start=10)]


@pytest.mark.parametrize(
    ("name", "preferences", "expected"),
    [
        ("majority", (-3, 1, 1), [Label(1 / 3, 2 / 3, (10, 11, 12))]),
        ("mean_strength", (-3, 1, 1), [Label(-1 / 3, 2 / 3, (10, 11, 12))]),
        ("majority", (-2, 2), [Label(0, 0.5, (10, 11))]),
        ("majority", (0, 0, -1), [Label(-1 / 3, 1 / 3, (10, 11, 12))]),
        ("mean_strength", (-1, -1, 2), [Label(0, 1 / 3, (10, 11, 12))]),
        ("every", (2, 0, -1), [Label(2, 1, (10,)), Label(0, 0.5, (11,)), Label(-1, 0, (12,))]),
        ("majority", (), []),
        ("mean_strength", (), []),
        ("every", (), []),
    ],
)
def test_labels_follow_the_votes(name: str, preferences: tuple[int, ...], expected: list[Label]) -> None:
    labels = LABELS[name](Evidence(votes(*preferences), 1))
    assert [label[2] for label in labels] == [label[2] for label in expected]
    assert [label[:2] for label in labels] == [pytest.approx(label[:2]) for label in expected]


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        (-3, Label(-1.0, 0.0, (10, 11, 12), is_decided=True)),
        (0, Label(0.0, 0.5, (10, 11, 12), is_decided=True)),
        (1, Label(1.0, 1.0, (10, 11, 12), is_decided=True)),
        (None, Label(1 / 3, 2 / 3, (10, 11, 12))),
    ],
)
def test_what_a_reviewer_decided_is_the_label_and_else_the_majority(
    decided: int | None, expected: Label
) -> None:
    [label] = LABELS["adjudicated"](Evidence(votes(-1, 1, 1), None, None, decided))
    assert label[2:] == expected[2:]
    assert label[:2] == pytest.approx(expected[:2])


def test_reference_ignores_the_votes() -> None:
    assert LABELS["reference"](Evidence(votes(1, 1), -1)) == [Label(-1.0, 0.0, ())]
    assert LABELS["reference"](Evidence(votes(1, 1), None)) == []


@given(st.permutations(votes(-3, -1, 0, 2, 2)), st.sampled_from(["majority", "mean_strength", "every"]))
def test_labels_do_not_depend_on_the_order_of_votes(shuffled: list[Vote], name: str) -> None:
    assert LABELS[name](Evidence(shuffled)) == LABELS[name](Evidence(votes(-3, -1, 0, 2, 2)))


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.7, 0.1, 0.2), Label(-0.5, 0.25, (10, 11))),
        (Estimate(0.1, 0.2, 0.7), Label(0.6, 0.8, (10, 11))),
        (Estimate(0.3, 0.5, 0.2), Label(0.0, 0.45, (10, 11))),
        (Estimate(0.4, 0.4, 0.2), Label(0.0, 0.4, (10, 11))),
    ],
)
def test_the_most_probable_class_is_the_label(estimate: Estimate, expected: Label) -> None:
    [label] = LABELS["dawid_skene"](Evidence(votes(1, -1), None, estimate))
    assert label.judgments == expected.judgments
    assert label[:2] == pytest.approx(expected[:2])


def test_without_an_estimate_there_is_no_label() -> None:
    assert LABELS["dawid_skene"](Evidence(votes(1, 1))) == []


@pytest.mark.parametrize(
    ("preferences", "share"), [((), 0), ((1, 3, -1), 2 / 3), ((0, 0, 0, 1), 3 / 4), ((-1, 0, 1), 1 / 3)]
)
def test_agreement_is_the_largest_share_that_says_the_same(
    preferences: tuple[int, ...], share: float
) -> None:
    assert agreement(votes(*preferences)) == pytest.approx(share)


@pytest.mark.parametrize(
    ("shown", "holds"),
    [
        ([(False, -1), (True, -2)], True),
        ([(False, -1), (True, 2)], False),
        ([(False, -1), (False, -1)], False),
        ([(False, -1), (True, 0)], False),
        ([(False, -1), (False, 1), (False, -1), (True, -1)], True),
        ([(None, -1), (None, 1)], True),
        ([], False),
    ],
)
def test_a_label_holds_when_both_orders_say_it(shown: list[tuple[bool | None, int]], holds: bool) -> None:
    found = [Vote(number, preference, way) for number, (way, preference) in enumerate(shown)]
    assert holds_in_both_orders(found) is holds


# Pairs of a ranking


def ranking(judgment: int, *ranks: int) -> Pairs:
    """The votes of one ranking of completions 0, 1, …: negative where the first stands higher."""
    return {
        (first, second): [Vote(judgment, ranks[first] - ranks[second])]
        for first in range(len(ranks))
        for second in range(first + 1, len(ranks))
    }


def together(*rankings: Pairs) -> Pairs:
    return {pair: [vote for each in rankings for vote in each[pair]] for pair in rankings[0]}


@pytest.mark.parametrize(
    ("which", "pairs"),
    [
        ("all", {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}),
        # The order is 2, then 0 and 3 level, then 1.
        ("adjacent", {(0, 2), (2, 3), (0, 3), (0, 1), (1, 3)}),
        ("best_worst", {(1, 2)}),
    ],
)
def test_of_one_ranking_the_wanted_pairs_are_kept(which: str, pairs: set[tuple[int, int]]) -> None:
    one = ranking(5, 2, 4, 1, 2)
    for by_judgment in (True, False):
        kept = kept_pairs(one, which, by_judgment=by_judgment)
        assert set(kept) == pairs
        assert all(kept[pair] == one[pair] for pair in pairs)


def test_each_ranking_chooses_its_own_pairs_or_all_together_do() -> None:
    """0 > 1 > 2 said twice, 2 > 0 > 1 once: together 0, then 1 and 2 level at −1 and −1."""
    rankings = [ranking(5, 1, 2, 3), ranking(6, 1, 2, 3), ranking(7, 2, 3, 1)]
    votes_of = together(*rankings)
    apart = kept_pairs(votes_of, "best_worst", by_judgment=True)
    assert {pair: [vote.judgment for vote in found] for pair, found in apart.items()} == {
        (0, 2): [5, 6],
        (1, 2): [7],
    }
    as_one = kept_pairs(votes_of, "best_worst", by_judgment=False)
    assert as_one == {(0, 1): votes_of[0, 1], (0, 2): votes_of[0, 2]}
