"""Splits by cluster in real selections and cuts. Labels come with the data, so nobody has to judge first."""

import json
from typing import Any

import pytest

from annotation.jobs import run_claimed
from annotation.models import Item, Job
from exporters import groups
from exporters.card import settings_words
from exporters.models import Release
from exporters.obstacles import CLUSTER_ITEMS_MAX
from exporters.services.releases import start_release
from exporters.settings import release_settings, stored_settings
from exporters.snapshot import select_rows
from tests.exporters.releases import contents, cut
from tests.exporters.test_clusters import distinct, near
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

HALVES = {"train": 0.5, "test": 0.5}


def ask(world: World, *prompts: str) -> list[Item]:
    """A batch with one labelled item for each prompt."""
    batch = world.batch(items=0)
    return [
        world.item(batch, number, ["a", "b"], prompt=[{"role": "user", "content": prompt}], reference=1)
        for number, prompt in enumerate(prompts, start=1)
    ]


def body(seed: int = 0, **split: Any) -> dict[str, Any]:
    return {"labels": "reference", "split": {**HALVES, "seed": seed, **split}}


def sides(world: World, seed: int, **split: Any) -> dict[int, str]:
    """The side of each item."""
    selection = select_rows(world.project, release_settings(body(seed, **split)))
    return {row.item: row.split for row in selection.rows}


SEEDS = range(24)


def test_a_near_duplicate_stays_with_its_prompt_in_every_selection() -> None:
    world = make_world()
    first, other, planted = ask(world, distinct(1), distinct(2), near(distinct(1), "planted"))
    together = [sides(world, seed) for seed in SEEDS]
    assert all(found[first.pk] == found[planted.pk] for found in together)
    assert {found[first.pk] for found in together} == {"train", "test"}
    assert any(found[first.pk] != found[other.pk] for found in together)
    # By the exact prompt they part in about half of the seeds.
    parted = sum(
        found[first.pk] != found[planted.pk]
        for found in (sides(world, seed, clusters="exact") for seed in SEEDS)
    )
    assert 4 < parted < 20


def test_a_process_apart_decides_the_same_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    ask(world, distinct(1), distinct(2), near(distinct(1), "planted"))
    here = [sides(world, seed) for seed in range(8)]
    monkeypatch.setattr(groups, "APART_FROM", 1)
    assert [sides(world, seed) for seed in range(8)] == here


def test_a_cut_holds_near_duplicates_on_one_side_and_its_card_says_so() -> None:
    world = make_world()
    ask(world, *(distinct(number) for number in range(6)), near(distinct(1), "x"), near(distinct(1), "y"))
    release, job = cut(world, body(seed=3))
    assert job.error is None
    rows = {row.item.number: row.split for row in release.rows.select_related("item")}
    assert rows[2] == rows[7] == rows[8]
    assert set(rows.values()) == {"train", "test"}
    assert release.manifest["clusters"] == {"count": 6, "largest_items": 3}
    card = contents(release)["README.md"].decode()
    assert "The 8 items form 6 clusters; the largest holds 3 items." in card
    assert "Jaccard similarity of 0.8" in card
    exact, _ = cut(world, body(seed=3, clusters="exact"))
    card = contents(exact)["README.md"].decode()
    assert "The 8 items form 8 clusters; the largest holds 1 item." in card and "Jaccard" not in card
    assert exact.settings["split"]["clusters"] == "exact"


def test_later_items_move_no_row() -> None:
    world = make_world()
    ask(world, *(distinct(number) for number in range(8)))
    before = [sides(world, seed) for seed in SEEDS]
    late = ask(world, *(near(distinct(number), f"x{number}") for number in range(8)), distinct(99))
    for seed, earlier in zip(SEEDS, before, strict=True):
        after = sides(world, seed)
        assert after | earlier == after
        for number, item in enumerate(Item.objects.order_by("pk")[:8]):
            assert after[late[number].pk] == after[item.pk]


def test_a_link_between_two_clusters_moves_the_younger_one() -> None:
    world = make_world()
    middle = near(distinct(1), "x")
    last = near(middle, "y", 0)
    first, younger = ask(world, distinct(1), last)
    before = [sides(world, seed) for seed in SEEDS]
    assert any(found[first.pk] != found[younger.pk] for found in before)
    (link,) = ask(world, middle)
    for seed, earlier in zip(SEEDS, before, strict=True):
        after = sides(world, seed)
        assert after == dict.fromkeys((first.pk, younger.pk, link.pk), earlier[first.pk])


def test_filters_do_not_change_a_side() -> None:
    """Without its older relative in the release, an item still lies where it would lie beside it."""
    world = make_world()
    ask(world, distinct(1), distinct(2))
    (late,) = ask(world, near(distinct(1), "x"))
    for seed in SEEDS:
        alone = select_rows(world.project, release_settings(body(seed) | {"filters": {"batches": [2]}}))
        assert [(row.item, row.split) for row in alone.rows] == [(late.pk, sides(world, seed)[late.pk])]


def test_cutting_twice_gives_the_same_bytes() -> None:
    world = make_world()
    ask(world, *(distinct(number) for number in range(5)), near(distinct(1), "x"))
    first, _ = cut(world, body())
    second, _ = cut(world, body(), version="again")
    assert contents(first) == contents(second)


def templates(world: World, count: int, others: int) -> None:
    ask(
        world,
        *(near("Please " + distinct(1), f"x{number}") for number in range(count)),
        *(distinct(number) for number in range(10, 10 + others)),
    )


def test_a_cluster_above_a_tenth_stops_the_cut_with_a_choice() -> None:
    world = make_world()
    templates(world, CLUSTER_ITEMS_MAX + 1, 9)
    release, job = cut(world, body(), version="one")
    assert (release.state, job.state) == (Release.State.FAILED, Job.State.FAILED)
    assert job.error is not None
    assert job.error["detail"] == (
        "21 of the 30 items (70 %) have prompts that are linked as nearly the same, such as item row-1 of batch 1 "
        "(“Please w1.0 w1.1 w1.2 w1.3 w1.4 w1.5 w1.6 w1.7 w1.8 w1.9 w1.…”). They would all lie on one side of the "
        'split. Choose that only equal prompts go together ("split": {"clusters": "exact"}) if it is the template '
        "that they share, or leave such items out."
    )
    chosen, job = cut(world, body(clusters="exact"), version="one")
    assert job.error is None and chosen.manifest["clusters"] == {"count": 30, "largest_items": 1}
    # Where there is one side only, nothing can cross.
    whole, job = cut(world, {"labels": "reference", "split": {"train": 1}})
    assert job.error is None and whole.manifest["clusters"] == {"count": 10, "largest_items": 21}


@pytest.mark.parametrize(("near_ones", "others"), [(CLUSTER_ITEMS_MAX, 9), (CLUSTER_ITEMS_MAX + 1, 189)])
def test_a_small_cluster_or_a_tenth_exactly_is_let_through(near_ones: int, others: int) -> None:
    world = make_world()
    templates(world, near_ones, others)
    release, job = cut(world, body())
    assert job.error is None
    assert release.manifest["clusters"] == {"count": others + 1, "largest_items": near_ones}


def test_equal_prompts_stop_nothing() -> None:
    """They stay together with either choice, so there would be nothing to choose."""
    world = make_world()
    ask(world, *[distinct(1)] * 25, *(distinct(number) for number in range(2, 8)))
    release, job = cut(world, body())
    assert job.error is None and release.manifest["clusters"] == {"count": 7, "largest_items": 25}


# Releases from before


def test_a_release_that_was_queued_before_splits_by_the_exact_prompt() -> None:
    world = make_world()
    ask(world, distinct(1), near(distinct(1), "x"))
    seed = next(n for n in range(50) if len(set(sides(world, n, clusters="exact").values())) == 2)
    release, job = start_release(
        project=world.project, actor=world.lead, settings=release_settings(body(seed)), now=NOW
    )
    old = json.loads(json.dumps(release.settings))
    del old["split"]["clusters"]
    Release.objects.filter(pk=release.pk).update(settings=old)
    run_claimed(str(job.pk), NOW)
    release.refresh_from_db()
    assert release.state == Release.State.FROZEN and release.settings == old
    assert {row.split for row in release.rows.all()} == {"train", "test"}
    assert settings_words(old).endswith("train 50 %, test 50 %")


def test_stored_settings_without_the_key_mean_exact_and_requests_without_it_near() -> None:
    old = {"split": {"train": 0.8, "test": 0.2, "seed": 0}}
    assert (stored_settings(old).clusters, release_settings(old).clusters) == ("exact", "near")
    assert stored_settings(release_settings(old).as_json()) == release_settings(old)
    assert stored_settings({}).clusters == "exact"
