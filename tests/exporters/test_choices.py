"""What the settings of a release choose: which judgments count, which pairs get a row, and with which label."""

from datetime import timedelta
from typing import Any

import pytest

from annotation.errors import Refused
from annotation.services.people import pause_annotator
from annotation.services.projects import publish_guideline
from exporters.settings import release_settings
from exporters.snapshot import select_rows
from tests.exporters.format_worlds import cut_as
from tests.exporters.releases import contents, cut, judge_item, judged_world
from tests.factories import NOW, PAIRWISE, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


def chosen(world: World, body: dict[str, Any]) -> list[tuple[str, int]]:
    """(item, position of the chosen completion) of every row that such a release would hold."""
    found = select_rows(world.project, release_settings(body)).rows
    positions = {c.pk: c.position for item in world.project.items.all() for c in item.completions.all()}
    return [(row.external_id, positions[row.chosen]) for row in found]


def card_of(world: World, body: dict[str, Any]) -> str:
    release, job = cut(world, {"split": {"train": 1}} | body)
    assert job.error is None, job.error
    return contents(release)["README.md"].decode()


# Which judgments count


def test_judgments_count_from_one_moment_until_before_another() -> None:
    world = make_world()
    world.batch(items=3, overlap=1)
    person = world.member()
    for days, preference in enumerate((-1, 1, -1)):
        lease = world.lease(person, after=days * 86_400)
        better = list(lease.display_order).index(0 if preference < 0 else 1)
        world.submit(lease, {"preferred": "AB"[better], "strength": 1}, after=days * 86_400)
    second = (NOW + timedelta(days=1)).isoformat()
    third = (NOW + timedelta(days=2)).isoformat()
    assert chosen(world, {"filters": {"since": second, "before": third}}) == [("row-2", 1)]
    assert [item for item, _ in chosen(world, {"filters": {"since": second}})] == ["row-2", "row-3"]
    assert [item for item, _ in chosen(world, {"filters": {"before": second}})] == ["row-1"]
    assert f"- Judgments made from {second} and before {third}." in card_of(
        world, {"filters": {"since": second, "before": third}}
    )


def test_judgments_count_by_the_guideline_they_were_made_under() -> None:
    world = judged_world([[-1]])
    publish_guideline(project=world.project, actor=world.lead, text="Anew.", now=NOW)
    world.batch(items=1, overlap=1)
    judge_item(world, world.member(), 1)
    assert [item for item, _ in chosen(world, {"filters": {"guideline_versions": [2]}})] == ["row-1"]
    selection = select_rows(world.project, release_settings({"filters": {"guideline_versions": [2]}}))
    assert selection.guidelines == {2}
    with pytest.raises(Refused) as refusal:
        cut(world, {"filters": {"guideline_versions": [2, 3]}})
    assert [error.field for error in refusal.value.errors] == ["filters.guideline_versions"]


def test_people_who_are_paused_can_be_left_out() -> None:
    world = judged_world([[-1, 1], [1, 1]])
    first = world.project.memberships.filter(role="annotator").earliest("pk")
    pause_annotator(annotator=first, reason="Look first.", actor=world.lead, now=NOW)
    assert chosen(world, {}) == [("row-2", 1)]
    assert chosen(world, {"filters": {"paused": "exclude"}}) == [("row-1", 1), ("row-2", 1)]
    assert "None by people who were paused" in card_of(world, {"filters": {"paused": "exclude"}})


# Which pairs get a row


def test_pairs_on_which_too_few_agree_are_left_out() -> None:
    world = judged_world([[-1, -1, 1], [-1, -1, 1], [-1, 1, 0]])
    assert chosen(world, {"filters": {"min_agreement": 1.0}}) == [("row-1", 0)]
    assert chosen(world, {"filters": {"min_agreement": 0.6}}) == [("row-1", 0), ("row-2", 0), ("row-3", 1)]
    card = card_of(world, {"filters": {"min_agreement": 1.0}})
    assert "- At least 100% of a pair's judgments say the same." in card
    assert "- 2 pairs left out because too few of the judgments agree." in card


def test_labels_are_those_of_the_criterion_that_is_asked_for() -> None:
    world = make_world(PAIRWISE | {"criteria": ["Kindness"]})
    world.batch(items=1, overlap=1)
    lease = world.lease(world.member())
    letters = {position: "AB"[place] for place, position in enumerate(lease.display_order)}
    world.submit(
        lease,
        {
            "preferred": letters[0],
            "strength": 1,
            "criteria": {"kindness": {"preferred": letters[1], "strength": 1}},
        },
    )
    assert chosen(world, {}) == [("row-1", 0)]
    assert chosen(world, {"criterion": "kindness"}) == [("row-1", 1)]
    assert "answers on the criterion `kindness`" in card_of(world, {"criterion": "kindness"})
    with pytest.raises(Refused, match=r"no criterion 'honesty'; there are: kindness, overall\."):
        cut(world, {"criterion": "honesty"})


def ranked_world(*rankings: list[list[int]]) -> World:
    """One item with four completions; a ranking lists positions, best first."""
    world = make_world({"kind": "ranking", "overlap": len(rankings)})
    world.batch(items=1, completions=4)
    for tiers in rankings:
        lease = world.lease(world.member())
        label = {position: "ABCD"[place] for place, position in enumerate(lease.display_order)}
        world.submit(lease, {"ranking": [[label[position] for position in tier] for tier in tiers]})
    return world


def row_pairs(world: World, body: dict[str, Any]) -> list[str]:
    return [row.id for row in select_rows(world.project, release_settings(body)).rows]


def test_of_a_ranking_neighbours_or_the_ends_can_make_the_rows() -> None:
    world = ranked_world([[2], [0], [3], [1]])
    assert len(row_pairs(world, {})) == 6
    assert row_pairs(world, {"ranking_pairs": "adjacent"}) == ["1-1-0-2", "1-1-0-3", "1-1-1-3"]
    assert row_pairs(world, {"ranking_pairs": "best_worst"}) == ["1-1-1-2"]
    assert chosen(world, {"ranking_pairs": "best_worst"}) == [("row-1", 2)]
    card = card_of(world, {"ranking_pairs": "best_worst"})
    assert "- Of a ranking the pairs are the best against the worst." in card
    assert "- 5 pairs of a ranking left out because other pairs of it stand for them." in card


def test_every_ranking_brings_its_own_ends() -> None:
    world = ranked_world([[2], [0], [3], [1]], [[0], [2], [1], [3]])
    rows = row_pairs(world, {"labels": "every", "ranking_pairs": "best_worst"})
    assert [row.rsplit("-", 1)[0] for row in rows] == ["1-1-0-3", "1-1-1-2"]


# Labels


def test_dawid_and_skene_overrule_a_majority_of_people_who_err() -> None:
    """Two who answer at random agree by chance on the last item; three who always agree elsewhere are believed."""
    good = [-1, 1] * 10
    world = judged_world(
        [
            [*good, 1],
            [*good, 1],
            [-1, 1, 1, -1, -1, -1, 1, 1, -1, 1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1, -1],
            [1, 1, -1, -1, 1, -1, -1, 1, 1, 1, -1, -1, -1, 1, 1, 1, -1, 1, 1, -1, -1],
            [1, -1, -1, 1, 1, 1, -1, -1, 1, -1, 1, 1, 1, -1, -1, 1, 1, -1, 1, 1, -1],
        ]
    )
    assert dict(chosen(world, {}))["row-21"] == 0
    assert dict(chosen(world, {"labels": "dawid_skene"}))["row-21"] == 1
    rows = cut_as(world, "reward", {"labels": "dawid_skene"})
    assert rows[-1]["margin"] > 0.9 and rows[-1]["soft_label"] > 0.95
    assert "by Dawid and Skene's model" in card_of(world, {"labels": "dawid_skene"})


def test_a_model_that_cannot_be_fitted_gives_no_label_and_says_why() -> None:
    world = judged_world([[-1, 1, 1]])
    _, job = cut(world, {"labels": "dawid_skene"})
    assert (job.error or {})["detail"] == (
        "There is nothing to release. Pairs of completions left out: 3 with no estimate by Dawid and Skene's model. "
        "Dawid and Skene's model (pairwise, 7 points): All judgments are one person's, so errors cannot be told from "
        "answers."
    )


def test_soft_ties_are_one_row_each_in_an_order_drawn_from_the_texts() -> None:
    world = judged_world([[0] * 12 + [1], [0] * 12 + [2], [0] * 12 + [-1]])
    rows = cut_as(world, "preference", {"ties": "soft"})
    assert [row["soft_label"] for row in rows] == [0.5] * 12 + [pytest.approx(2 / 3)]
    assert len({row["id"] for row in rows}) == 13
    assert {row[1] for row in chosen(world, {"ties": "soft"})[:12]} == {0, 1}
    assert chosen(world, {"ties": "soft"}) == chosen(world, {"ties": "soft"})
    assert "kept as one row each with the soft label 0.5" in card_of(world, {"ties": "soft"})


def test_a_tie_of_strengths_is_soft_by_one_half_whatever_the_votes() -> None:
    world = judged_world([[-1], [-1], [2]])
    [row] = cut_as(world, "preference", {"labels": "mean_strength", "ties": "soft"})
    assert row["soft_label"] == 0.5
    [row] = cut_as(world, "preference", {"labels": "majority"})
    assert row["soft_label"] == pytest.approx(2 / 3)


# Against leanings


def shown_first(world: World, person: Any, first: bool) -> None:
    """Prefer what stands first on the screen, or what stands second."""
    world.submit(world.lease(person), {"preferred": "A" if first else "B", "strength": 1})


def test_people_who_surely_lean_to_a_place_are_left_out() -> None:
    world = make_world()
    world.batch(items=60, overlap=2)
    leaning, fair = world.member(), world.member()
    for number in range(60):
        shown_first(world, leaning, first=number % 10 != 0)
        shown_first(world, fair, first=number % 2 == 0)
    body = {"debias": {"max_lean": 0.2}, "labels": "every"}
    selection = select_rows(world.project, release_settings(body))
    assert selection.annotators == {fair.pk} and selection.leaning == 1
    loose = select_rows(world.project, release_settings(body | {"debias": {"max_lean": 0.45}}))
    assert loose.annotators == {leaning.pk, fair.pk}
    assert (
        "- None by people who surely (Wilson's 95 % interval) prefer the place shown first more than 70% or less than "
        "30% of the time: 1 annotator left out." in card_of(world, body)
    )


def test_a_label_can_be_asked_to_hold_in_both_orders() -> None:
    """Places are balanced for each person, so of four people some see an item the one way and some the other."""
    world = make_world()
    world.batch(items=8, overlap=4)
    for _ in range(4):
        person = world.member()
        for number in range(8):
            if number < 4:
                judge_item(world, person, -1)
            else:
                shown_first(world, person, first=True)
    orders: dict[str, set[int]] = {}
    for item in world.project.items.all():
        orders[item.external_id] = {j.display_order[0] for j in item.judgments.all()}
    in_both = [item for item, ways in orders.items() if len(ways) == 2]
    expected = [(item, 0) for item in in_both if int(item.removeprefix("row-")) <= 4]
    assert expected
    assert chosen(world, {"debias": {"both_orders": True}}) == expected
    assert len(chosen(world, {"ties": "both"})) > len(expected)


def test_lengths_can_be_balanced() -> None:
    """In each class of difference as many rows stay either way; equal lengths and ties are none of its business."""
    world = make_world()
    batch = world.batch(items=0, overlap=1)
    # (first text, second text, preference): twice as long 12 times, chosen 9 times; eight times as long, always chosen.
    cases = [("w" * 40, "w" * 20, -1)] * 9 + [("w" * 40, "w" * 20, 1)] * 3
    cases += [("w" * 160, "w" * 20, -1)] * 4 + [("same", "else", 1)] * 2 + [("w" * 40, "w" * 20, 0)] * 2
    for number, (first, second, _) in enumerate(cases, start=1):
        world.item(batch, number, [first, second])
    person = world.member()
    for _, _, preference in cases:
        judge_item(world, person, preference)
    body = {"debias": {"length_balanced": True}, "ties": "both", "split": {"train": 1}}
    kept = chosen(world, body)
    by_case = {kind: [item for item, _ in kept if cases[int(item[4:]) - 1] == kind] for kind in set(cases)}
    assert {kind: len(items) for kind, items in by_case.items()} == {
        ("w" * 40, "w" * 20, -1): 3,
        ("w" * 40, "w" * 20, 1): 3,
        ("w" * 160, "w" * 20, -1): 0,
        ("same", "else", 1): 2,
        ("w" * 40, "w" * 20, 0): 4,
    }
    assert chosen(world, body) == kept
    card = card_of(world, body)
    assert "- Against length: within each side of the split" in card
    assert "- 10 pairs left out to balance lengths." in card
