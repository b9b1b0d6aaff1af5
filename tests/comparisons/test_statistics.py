"""Figures of a project, from judgments to rows: who is good, what leans, how models stand, when nothing is said."""

import math
import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from annotation.jobs import run_claimed
from annotation.models import Batch, Job, Judgment, Lease, Membership
from comparisons.agreement import Bootstrap, gwet_ac, tabulate_ratings
from comparisons.models import Statistic
from comparisons.selectors import work_judgments
from comparisons.services.statistics import enqueue_nightly_statistics, start_statistics
from comparisons.studies.data import choices_of
from tests.annotation.engine.people import add_gold
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

ITEMS = 60
NIGHT = NOW.replace(hour=3) + timedelta(days=1)


def computed(world: World, *, seed: int = 0) -> dict[tuple[str, str, str, int | None], Statistic]:
    """(name, criterion, slice value, annotator) → figure, of one run of the job."""
    job = start_statistics(project=world.project, actor=world.lead, now=NOW, seed=seed)
    run_claimed(str(job.pk), NOW + timedelta(seconds=60))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    rows = Statistic.objects.filter(job=job)
    return {(one.name, one.criterion, one.slice_value, one.annotator_id): one for one in rows}


def judged(*, first_place: float = 0.0) -> tuple[World, list[Membership]]:
    """ITEMS pairs by two models, one of which is better in most; three people, the third of whom takes whatever
    stands first with probability `first_place` and else answers at random."""
    world = make_world({"kind": "pairwise", "points": 3, "overlap": 3})
    batch = world.batch(items=ITEMS)
    rng = random.Random(7)
    truth = {item.pk: int(rng.random() < 0.8) for item in batch.items.all()}
    people = [world.member() for _ in range(3)]
    for number, person in enumerate(people):
        for _ in range(ITEMS):
            lease = world.lease(person)
            choice = truth[lease.assignment.item_id]
            if number == 2:
                choice = lease.display_order[0] if rng.random() < first_place else rng.randrange(2)
            world.submit(lease, {"preferred": "AB"[lease.display_order.index(choice)], "strength": 1})
    return world, people


def test_every_figure_of_the_project_is_there_with_its_n() -> None:
    world, people = judged()
    figures = computed(world)
    ac1 = figures["gwet_ac1", "overall", "", None]
    choices = choices_of(work_judgments(world.project))
    table = tabulate_ratings(choices.items, choices.annotators, choices.preference, domain=[-1, 0, 1])
    expected = gwet_ac(table, Bootstrap(0))
    assert (ac1.value, ac1.low, ac1.high) == (expected.value, expected.low, expected.high)
    assert (ac1.n, ac1.counted, ac1.family) == (ITEMS, "shared items", "agreement")
    assert ac1.last_judgment_id == Judgment.objects.latest("pk").pk
    assert {name for name, *_ in figures} == {
        *("raw_agreement", "gwet_ac1", "gwet_ac2", "fleiss_kappa", "cohen_kappa"),
        "contested_items",
        *("agreement_with_others", "influence_on_alpha", "gold_accuracy", "repeat_agreement", "drift"),
        # The texts of these items do not differ in form, so only the place leans.
        *("too_fast", "longest_run", "position", "strength", "crowd_strength"),
    }
    for person in people:
        assert figures["gold_accuracy", "", "", person.pk].reason == "Needs 10 gold answers, has 0."


def test_who_answers_at_random_is_found_and_nobody_else() -> None:
    world, (first, second, guesser) = judged()
    figures = computed(world)
    agreeing = {p.pk: figures["agreement_with_others", "overall", "", p.pk] for p in (first, second, guesser)}
    assert agreeing[guesser.pk].high is not None and agreeing[first.pk].low is not None
    assert agreeing[guesser.pk].high < agreeing[first.pk].low
    influence = figures["influence_on_alpha", "overall", "", guesser.pk]
    assert influence.value is not None and influence.value > 0.3
    assert (influence.low, influence.high) == (None, None) and "diagnostic" in influence.method


def test_who_takes_what_stands_first_leans_and_the_others_do_not() -> None:
    world, (first, second, leaner) = judged(first_place=0.8)
    figures = computed(world)
    lean = figures["position", "overall", "", leaner.pk]
    assert lean.low is not None and lean.low > 15 and lean.p_adjusted is not None and lean.p_adjusted < 0.01
    for person in (first, second):
        other = figures["position", "overall", "", person.pk]
        # The order of display is drawn anew each time.
        assert other.value is not None and abs(other.value) < 30
    run = figures["longest_run", "", "", leaner.pk]
    assert run.value is not None and run.n == ITEMS


def test_the_better_model_stands_above() -> None:
    world, _ = judged()
    figures = computed(world)
    large, small = (figures["strength", "overall", model, None] for model in ("model-1", "model-0"))
    assert large.low is not None and small.high is not None and large.low > 0 > small.high
    assert large.n == 3 * ITEMS and "Davidson" in large.method


def test_without_judgments_every_figure_is_a_sentence() -> None:
    figures = computed(make_world())
    assert len(figures) > 5
    assert all(figure.value is None and figure.reason for figure in figures.values())
    assert figures["gwet_ac1", "overall", "", None].reason == "Needs 30 shared items, has 0."


def test_gold_and_repeats_measure_the_person_and_count_as_nothing_else() -> None:
    """40 work items with repeats, then 12 gold items (expected −2 ± 1): nine right, three beyond the tolerance."""
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 1})
    person = world.member()
    batch = world.batch(items=40, overlap=1)
    for _ in range(12):
        lease = world.lease(person)
        world.submit(lease, answered(lease, 0))
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0.999)
    seen: list[bool] = []
    while len(seen) < 10:
        lease = world.lease(person)
        is_repeat = lease.assignment.purpose == "repeat"
        if is_repeat:
            seen.append(len(seen) % 5 != 0)  # two of ten the other way round
        choice = 1 if is_repeat and not seen[-1] else 0
        world.submit(lease, answered(lease, choice))
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0, gold_share=0.999)
    add_gold(world, batch, count=12, preference=-2)
    for number in range(12):
        lease = world.lease(person)
        assert lease.assignment.purpose == "gold"
        world.submit(
            lease, answered(lease, 0, strength=(1, 2, 3)[number % 3]) if number < 9 else answered(lease, 1)
        )
    figures = computed(world)
    gold = figures["gold_accuracy", "", "", person.pk]
    assert (gold.value, gold.n, gold.counted) == (9 / 12, 12, "gold answers")
    assert (gold.low, gold.high) == (pytest.approx(0.4677, abs=1e-4), pytest.approx(0.9111, abs=1e-4))
    repeats = figures["repeat_agreement", "", "", person.pk]
    assert (repeats.value, repeats.n) == (0.8, 10)
    drift = figures["drift", "", "", person.pk]
    assert drift.value is not None and drift.value == pytest.approx(3 * math.log(0.25 / 0.1) / math.log(500))
    run = figures["longest_run", "", "", person.pk]
    assert run.n == Judgment.objects.filter(assignment__purpose="work").count()


def answered(lease: Lease, choice: int, strength: int = 2) -> dict[str, Any]:
    """The completion imported as number `choice` is better, in the labels of the screen."""
    return {"preferred": "AB"[lease.display_order.index(choice)], "strength": strength}


@pytest.mark.parametrize("field", ["value", "reason"])
def test_the_table_refuses_a_number_with_a_reason_and_neither(field: str) -> None:
    world = make_world()
    figure = next(iter(computed(world).values()))
    figure.pk, figure.slice_value = None, "other"
    setattr(figure, field, 0.5 if field == "value" else "")
    with pytest.raises(DatabaseError, match="statistic_number_or_reason"), transaction.atomic():
        figure.save(force_insert=True)
    with pytest.raises(DatabaseError, match="statistic_immutable"), transaction.atomic():
        Statistic.objects.update(reason="better")


def test_a_night_computes_what_is_new_once() -> None:
    world, _ = judged()
    idle = make_world()

    def queued() -> int:
        assert not Job.objects.filter(kind="compute_statistics", project=idle.project).exists()
        return Job.objects.filter(kind="compute_statistics", project=world.project).count()

    enqueue_nightly_statistics(NIGHT.replace(hour=1))
    assert queued() == 0, "before the hour"
    enqueue_nightly_statistics(NIGHT)
    enqueue_nightly_statistics(NIGHT + timedelta(minutes=5))
    assert queued() == 1
    run_claimed(str(Job.objects.get(kind="compute_statistics").pk), NIGHT)
    enqueue_nightly_statistics(NIGHT + timedelta(days=1))
    assert queued() == 1, "nothing new"
    world.batch(items=1)
    world.judge(world.member(), {"preferred": "A", "strength": 1})
    enqueue_nightly_statistics(NIGHT + timedelta(days=1))
    assert queued() == 2


# The page


def test_who_always_takes_what_stands_first_leans_most() -> None:
    """No regression can be fitted to them, and they are whom it is looked for."""
    world, (_, _, leaner) = judged(first_place=1.0)
    lean = computed(world)["position", "overall", "", leaner.pk]
    assert lean.value == 50 and lean.high == 50 and lean.p_adjusted is not None and lean.p_adjusted < 1e-15
    # Wilson's lower bound for 60 of 60 is 60 / (60 + 1.96²) = 0.93983, worked out by hand.
    assert lean.low == pytest.approx(43.983, abs=0.001) and lean.n == ITEMS


def test_the_page_shows_figures_with_intervals_and_proposals(client: Client) -> None:
    world, (_, _, leaner) = judged(first_place=1.0)
    client.force_login(world.lead)
    address = f"/projects/{world.project.slug}/statistics"
    assert "Not computed yet" in client.get(address).content.decode()
    assert client.post(f"{address}/compute").status_code == 302
    run_claimed(str(Job.objects.get(kind="compute_statistics").pk), NOW)
    page = client.get(address).content.decode()
    ac1 = Statistic.objects.get(name="gwet_ac1")
    assert f"[{ac1.low:.2f}, {ac1.high:.2f}]" in page
    assert f"Gwet’s AC1 {ac1.value:.2f}, 95% interval" in page
    row = page[page.index(f'/members/{leaner.pseudonym}"') :]
    assert "Propose to retrain: Leans to the response shown first" in row[: row.index("</tr>")]
    assert "Needs 10 gold answers, has 0." in page
    assert " style=" not in page


@pytest.mark.parametrize(("role", "status"), [("reviewer", 200), ("engineer", 200), ("annotator", 403)])
def test_annotators_do_not_see_how_others_judge(role: str, status: int, client: Client) -> None:
    world = make_world()
    client.force_login(world.member(role).user)
    assert client.get(f"/projects/{world.project.slug}/statistics").status_code == status
    stranger = make_world().lead
    client.force_login(stranger)
    assert client.get(f"/projects/{world.project.slug}/statistics").status_code == 404
