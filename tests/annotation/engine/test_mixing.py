"""Gold items and repeats among the work: how often, for whom, and that they count and look like nothing else."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.renderers import JSONRenderer

from annotation.api.work import lease_json
from annotation.errors import Refused
from annotation.models import Assignment, AuditEvent, Batch, Exclusion, Judgment, Lease, Membership
from annotation.selectors import annotator_progress, batch_counts
from annotation.services.judgments import correct_judgment
from annotation.services.leases import lease_next
from annotation.services.overlap import raise_overlap
from annotation.services.people import describe_annotator
from annotation.services.projects import set_limits
from annotation.services.returning import release_assignment, sweep_leases
from comparisons.selectors import criterion_ratings, pairwise_outcomes, work_judgments
from exporters.releasable import releasable_judgments
from tests.annotation.engine.people import MINUTE, add_gold, answer, correction, refuse, take
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db

ALWAYS_GOLD = 0.999
REPEATED_AFTER = 10


def of_purpose(purpose: str) -> Any:
    return Assignment.objects.filter(purpose=purpose)


def gold_batch(
    world: World, items: int = 2, gold: int = 1, share: float = ALWAYS_GOLD, **fields: Any
) -> Batch:
    batch = world.batch(items=items, gold_share=share, **fields)
    add_gold(world, batch, count=gold)
    return batch


def work_through(world: World, annotator: Membership, count: int, seed: int = 0) -> list[Lease]:
    """Lease and answer `count` items, a minute apart; each draw has a seed of its own."""
    leases = []
    for index in range(count):
        now = NOW + index * MINUTE
        leases.append(take(annotator, now, seed=seed + index))
        answer(world, leases[-1], now)
    return leases


def ready_to_repeat(world: World, annotator: Membership) -> tuple[Batch, list[Lease]]:
    """Eleven answers are in, the first of them far enough back; from now on (nearly) every draw repeats."""
    batch = world.batch(items=30, overlap=1)
    leases = work_through(world, annotator, REPEATED_AFTER + 1)
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0.999)
    return batch, leases


def test_gold_comes_at_about_its_share(world: World) -> None:
    """400 leases at a share of 0.2: 80 expected with a standard deviation of 8; four of those either way."""
    batch = gold_batch(world, items=10, gold=20, share=0.2, overlap=60)
    purposes: Counter[str] = Counter()
    for person in range(50):
        for lease in work_through(world, world.member(), 8, seed=1000 * person):
            purposes[lease.assignment.purpose] += 1
    assert purposes.total() == 400
    assert 48 <= purposes["gold"] <= 112
    assert batch_counts([batch])[batch.pk].submitted == purposes["work"]


def test_the_draw_comes_from_the_seed_alone(world: World) -> None:
    gold_batch(world, items=3, gold=5, share=0.5, overlap=30)
    drawn = [[(take(world.member(), seed=seed).assignment.item_id) for seed in range(12)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 2


def test_a_person_gets_each_gold_item_once_and_then_work(world: World) -> None:
    gold_batch(world, items=3, gold=2, overlap=1)
    leases = work_through(world, world.member(), 5)
    assert [lease.assignment.purpose for lease in leases] == ["gold", "gold", "work", "work", "work"]
    assert len({lease.assignment.item_id for lease in leases}) == 5


def test_two_people_get_the_same_gold_item(world: World) -> None:
    gold_batch(world)
    first, second = take(world.member()), take(world.member())
    assert first.assignment.purpose == second.assignment.purpose == "gold"
    assert first.assignment.item_id == second.assignment.item_id


def test_gold_comes_from_the_batch_of_the_work(world: World) -> None:
    """The second batch has no gold of its own; the first, whose gold is left, has no work left."""
    first = gold_batch(world, items=1, gold=1, share=0.5, overlap=1, priority=1)
    second = world.batch(items=2, gold_share=ALWAYS_GOLD)
    worker = world.member()
    while (lease := take(worker, seed=3)).assignment.purpose != "work":
        answer(world, lease, NOW)
    answer(world, lease, NOW)
    assert batch_counts([first])[first.pk].open == 0
    assert take(world.member()).assignment.batch_id == second.pk
    assert not of_purpose("gold").filter(batch=second).exists()


def test_gold_is_in_a_language_that_the_person_reads(world: World) -> None:
    batch = world.batch(items=3, gold_share=ALWAYS_GOLD)
    add_gold(world, batch, language="de")
    (english,) = add_gold(world, batch, language="en")
    reader = world.member()
    describe_annotator(annotator=reader, languages=["en"], skills=[], actor=world.lead, now=NOW)
    leases = work_through(world, reader, 3)
    assert [lease.assignment.item_id for lease in leases if lease.assignment.purpose == "gold"] == [
        english.pk
    ]
    assert sum(lease.assignment.purpose == "gold" for lease in work_through(world, world.member(), 3)) == 2


def test_gold_waits_for_work(world: World) -> None:
    batch = gold_batch(world, items=1, gold=3, share=0.5, overlap=1)
    (item,) = batch.items.filter(target_overlap=1)
    annotator = world.member()
    refuse(item, annotator)
    assert lease_next(annotator=annotator, now=NOW, seed=1).reason == "nothing_left_for_you"


def test_gold_keeps_to_the_limits_of_exposure(world: World) -> None:
    batch = world.batch(items=2, gold_share=ALWAYS_GOLD)
    add_gold(world, batch, category="violence")
    set_limits(
        project=world.project,
        daily_cap=None,
        exposure={"violence": 0},
        exclusion_limit=3,
        actor=world.lead,
        now=NOW,
    )
    assert take(world.member()).assignment.item.category != "violence"


def test_a_repeat_keeps_to_the_limits_of_exposure(world: World) -> None:
    batch = world.batch(items=0, overlap=1)
    world.item(batch, 1, ["a", "b"], category="violence")
    for number in range(2, 15):
        world.item(batch, number, [f"{number}", "b"])
    annotator = world.member()
    first, *_ = sorted(work_through(world, annotator, 13), key=lambda lease: lease.assignment.item.number)
    assert first.assignment.item.category == "violence"
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0.999)
    limits = {"daily_cap": None, "exposure": {"violence": 0}, "exclusion_limit": 3}
    set_limits(project=world.project, actor=world.lead, now=NOW, **limits)  # type: ignore[arg-type]
    for seed in range(1, 3):  # one place is held again, so two leases show all there is to draw
        lease = take(annotator, NOW + timedelta(hours=1), seed=seed)
        assert lease.assignment.item.category != "violence"


def test_a_repeat_is_an_own_answer_ten_or_more_back_shown_swapped(world: World) -> None:
    annotator = world.member()
    work_through(world, annotator, 0)
    batch, leases = ready_to_repeat(world, annotator)
    lease = take(annotator, NOW + timedelta(hours=1))
    slot = lease.assignment
    assert (slot.purpose, slot.batch_id) == ("repeat", batch.pk)
    assert slot.repeats_id == leases[0].assignment_id
    assert lease.display_order == leases[0].display_order[::-1]
    stranger = world.member()
    assert take(stranger, NOW + timedelta(hours=1)).assignment.purpose == "work"


def test_ten_answers_are_not_enough_for_a_repeat(world: World) -> None:
    world.batch(items=30, overlap=1, repeat_share=0.999)
    leases = work_through(world, world.member(), REPEATED_AFTER + 1)
    assert {lease.assignment.purpose for lease in leases} == {"work"}


def test_each_answer_is_repeated_once_and_repeats_are_not_repeated(world: World) -> None:
    annotator = world.member()
    ready_to_repeat(world, annotator)
    for index in range(14):
        now = NOW + timedelta(hours=1) + index * MINUTE
        answer(world, take(annotator, now, seed=index), now)
    repeats = of_purpose("repeat")
    assert repeats.count() == repeats.values("repeats").distinct().count() >= 5
    assert {slot.repeats.purpose for slot in repeats.select_related("repeats")} == {"work"}
    for slot in repeats.select_related("repeats"):
        between = Assignment.objects.filter(
            annotator=annotator,
            submitted_at__gt=slot.repeats.submitted_at,
            submitted_at__lt=slot.submitted_at,
        )
        assert between.count() >= REPEATED_AFTER


def test_gold_and_repeats_count_as_nothing_but_what_they_are(world: World) -> None:
    annotator = world.member()
    batch, _ = ready_to_repeat(world, annotator)
    add_gold(world, batch, count=2)
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0.5, gold_share=0.49)
    for index in range(12):
        now = NOW + timedelta(hours=1) + index * MINUTE
        answer(world, take(annotator, now, seed=index), now)
    work = set(Judgment.objects.filter(assignment__purpose="work").values_list("pk", flat=True))
    assert of_purpose("gold").exists()
    assert of_purpose("repeat").exists()
    assert len(work) < Judgment.objects.count()
    judged = work_judgments(world.project)
    assert set(judged.values_list("pk", flat=True)) == work
    assert {outcome.judgment for outcome in pairwise_outcomes(judged)} == work
    assert sum(len(ratings.values) for ratings in criterion_ratings(judged)) == len(work)
    assert set(releasable_judgments(world.project).values_list("pk", flat=True)) == work
    counts = batch_counts([batch])[batch.pk]
    assert (counts.submitted, counts.slots) == (len(work), 30)


def expire(world: World, lease: Lease) -> None:
    assert sweep_leases(NOW + timedelta(days=1)) == 1


def give_back(world: World, lease: Lease) -> None:
    release_assignment(annotator=lease.annotator, assignment=lease.assignment, reason="cut_off", now=NOW)


@pytest.mark.parametrize("ending", [expire, give_back])
@pytest.mark.parametrize("purpose", ["gold", "repeat"])
def test_a_check_that_is_not_answered_is_void_and_audited_once(
    world: World, purpose: str, ending: Any
) -> None:
    annotator = world.member()
    if purpose == "gold":
        gold_batch(world)
        lease = take(annotator)
    else:
        ready_to_repeat(world, annotator)
        lease = take(annotator, NOW + timedelta(minutes=20))
    assert lease.assignment.purpose == purpose
    for _ in range(2):
        ending(world, lease) if lease.assignment.state == "leased" else sweep_leases(NOW + timedelta(days=1))
        lease.assignment.refresh_from_db()
    assert (lease.assignment.state, lease.assignment.pool_id) == ("void", None)
    assert lease.assignment.void_reason
    voids = AuditEvent.objects.filter(action="assignment.voided", object_id=str(lease.assignment_id))
    assert voids.count() == 1
    outcome = answer(world, lease, NOW + timedelta(days=1, minutes=1))
    assert outcome.body["state"] == "late"
    assert not work_judgments(world.project).filter(pk=outcome.body["judgment"]).exists()
    assert Exclusion.objects.filter(annotator=annotator, item=lease.assignment.item_id).exists()


def test_a_gold_item_whose_lease_ran_out_comes_again_and_one_given_back_does_not(world: World) -> None:
    gold_batch(world)
    annotator = world.member()
    lease = take(annotator)
    sweep_leases(NOW + timedelta(days=1))
    again = take(annotator, NOW + timedelta(days=1))
    assert (again.assignment.item_id, again.assignment.purpose) == (lease.assignment.item_id, "gold")
    assert again.assignment_id != lease.assignment_id
    release_assignment(annotator=annotator, assignment=again.assignment, reason="skipped", now=NOW)
    assert take(annotator, NOW + timedelta(days=1)).assignment.purpose == "work"


def test_a_gold_answer_taken_back_is_void_without_a_replacement(world: World) -> None:
    gold_batch(world, items=1, overlap=1)
    annotator = world.member()
    judgment = Judgment.objects.get(pk=answer(world, take(annotator), NOW).body["judgment"])
    before = Assignment.objects.count()
    sent = correction(judgment, {"cannot_judge": "expertise"})
    correct_judgment(annotator=annotator, judgment=judgment, submission=sent, now=NOW)
    assert Assignment.objects.count() == before
    assert [slot.state for slot in of_purpose("gold")] == ["void"]


def test_unknown_reasons_for_giving_back_are_refused(world: World) -> None:
    gold_batch(world)
    lease = take(world.member())
    with pytest.raises(Refused, match="reasons"):
        release_assignment(annotator=lease.annotator, assignment=lease.assignment, reason="gold", now=NOW)
    lease.assignment.refresh_from_db()
    assert lease.assignment.state == "leased"


def test_more_judgments_for_a_batch_leave_gold_alone(world: World) -> None:
    batch = gold_batch(world, items=2, gold=2, overlap=1)
    assert raise_overlap(batch=batch, overlap=3, actor=world.lead, now=NOW) == 2
    assert set(batch.items.filter(gold_answers__isnull=False).values_list("target_overlap", flat=True)) == {0}


def paths(value: Any, prefix: str = "") -> set[tuple[str, str]]:
    """Every key of a JSON value with the type of what it holds; entries of lists alike."""
    if isinstance(value, dict):
        return {pair for key, entry in value.items() for pair in paths(entry, f"{prefix}.{key}")}
    if isinstance(value, list):
        return {pair for entry in value for pair in paths(entry, f"{prefix}[]")}
    return {(prefix, type(value).__name__)}


def test_what_is_sent_tells_no_purpose(world: World) -> None:
    annotator = world.member()
    batch, _ = ready_to_repeat(world, annotator)
    add_gold(world, batch, count=3)
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0.35, gold_share=0.3)
    sent: dict[str, list[dict[str, Any]]] = {"work": [], "gold": [], "repeat": []}
    numbers = []
    for index in range(15):
        now = NOW + timedelta(hours=1) + index * MINUTE
        result = lease_next(annotator=annotator, now=now, seed=index)
        assert result.lease is not None
        assert result.shown is not None
        body = lease_json(result.lease, result.shown)
        JSONRenderer().render(body)
        sent[result.lease.assignment.purpose].append(body)
        numbers.append(body["assignment"])
        answer(world, result.lease, now)
    assert all(sent.values())
    shapes = {frozenset(paths(body)) for bodies in sent.values() for body in bodies}
    assert len(shapes) == 1
    assert {body["attempt"] for bodies in sent.values() for body in bodies} == {1}
    assert numbers != sorted(numbers)
    assert numbers != sorted(numbers, reverse=True)
    slots = Assignment.objects.filter(annotator=annotator).values_list("pk", "item_id")
    assert not set(numbers) & {number for pair in slots for number in pair}
    flat = str([body for bodies in sent.values() for body in bodies])
    assert not any(word in flat for word in ("gold", "repeat", "purpose", "row-", "model-"))


def test_the_attempt_tells_nothing_of_the_purpose(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    lease = take(world.member())
    sweep_leases(NOW + timedelta(days=1))
    result = lease_next(annotator=world.member(), now=NOW + timedelta(days=1), seed=1, batch=batch)
    assert result.lease is not None
    assert result.shown is not None
    assert result.lease.assignment_id == lease.assignment_id
    assert lease_json(result.lease, result.shown)["attempt"] == 1


def test_progress_tells_nothing_of_gold(world: World) -> None:
    batch = gold_batch(world, items=5, gold=1)
    annotator = world.member()
    before = annotator_progress(annotator, batch).total
    assert take(annotator).assignment.purpose == "gold"
    assert annotator_progress(annotator, batch).total == before


def test_progress_is_never_above_its_total(world: World) -> None:
    annotator = world.member()
    batch = world.batch(items=11, overlap=2)
    work_through(world, annotator, 10)
    world.item(batch, 12, ["a", "b"])
    answer(world, take(annotator, NOW + timedelta(hours=1)), NOW + timedelta(hours=1))
    Batch.objects.filter(pk=batch.pk).update(repeat_share=0.999)
    for index in range(4):
        now = NOW + timedelta(hours=2) + index * MINUTE
        if (lease := lease_next(annotator=annotator, now=now, seed=index).lease) is not None:
            answer(world, lease, now)
    progress = annotator_progress(annotator, batch)
    assert of_purpose("repeat").filter(state="submitted").exists()
    assert progress.done <= progress.total


def test_a_late_answer_to_gold_is_not_counted_in_the_batch(world: World) -> None:
    batch = gold_batch(world)
    lease = take(world.member())
    sweep_leases(NOW + timedelta(days=1))
    assert answer(world, lease, NOW + timedelta(days=1)).body["state"] == "late"
    assert batch_counts([batch])[batch.pk].late == 0


def test_each_side_comes_first_twice_in_every_four_leases(world: World) -> None:
    world.batch(items=12, overlap=20)
    patterns = set()
    for _ in range(12):
        orders = [tuple(lease.display_order) for lease in work_through(world, world.member(), 12)]
        for block in (orders[0:4], orders[4:8], orders[8:12]):
            assert sorted(block) == [(0, 1), (0, 1), (1, 0), (1, 0)]
            patterns.add(tuple(block))
    assert len(patterns) == 6  # every one of the six ways comes up


def test_three_completions_are_shuffled_by_the_seed(world: World) -> None:
    world.batch(items=1, overlap=100, completions=3)
    orders = {tuple(take(world.member(), seed=seed).display_order) for seed in range(40)}
    assert len(orders) == 6
    assert take(world.member(), seed=5).display_order == take(world.member(), seed=5).display_order
