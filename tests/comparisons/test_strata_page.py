"""The page of strata: groups beside everybody else, minority views, juries by seats, and sentences where nothing is."""

import pytest

from comparisons.strata.juries import Seating, verdicts
from tests.annotation.browsing import body, signed_in
from tests.comparisons.strata import OPTIONS, ask, compute, judged
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db
UNDER, OVER, NEITHER = OPTIONS
PERCENT = " %"
"""White space is made plain, this one too."""


@pytest.fixture
def world() -> World:
    """Ten people who mostly prefer model-0 beside fifteen who mostly prefer model-1."""
    found, _, _ = judged((10, 15), (1 / 6, 5 / 6), spread=1)
    compute(found)
    return found


def page(world: World, query: str = "") -> str:
    return " ".join(body(signed_in(world.lead).get(f"/projects/{world.project.slug}/strata{query}")).split())


def seats(world: World, **numbers: int | str) -> str:
    pk = world.project.strata.get().pk
    return page(
        world, f"?question={pk}&as=own&" + "&".join(f"{key}={value}" for key, value in numbers.items())
    )


def test_groups_stand_beside_everybody_else(world: World) -> None:
    text = page(world)
    assert f">{UNDER}</td>" in text and f">{OVER}</td>" in text and "15 people" in text
    assert f'data-l="Share">17{PERCENT}</td>' in text and f'data-l="Share">82{PERCENT}</td>' in text
    assert f"Not shown: {NEITHER}." in text


def test_a_group_that_prefers_the_other_model_is_a_minority_view(world: World) -> None:
    _, _, minority = page(world).partition("Minority views")
    listed, _, _ = minority.partition("Juries")
    assert f">{UNDER}</td>" in listed and f">{OVER}</td>" not in listed
    assert "model-0" in listed and "over model-1" in listed


def test_so_is_one_that_prefers_the_second_of_the_two() -> None:
    world, _, _ = judged((15, 10), (1 / 6, 5 / 6), spread=1)
    compute(world)
    listed = page(world).partition("Minority views")[2].partition("Juries")[0]
    assert f">{OVER}</td>" in listed and f">{UNDER}</td>" not in listed


@pytest.mark.parametrize("lean", [1 / 6, 5 / 6])
def test_where_all_groups_go_with_the_majority_there_is_no_minority_view(lean: float) -> None:
    world, _, _ = judged((10, 10), (lean, lean), spread=1)
    compute(world)
    assert "No group that may be shown surely disagrees" in page(world)


def test_juries_follow_from_the_shares_that_are_shown(world: World) -> None:
    """Of model-0 over model-1 the groups' shares are 83 % and 18 %."""
    text = page(world)
    assert 'name="seats_0" min="0" max="99" value="6"' in text
    expected = verdicts([Seating(6, 0.83, 0, 0.17), Seating(6, 0.18, 0, 0.82)])
    assert f'data-l="For the first">{100 * expected.first:.0f}{PERCENT}' in text
    # Everybody together prefers model-1, so a verdict for model-0 is against the majority.
    assert f'data-l="Against the majority">{100 * expected.first:.0f}{PERCENT}' in text
    only = seats(world, seats_0=9, seats_1=0)
    certain = verdicts([Seating(9, 0.83, 0, 0.17)])
    assert f'data-l="For the first">{100 * certain.first:.0f}{PERCENT}' in only
    assert '<td data-l="Median verdict">model-0</td>' in only
    pk = world.project.strata.get().pk
    proportional = page(world, f"?question={pk}&as=proportional")
    assert 'name="seats_0" min="0" max="99" value="5"' in proportional
    assert 'name="seats_1" min="0" max="99" value="7"' in proportional


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"seats_0": 0, "seats_1": 0}, "A jury has 1 to 99 seats, this one 0."),
        ({"seats_0": 99, "seats_1": 1}, "A jury has 1 to 99 seats, this one 100."),
        ({"seats_0": "x", "seats_1": 1}, "Write a whole number from 0 to 99 for each group."),
        ({"seats_0": 3}, "Write a whole number from 0 to 99 for each group."),
    ],
)
def test_seats_that_are_no_jury_get_a_sentence(world: World, sent: dict[str, int | str], told: str) -> None:
    text = seats(world, **sent)
    assert told in text and "Median verdict" not in text


def test_a_group_that_is_hidden_can_have_no_seat(world: World) -> None:
    assert "seats_2" not in page(world)
    assert seats(world, seats_0=3, seats_1=3, seats_2=9).count("Median verdict") == seats(
        world, seats_0=3, seats_1=3
    ).count("Median verdict")


def test_before_figures_and_without_questions_there_is_a_sentence() -> None:
    world = make_world()
    assert "Nothing is asked of the annotators" in page(world)
    ask(world)
    assert "Not computed yet." in page(world)
    compute(world)
    assert "Needs two groups of 10 people" in page(world)
    assert "Median verdict" not in page(world)
