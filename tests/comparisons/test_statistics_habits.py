"""How people rank and rate, beside what they say: repeats, pace and the same answer many times in a row."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from annotation.models import Batch, Lease, Membership
from comparisons.quality import longest_run, wilson_share
from tests.comparisons.test_statistics import computed
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

Values = Mapping[int, int]
"""Position of a completion as imported → its rank, or its points."""
Answering = Callable[[Lease, Values], Mapping[str, Any]]

CHARACTERS = 900


def ranking(lease: Lease, ranks: Values) -> Mapping[str, Any]:
    label = {position: "ABC"[at] for at, position in enumerate(lease.display_order)}
    return {
        "ranking": [[label[p] for p, r in ranks.items() if r == rank] for rank in sorted({*ranks.values()})]
    }


def ratings(lease: Lease, points: Values) -> Mapping[str, Any]:
    return {"ratings": {"ABC"[at]: {"overall": points[p]} for at, p in enumerate(lease.display_order)}}


def one_person(kind: str, items: int, **protocol: Any) -> tuple[World, Membership, Batch]:
    """Items of three completions with `CHARACTERS` characters together."""
    world = make_world({"kind": kind, "overlap": 1} | protocol)
    batch = world.batch(0)
    for number in range(1, items + 1):
        world.item(batch, number, [str(c) * (CHARACTERS // 3) for c in range(3)])
    return world, world.member(), batch


@pytest.mark.parametrize(
    ("kind", "answering", "first", "alike", "unlike"),
    [
        # The best stays the best, whatever the others do; the second becomes the best.
        ("ranking", ranking, {0: 1, 1: 2, 2: 3}, {0: 1, 1: 3, 2: 2}, {0: 2, 1: 1, 2: 3}),
        # Nobody moved by more than a point; one by two.
        ("rating", ratings, {0: 6, 1: 4, 2: 2}, {0: 5, 1: 5, 2: 2}, {0: 6, 1: 4, 2: 4}),
    ],
)
def test_repeats_are_alike_as_the_kind_says(
    kind: str, answering: Answering, first: Values, alike: Values, unlike: Values
) -> None:
    world, person, batch = one_person(kind, 40)
    for _ in range(12):
        lease = world.lease(person)
        world.submit(lease, answering(lease, first))
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0.999)
    repeated = 0
    while repeated < 10:
        lease = world.lease(person)
        is_repeat = lease.assignment.purpose == "repeat"
        # Two of ten are unlike.
        world.submit(
            lease, answering(lease, first if not is_repeat else unlike if repeated % 5 == 0 else alike)
        )
        repeated += is_repeat
    figure = computed(world)["repeat_agreement", "", "", person.pk]
    expected = wilson_share(8, 10)
    assert (figure.value, figure.low, figure.high) == (0.8, expected.low, expected.high)
    assert (figure.n, figure.counted) == (10, "repeats")


@pytest.mark.parametrize(("kind", "answering"), [("ranking", ranking), ("rating", ratings)])
def test_pace_is_that_of_all_that_was_to_be_read(kind: str, answering: Answering) -> None:
    """900 characters take 10 seconds at the fastest; of 24 answers with a time 6 came sooner, one has no time."""
    world, person, _ = one_person(kind, 25)
    for number in range(25):
        lease = world.lease(person)
        seconds = None if number == 24 else 9.9 if number % 4 == 0 else 10.1
        world.submit(lease, answering(lease, {0: 1, 1: 2, 2: 3}), active_seconds=seconds)
    figure = computed(world)["too_fast", "", "", person.pk]
    assert (figure.value, figure.n, figure.counted) == (6 / 24, 24, "timed answers")


@pytest.mark.parametrize(("kind", "answering"), [("ranking", ranking), ("rating", ratings)])
def test_a_run_is_of_what_stood_on_the_screen(kind: str, answering: Answering) -> None:
    """Of 30 answers the 8th to the 20th go down the screen whatever stands there; the others follow the completions."""
    world, person, _ = one_person(kind, 30)
    seen = []
    for number in range(30):
        lease = world.lease(person, seed=number)
        values = {0: 2, 1: 3, 2: 1} if number % 2 else {0: 3, 1: 1, 2: 2}
        if 8 <= number <= 20:
            values = {position: at + 1 for at, position in enumerate(lease.display_order)}
        world.submit(lease, answering(lease, values))
        seen.append(tuple(values[position] for position in lease.display_order))
    expected = longest_run(seen)
    assert expected.length >= 13 and expected.chance is not None
    figure = computed(world)["longest_run", "", "", person.pk]
    assert (figure.value, figure.n) == (expected.length, 30)
    assert figure.p_adjusted == pytest.approx(expected.chance)


def test_without_judgments_nobody_has_habits() -> None:
    for kind in ("ranking", "rating"):
        found = computed(make_world({"kind": kind}))
        assert found and not [key for key in found if key[3] is not None]
