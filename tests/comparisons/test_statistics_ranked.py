"""Figures of rankings, from judgments to rows: equal to the pure functions on a table made here, or a sentence."""

import random
from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pytest

from annotation.models import Membership
from comparisons.aggregation import fit_plackett_luce, tabulate_rankings
from comparisons.agreement import (
    Bootstrap,
    Estimate,
    IndexedRatings,
    agreement_with_others,
    gwet_ac,
    index_ratings,
    kendall_tau,
    kendall_w,
    krippendorff_alpha,
    leave_one_out,
    tabulate_ratings,
)
from comparisons.models import Statistic
from comparisons.selectors import work_judgments
from comparisons.studies.columns import NOTHING
from comparisons.studies.given import Given, ranks_given
from comparisons.studies.ranked import implied_pairs, rankings_of_models
from tests.comparisons.test_statistics import computed
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

ITEMS = 34
RANKING = {"kind": "ranking", "overlap": 3}

Tiers = list[list[int]]
"""Positions of completions as imported, best first."""
Ranks = dict[tuple[int, int], dict[int, int]]
"""(item number, person) → position → competition rank."""


def ranked(
    tiers: Callable[[int, int], Tiers],
    *,
    items: int = ITEMS,
    people: int = 3,
    completions: int = 3,
    **more: int,
) -> tuple[World, list[Membership], Ranks]:
    """Every person ranks every item as `tiers` says of (item number, number of the person)."""
    world = make_world(RANKING | {"overlap": people} | more)
    world.batch(items=items, completions=completions)
    members = [world.member() for _ in range(people)]
    ranks: Ranks = {}
    for index, member in enumerate(members):
        for _ in range(items):
            lease = world.lease(member)
            number = lease.assignment.item.number
            given = tiers(number, index)
            label = {position: "ABCDEFGH"[at] for at, position in enumerate(lease.display_order)}
            world.submit(lease, {"ranking": [[label[position] for position in tier] for tier in given]})
            ranks[number, member.pk] = competition(given, completions)
    return world, members, ranks


def competition(tiers: Tiers, completions: int) -> dict[int, int]:
    """1, 2, 2, 4; those in no tier share the place after the last."""
    ranks, place = {}, 1
    for tier in tiers:
        ranks.update(dict.fromkeys(tier, place))
        place += len(tier)
    return {position: ranks.get(position, place) for position in range(completions)}


def noisy(number: int, person: int) -> Tiers:
    """Mostly model-2, then model-0, then model-1; the third person is often elsewhere, and ties now and then."""
    rng = random.Random(number * 7 + person)
    order = [2, 0, 1]
    if rng.random() < (0.25, 0.35, 0.7)[person]:
        rng.shuffle(order)
    return [[order[0]], [order[1], order[2]]] if rng.random() < 0.2 else [[position] for position in order]


def table_of(ranks: Mapping[tuple[int, int], Mapping[int, int]]) -> IndexedRatings:
    rows = [(n * 10 + p, who, rank, n) for (n, who), places in ranks.items() for p, rank in places.items()]
    units, people, values, items = (list(column) for column in zip(*rows, strict=True))
    return index_ratings(units, people, values, items=items, domain=[1, 2, 3])


def same(figure: Statistic, expected: Estimate) -> None:
    assert expected.value is not None, expected.reason
    assert (figure.value, figure.low, figure.high) == (expected.value, expected.low, expected.high)
    assert (figure.n, figure.counted, figure.reason) == (expected.items, "shared items", "")


def test_agreement_is_that_of_the_rankings_as_they_were_given() -> None:
    world, people, ranks = ranked(noisy)
    figures = computed(world)
    table, bootstrap = table_of(ranks), Bootstrap(0)
    same(figures["kendall_w", "overall", "", None], kendall_w(table, bootstrap))
    same(figures["kendall_tau_b", "overall", "", None], kendall_tau(table, bootstrap))
    alpha = krippendorff_alpha(table.table(), level="ordinal", seed=0)
    same(figures["alpha_ordinal", "overall", "", None], alpha)
    pairs = [
        (n * 100 + a * 10 + b, who, int(np.sign(places[a] - places[b])), n)
        for (n, who), places in ranks.items()
        for a, b in combinations(range(3), 2)
    ]
    units, who, signs, items = (list(column) for column in zip(*pairs, strict=True))
    implied = tabulate_ratings(units, who, signs, items=items, domain=[-1, 0, 1])
    same(figures["gwet_ac1", "overall", "", None], gwet_ac(implied, Bootstrap(0)))
    # AC1 does not change with the sign, so the pairs themselves are compared: −1 is the one imported first.
    stored = implied_pairs(ranks_given(work_judgments(world.project), "overall", ()))
    assert stored.counts.tolist() == implied.counts.tolist()
    for person, agreeing in zip(
        people, agreement_with_others(table, Bootstrap(0), weights="ordinal"), strict=True
    ):
        same(figures["agreement_with_others", "overall", "", person.pk], agreeing)
    for influence in leave_one_out(table, level="ordinal"):
        figure = figures["influence_on_alpha", "overall", "", influence.annotator]
        assert (figure.value, figure.low) == (influence.difference, None)


def test_models_stand_as_in_plackett_luce_and_the_best_is_first() -> None:
    world, _, ranks = ranked(noisy)
    found = [
        figure for (name, *_), figure in sorted(computed(world).items(), key=lambda f: f[1].pk)
        if name == "rank_strength"
    ]  # fmt: skip
    rows = [(at, p, rank) for at, places in enumerate(ranks.values()) for p, rank in places.items()]
    fit = fit_plackett_luce(tabulate_rankings(*(list(column) for column in zip(*rows, strict=True))))
    assert [f.slice_value for f in found] == ["model-2", "model-0", "model-1"]
    for figure, standing in zip(found, fit.leaderboard, strict=True):
        assert (figure.value, figure.low, figure.high) == (
            pytest.approx(standing.strength), pytest.approx(standing.low), pytest.approx(standing.high)
        )  # fmt: skip
        assert (figure.n, figure.counted) == (3 * ITEMS, "judgments")


def best_of_four(number: int, person: int) -> Tiers:
    """The first place only: every third item model-3, else one that goes round."""
    return [[3 if number % 3 == 0 else (number + person) % 4]]


def test_who_was_not_placed_is_below_and_not_tied() -> None:
    """Of four completions only the best is asked for. If the other three were ties, they would count as comparisons."""
    world, _, ranks = ranked(best_of_four, completions=4, items=12, top=1)
    found = {key[2]: figure for key, figure in computed(world).items() if key[0] == "rank_strength"}
    rows = [
        (at, p, rank if rank == 1 else 0)
        for at, places in enumerate(ranks.values())
        for p, rank in places.items()
    ]
    fit = fit_plackett_luce(tabulate_rankings(*(list(column) for column in zip(*rows, strict=True))))
    assert fit.strengths is not None and fit.strengths[3] > fit.strengths[0] + 0.5
    assert [found[f"model-{m}"].value for m in range(4)] == [pytest.approx(s) for s in fit.strengths]


# Where there is nothing to say


def test_one_person_alone_agrees_with_nobody() -> None:
    world, _, _ = ranked(
        lambda number, person: [[number % 3], [(number + 1) % 3], [(number + 2) % 3]], people=1
    )
    figures = computed(world)
    for name in ("kendall_w", "kendall_tau_b", "alpha_ordinal", "gwet_ac1"):
        figure = figures[name, "overall", "", None]
        assert figure.value is None and figure.reason.startswith("Needs 30 ") and "has 0" in figure.reason


def test_all_tied_has_no_order_and_no_strengths() -> None:
    world, _, _ = ranked(lambda number, person: [[0, 1, 2]], people=2)
    figures = computed(world)
    assert figures["kendall_w", "overall", "", None].reason == (
        "Every ranking ties everything, so there is no order to agree on."
    )
    for name in ("alpha_ordinal", "gwet_ac1"):
        figure = figures[name, "overall", "", None]
        assert figure.value is None and "answers are the same" in figure.reason
    (models,) = (figure for figure in figures.values() if figure.name == "rank_strength")
    assert models.reason == "Every ranking ties everything, so nothing tells the models apart."
    # Full agreement with the others is a fact about these answers, with Wilson's doubt.
    said = [figure for figure in figures.values() if figure.value is not None]
    assert {(f.name, f.value) for f in said} == {("agreement_with_others", 1.0)}
    assert all(figure.low is not None and figure.low < 0.9 for figure in said)


def test_a_model_that_always_wins_has_no_finite_strength() -> None:
    world, _, _ = ranked(lambda number, person: [[2], [number % 2], [1 - number % 2]], items=4)
    (figure,) = (f for f in computed(world).values() if f.name == "rank_strength")
    assert figure.value is None and "model-2 never lost" in figure.reason and figure.slice_value == ""


def test_unnamed_and_doubled_models_say_nothing_of_models() -> None:
    """7 has a completion of no named model, 8 has two of one model, 9 was asked for the best only."""
    judgments, models = np.repeat([7, 8, 9], 3), np.array([0, 1, NOTHING, 0, 0, 2, 2, 0, 1])
    ranks, zeros = np.array([2, 1, 3, 1, 2, 3, 1, 2, 2]), np.zeros(9, dtype=np.int64)
    given = Given(
        judgments=judgments, items=judgments, annotators=zeros, completions=np.arange(9), values=ranks,
        models=models, batches=zeros, languages=zeros.astype(str), guidelines=zeros, places=zeros,
            seconds=np.full(9, np.nan),
        is_placed=np.array([True] * 7 + [False] * 2), scale=np.arange(1, 4), names=("a", "b", "c"), can_tie=True,
    )  # fmt: skip
    table = rankings_of_models(given)
    found = zip(
        table.judgments.tolist(), [table.names[m] for m in table.models], table.ranks.tolist(), strict=True
    )
    assert list(found) == [(0, "a", 2), (0, "b", 1), (1, "c", 1), (1, "a", 0), (1, "b", 0)]


def test_without_judgments_every_figure_of_rankings_is_a_sentence() -> None:
    figures = computed(make_world(RANKING | {"criteria": ["Clarity"]}))
    assert {(name, criterion) for name, criterion, *_ in figures} == {
        (name, criterion)
        for name in ("kendall_w", "kendall_tau_b", "alpha_ordinal", "gwet_ac1", "rank_strength")
        for criterion in ("overall", "clarity")
    }
    assert all(figure.value is None and figure.reason for figure in figures.values())
