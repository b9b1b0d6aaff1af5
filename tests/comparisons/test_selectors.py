"""Judgments of every kind in one vocabulary."""

from typing import Any

import pytest

from annotation.kinds import judgment_kinds
from annotation.models import Completion, Judgment
from comparisons.selectors import COMPARING, WRITING, criterion_ratings, pairwise_outcomes, work_judgments
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


def judged_world(protocol: dict[str, Any], completions: int, answer: Any) -> tuple[World, list[Completion]]:
    """One item judged once; `answer` makes an answer from {completion position: label on the screen}."""
    world = make_world(protocol | {"overlap": 1})
    world.batch(items=1, completions=completions)
    lease = world.lease(world.member())
    labels = {position: "ABCDEFGH"[index] for index, position in enumerate(lease.display_order)}
    world.submit(lease, answer(labels))
    return world, list(Completion.objects.order_by("position"))


def test_every_kind_compares_or_writes() -> None:
    """A release asks the tables of no other kind."""
    assert {key for key, _ in judgment_kinds} == COMPARING | WRITING
    assert not COMPARING & WRITING


@pytest.mark.parametrize(("preferred", "expected"), [(0, -2), (1, 2)])
def test_pairwise_answer_is_one_outcome_in_order_of_import(preferred: int, expected: int) -> None:
    world, (first, second) = judged_world(
        {"kind": "pairwise", "points": 7}, 2, lambda labels: {"preferred": labels[preferred], "strength": 2}
    )
    (outcome,) = pairwise_outcomes(work_judgments(world.project))
    assert (outcome.first, outcome.second, outcome.preference) == (first.pk, second.pk, expected)
    assert (outcome.criterion, outcome.item) == ("overall", first.item_id)
    assert outcome.judgment == Judgment.objects.get().pk


def test_ranking_answer_is_every_pair_with_the_distance_in_places() -> None:
    world, completions = judged_world(
        {"kind": "ranking"}, 3, lambda labels: {"ranking": [[labels[2]], [labels[0], labels[1]]]}
    )
    outcomes = list(pairwise_outcomes(work_judgments(world.project)))
    a, b, c = (completion.pk for completion in completions)
    assert {(o.first, o.second): o.preference for o in outcomes} == {(a, b): 0, (a, c): 1, (b, c): 1}


def test_rating_answer_prefers_the_higher_value() -> None:
    world, (first, second) = judged_world(
        {"kind": "rating"},
        2,
        lambda labels: {
            "ratings": {
                label: dict.fromkeys(rating_keys(), 4 if position == 0 else 2)
                for position, label in labels.items()
            }
        },
    )
    outcomes = list(pairwise_outcomes(work_judgments(world.project), criterion="overall"))
    assert [(o.first, o.second, o.preference) for o in outcomes] == [(first.pk, second.pk, -2)]


def rating_keys() -> list[str]:
    from annotation.models import Criterion

    return list(Criterion.objects.order_by("position").values_list("key", flat=True))


def test_ratings_of_a_ranking_are_ranks_of_completions_within_their_item() -> None:
    world, completions = judged_world(
        {"kind": "ranking"}, 3, lambda labels: {"ranking": [[labels[2]], [labels[0], labels[1]]]}
    )
    (ratings,) = criterion_ratings(work_judgments(world.project))
    by_unit = dict(zip(ratings.units, ratings.values, strict=True))
    assert by_unit == {completions[0].pk: 2, completions[1].pk: 2, completions[2].pk: 1}
    assert set(ratings.items) == {completions[0].item_id}
    assert (ratings.kind, ratings.low, ratings.high) == ("ranking", None, None)


def test_only_current_judgments_of_work_slots_count() -> None:
    world = make_world()
    world.batch(items=1)
    annotator = world.member()
    lease = world.lease(annotator)
    world.submit(lease, {"preferred": "A", "strength": 1})
    late = world.lease(world.member())
    assert work_judgments(world.project).count() == 1
    assert len(list(pairwise_outcomes(work_judgments(world.project)))) == 1
    assert late.assignment.state != "submitted"
    assert work_judgments(make_world().project).count() == 0


@pytest.mark.parametrize("kind", ["pairwise", "ranking", "rating"])
def test_number_of_queries_does_not_grow_with_judgments(kind: str, django_assert_num_queries: Any) -> None:
    world = make_world({"kind": kind, "overlap": 1})
    world.batch(items=6)
    annotator = world.member()
    for _ in range(6):
        world.judge(annotator, answer_for(kind))
    # One for each kind of answer, and one for the completions of up to 10,000 pairs.
    with django_assert_num_queries(4 if kind == "pairwise" else 3):
        outcomes = list(pairwise_outcomes(work_judgments(world.project), criterion="overall"))
    assert len(outcomes) == 6


def answer_for(kind: str) -> dict[str, Any]:
    if kind == "pairwise":
        return {"preferred": "A", "strength": 1}
    if kind == "ranking":
        return {"ranking": [["A"], ["B"]]}
    return {"ratings": {label: dict.fromkeys(rating_keys(), 2) for label in "AB"}}
