"""Figures of ratings, from judgments to rows: equal to the pure functions on a table made here, or a sentence."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from annotation.models import Membership
from comparisons.agreement import (
    Bootstrap,
    IndexedRatings,
    agreement_with_others,
    index_ratings,
    intraclass_correlation,
    krippendorff_alpha,
    leave_one_out,
)
from comparisons.models import Statistic
from tests.comparisons.test_statistics import computed
from tests.comparisons.test_statistics_ranked import same
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

ITEMS = 34
DEPTH = {"key": "depth", "name": "Depth", "points": 4, "optional": True}
RATING = {"kind": "rating", "criteria": [DEPTH]}

Point = int | None
Points = dict[tuple[int, int, int], tuple[int, Point]]
"""(item number, person, position) → overall (1…7), depth (0…3 or not applicable)."""


def rated(
    points: Callable[[int, int, int], tuple[int, Point]],
    *,
    people: int = 3,
    items: int = ITEMS,
    overlap: int = 3,
) -> tuple[World, list[Membership], Points]:
    """People rate two completions of each item they get, by (item number, number of the person, position)."""
    world = make_world(RATING | {"overlap": overlap})
    world.batch(items=items)
    members = [world.member() for _ in range(people)]
    found: Points = {}
    left = items * overlap
    for turn in range(items):
        # With more people than the overlap they take turns, so that each unit has others.
        for index in [(turn + at) % people for at in range(overlap)]:
            lease = world.lease(members[index])
            number = lease.assignment.item.number
            answer = {}
            for label, position in zip("AB", lease.display_order, strict=True):
                overall, depth = points(number, index, position)
                answer[label] = {"overall": overall, "depth": depth}
                found[number, members[index].pk, position] = (overall, depth)
            world.submit(lease, {"ratings": answer})
            left -= 1
    assert left == 0
    return world, members, found


def noisy(number: int, person: int, position: int) -> tuple[int, Point]:
    """The second completion is better by one; the third person is harsher; depth does not apply everywhere."""
    rng = random.Random(number * 100 + person * 10 + position)
    truth = 2 + number % 4 + position
    depth = (
        None if number % 16 == 0 and person == 2 else min(3, max(0, truth - 2 + rng.choice([-1, 0, 0, 1])))
    )
    return min(7, max(1, truth + rng.choice([-1, 0, 0, 1]) - 2 * (person == 2) * rng.choice([0, 1]))), depth


def table_of(points: Points, which: int) -> IndexedRatings:
    rows = [
        (n * 10 + p, who, value[which], n)
        for (n, who, p), value in points.items()
        if value[which] is not None
    ]
    units, people, values, items = (list(column) for column in zip(*rows, strict=True))
    return index_ratings(units, people, values, items=items, domain=[range(1, 8), range(4)][which])


def test_each_criterion_has_its_agreement_as_numbers() -> None:
    world, people, points = rated(noisy)
    figures = computed(world)
    for which, criterion in enumerate(("overall", "depth")):
        table = table_of(points, which).table()
        same(
            figures["alpha_interval", criterion, "", None],
            krippendorff_alpha(table, level="interval", seed=0),
        )
    table = table_of(points, 0)
    icc = figures["icc_2_1", "overall", "", None]
    same(icc, intraclass_correlation(table, "2,1", Bootstrap(0)))
    assert "the same people on every unit" in icc.method
    # Where depth does not apply to everybody the units differ in their ratings, and no ICC fits.
    assert figures["icc_1_1", "depth", "", None].reason.startswith(
        "Needs the same number of ratings on every unit"
    )
    agreeing = agreement_with_others(table, Bootstrap(0), weights="quadratic")
    for person, expected in zip(people, agreeing, strict=True):
        same(figures["agreement_with_others", "overall", "", person.pk], expected)
    for influence in leave_one_out(table, level="interval"):
        assert figures["influence_on_alpha", "overall", "", influence.annotator].value == influence.difference


def test_people_who_take_turns_have_the_icc_of_people_of_their_own() -> None:
    world, _, points = rated(noisy, people=4, overlap=2)
    figures = computed(world)
    same(
        figures["icc_1_1", "overall", "", None],
        intraclass_correlation(table_of(points, 0), "1,1", Bootstrap(0)),
    )
    assert ("icc_2_1", "overall", "", None) not in figures


def test_the_mean_of_each_model_is_of_its_own_ratings_with_the_highest_first() -> None:
    world, _, points = rated(noisy)
    figures = computed(world)
    for which, criterion in enumerate(("overall", "depth")):
        for position in (0, 1):
            own = {key: v[which] for key, v in points.items() if key[2] == position and v[which] is not None}
            figure = figures["mean_rating", criterion, f"model-{position}", None]
            values = np.array(list(own.values()), dtype=float)
            assert figure.value == pytest.approx(values.mean())
            assert figure.n == len({number for number, *_ in own}) and figure.counted == "rated items"
            assert figure.low is not None and figure.high is not None
            # A bootstrap over items of three ratings each comes near to the interval of the item means.
            by_item = [
                np.mean([v for (n, *_), v in own.items() if n == number]) for number in {n for n, *_ in own}
            ]
            reach = 1.96 * np.std(by_item) / np.sqrt(len(by_item))
            assert figure.high - figure.low == pytest.approx(2 * reach, rel=0.2)
    order = Statistic.objects.filter(name="mean_rating", criterion="overall").order_by("pk")
    assert [f.slice_value for f in order] == ["model-1", "model-0"]


# Where there is nothing to say


def test_the_same_points_everywhere_give_sentences() -> None:
    world, _, _ = rated(lambda number, person, position: (4, None), people=2, overlap=2, items=30)
    figures = computed(world)
    numbers = [figure for figure in figures.values() if figure.value is not None]
    # Full agreement with the others is a fact about these answers, with Wilson's doubt.
    assert {(f.name, f.value) for f in numbers} == {("agreement_with_others", 1.0)}
    assert all(f.low is not None and f.low < 0.9 for f in numbers)
    assert figures["mean_rating", "overall", "model-0", None].reason == (
        "All 60 ratings are 4, so nothing says how sure their mean is."
    )
    assert figures["alpha_interval", "overall", "", None].reason == (
        "All 120 answers are the same, so agreement beyond chance is undefined."
    )
    # Depth applied to nothing.
    assert figures["alpha_interval", "depth", "", None].reason == "Needs 30 shared items, has 0."
    assert (
        figures["mean_rating", "depth", "", None].reason == "Needs ratings of completions of a named model."
    )


def test_items_of_one_person_each_have_means_and_no_agreement() -> None:
    world, _, _ = rated(noisy, people=2, overlap=1)
    figures = computed(world)
    assert figures["mean_rating", "overall", "model-1", None].value is not None
    for name in ("alpha_interval", "icc_2_1"):
        assert figures[name, "overall", "", None].reason == "Needs 30 shared items, has 0."


def test_without_judgments_every_figure_of_ratings_is_a_sentence() -> None:
    figures = computed(make_world(RATING))
    assert {name for name, *_ in figures} == {"alpha_interval", "icc_2_1", "mean_rating"}
    assert {criterion for _, criterion, *_ in figures} == {"overall", "depth"}
    assert all(figure.value is None and figure.reason for figure in figures.values())
