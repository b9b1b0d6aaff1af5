"""Who may be given an item, and the reason when there is none; the page always says the same."""

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from django.db import connection

from annotation.errors import Refused
from annotation.invariants import violations
from annotation.models import Assignment, AuditEvent, Judgment, Membership
from annotation.services.batches import close_batch, staff_batch
from annotation.services.judgments import correct_judgment
from annotation.services.leases import lease_next, why_nothing
from annotation.services.overlap import set_priorities
from annotation.services.people import describe_annotator, give_consent, pause_annotator, resume_annotator
from annotation.services.projects import publish_consent_text, set_limits
from annotation.services.returning import extend_lease, release_assignment, sweep_leases
from tests.annotation.engine.people import (
    DAY,
    MINUTE,
    answer,
    correction,
    fitting_items,
    reason,
    refuse,
    take,
)
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db


def limits(world: World, **changes: object) -> None:
    settings: dict[str, object] = {"daily_cap": None, "exposure": {}, "exclusion_limit": 3} | changes
    set_limits(project=world.project, actor=world.lead, now=NOW, **settings)  # type: ignore[arg-type]
    world.project.refresh_from_db()


def described(world: World, *languages: str, skills: tuple[str, ...] = ()) -> Membership:
    member = world.member()
    describe_annotator(annotator=member, languages=languages, skills=skills, actor=world.lead, now=NOW)
    return member


def item_number(annotator: Membership, now: datetime = NOW) -> int:
    return take(annotator, now).assignment.item.number


def test_consent_is_asked_again_for_every_new_text(world: World) -> None:
    world.batch(items=3)
    annotator = world.member()
    for text in ("You may read harsh words.", "You may read harsh words, and are paid."):
        publish_consent_text(project=world.project, actor=world.lead, text=text, now=NOW)
        assert reason(annotator) == "consent_needed"
        give_consent(annotator=annotator, now=NOW)
        answer(world, take(annotator), NOW + MINUTE)


def test_a_new_text_also_stops_the_lease_that_is_held(world: World) -> None:
    world.batch()
    annotator = world.member()
    held = take(annotator)
    publish_consent_text(project=world.project, actor=world.lead, text="Agree.", now=NOW + MINUTE)
    assert reason(annotator, NOW + MINUTE) == "consent_needed"
    give_consent(annotator=annotator, now=NOW + MINUTE)
    take(annotator, NOW + MINUTE)
    assert take(annotator, NOW + MINUTE) == held


def test_who_is_paused_gets_nothing_until_resumed(world: World) -> None:
    world.batch()
    annotator = world.member()
    pause_annotator(annotator=annotator, reason="Too fast.", actor=world.lead, now=NOW)
    assert reason(annotator) == "paused"
    resume_annotator(annotator=annotator, actor=world.lead, now=NOW)
    take(annotator)


def test_who_is_not_active_any_more_gets_nothing(world: World) -> None:
    world.batch()
    annotator = world.member()
    Membership.objects.filter(pk=annotator.pk).update(is_active=False)
    assert reason(annotator) == "paused"
    assert why_nothing(world.member(), NOW) is None


def test_who_is_paused_may_still_answer_what_is_held(world: World) -> None:
    world.batch(items=1, overlap=1)
    annotator = world.member()
    held = take(annotator)
    pause_annotator(annotator=annotator, reason="", actor=world.lead, now=NOW)
    assert answer(world, held, NOW + MINUTE).body["state"] == "accepted"


@pytest.mark.parametrize(
    ("languages", "expected"), [((), {1, 2, 3}), (("de",), {1, 2}), (("en",), {1, 3}), (("fr",), {1})]
)
def test_an_item_goes_to_who_reads_its_language(
    world: World, languages: tuple[str, ...], expected: set[int]
) -> None:
    batch = world.batch(items=1, overlap=1)
    world.item(batch, 2, ["a", "b"], language="de")
    world.item(batch, 3, ["a", "b"], language="en")
    annotator = described(world, *languages)
    given = set()
    for _ in expected:
        lease = take(annotator)
        given.add(lease.assignment.item.number)
        answer(world, lease, NOW + MINUTE)
    assert given == expected
    assert reason(annotator) == ("batch_done" if expected == {1, 2, 3} else "nothing_left_for_you")


def test_a_language_learnt_later_finds_the_items_that_were_passed_over(world: World) -> None:
    batch = world.batch(items=1, overlap=1)
    world.item(batch, 2, ["a", "b"], language="de")
    annotator = described(world, "en")
    answer(world, take(annotator), NOW + MINUTE)
    assert reason(annotator) == "nothing_left_for_you"
    describe_annotator(annotator=annotator, languages=["en", "de"], skills=[], actor=world.lead, now=NOW)
    assert item_number(annotator) == 2


def test_a_batch_with_a_skill_goes_to_who_has_it(world: World) -> None:
    world.batch(items=1, skill="maths")
    assert reason(world.member()) == "nothing_left_for_you"
    assert reason(described(world, skills=("law", "math"))) == "nothing_left_for_you"
    take(described(world, skills=("law", "maths")))


def test_a_staffed_batch_goes_to_the_named_and_back_to_everybody(world: World) -> None:
    batch = world.batch(items=1)
    named, other = world.member(), world.member()
    staff_batch(batch=batch, annotators=[named], actor=world.lead, now=NOW)
    assert reason(other) == "nothing_left_for_you"
    take(named)
    staff_batch(batch=batch, annotators=[], actor=world.lead, now=NOW)
    take(other)


def test_batches_come_by_priority_then_number_and_closed_ones_never(world: World) -> None:
    closed = world.batch(items=1, overlap=1, priority=9)
    low = world.batch(items=1, overlap=1, priority=-1)
    first, second = world.batch(items=1, overlap=1), world.batch(items=1, overlap=1)
    close_batch(batch=closed, actor=world.lead, now=NOW)
    annotator, given = world.member(), []
    for _ in range(3):
        lease = take(annotator)
        given.append(lease.assignment.batch_id)
        answer(world, lease, NOW + MINUTE)
    assert given == [first.pk, second.pk, low.pk]
    assert reason(annotator) == "batch_done"


def test_items_come_by_their_priority(world: World) -> None:
    batch = world.batch(items=4, overlap=1)
    items = {item.number: item.pk for item in batch.items.all()}
    moved = set_priorities(batch=batch, priorities={items[3]: 5, items[1]: -5}, actor=world.lead, now=NOW)
    assert moved == 2
    annotator, given = world.member(), []
    for _ in range(4):
        lease = take(annotator)
        given.append(lease.assignment.item.number)
        answer(world, lease, NOW + MINUTE)
    assert given == [3, 2, 4, 1]


def test_the_days_cap_counts_answers_and_what_is_held_and_resets_at_midnight_utc(world: World) -> None:
    world.batch(items=6, overlap=1)
    limits(world, daily_cap=3)
    annotator = world.member()
    day_ends = NOW.replace(hour=0) + DAY
    now = day_ends - 3 * MINUTE
    for _ in range(2):
        answer(world, take(annotator, now), now)
    held = take(annotator, now)
    assert take(annotator, now + MINUTE) == held  # two answers and one held: the fourth is over the cap
    answer(world, held, now + MINUTE)
    assert reason(annotator, day_ends - timedelta(microseconds=1)) == "cap_reached"
    take(annotator, day_ends)


def test_a_correction_does_not_count_towards_the_days_cap(world: World) -> None:
    world.batch(items=3, overlap=1)
    limits(world, daily_cap=2)
    annotator = world.member()
    judgment = Judgment.objects.get(pk=answer(world, take(annotator), NOW).body["judgment"])
    changed = correction(judgment, {"tie": "both_good"})
    correct_judgment(annotator=annotator, judgment=judgment, submission=changed, now=NOW)
    answer(world, take(annotator), NOW)
    assert reason(annotator) == "cap_reached"


def test_a_batchs_cap_counts_what_is_held_and_leaves_other_batches_open(world: World) -> None:
    capped = world.batch(items=4, overlap=1, cap_per_annotator=2, priority=1)
    other = world.batch(items=1, overlap=1)
    annotator = world.member()
    answer(world, take(annotator), NOW)
    held = take(annotator)
    assert held.assignment.batch_id == capped.pk
    assert take(annotator).assignment.batch_id == other.pk
    for lease in annotator.leases.filter(assignment__state="leased"):
        answer(world, lease, NOW)
    assert reason(annotator) == "cap_reached"
    assert reason(annotator, NOW + DAY) == "cap_reached"  # not of a day
    assert take(world.member()).assignment.batch_id == capped.pk


def test_an_item_given_back_frees_its_place_under_a_batchs_cap(world: World) -> None:
    world.batch(items=3, overlap=1, cap_per_annotator=1)
    annotator = world.member()
    lease = take(annotator)
    release_assignment(annotator=annotator, assignment=lease.assignment, reason="skipped", now=NOW)
    assert take(annotator).assignment.item_id != lease.assignment.item_id


def test_exposure_is_limited_by_category_and_day(world: World) -> None:
    batch = world.batch(items=0, overlap=1)
    for number, category in enumerate(["violence", "violence", "violence", "hate", "hate", ""], start=1):
        world.item(batch, number, ["a", "b"], category=category)
    limits(world, exposure={"violence": 2, "hate": 0})
    annotator, given = world.member(), []
    while (result := lease_next(annotator=annotator, now=NOW, seed=1)).lease is not None:
        given.append(result.lease.assignment.item.category)
        answer(world, result.lease, NOW)
    assert (given, result.reason) == (["violence", "violence", ""], "cap_reached")
    assert reason(annotator) == "cap_reached"
    assert take(annotator, NOW.replace(hour=0) + DAY).assignment.item.category == "violence"


def test_an_item_that_was_shown_and_given_back_counts_as_exposure(world: World) -> None:
    batch = world.batch(items=0, overlap=1)
    for number in (1, 2):
        world.item(batch, number, ["a", "b"], category="violence")
    limits(world, exposure={"violence": 1})
    annotator = world.member()
    lease = take(annotator)
    release_assignment(annotator=annotator, assignment=lease.assignment, reason="rather_not", now=NOW)
    assert reason(annotator) == "cap_reached"


def test_an_item_that_too_many_refused_is_offered_to_nobody_until_the_limit_rises(world: World) -> None:
    (item,) = world.batch(items=1, overlap=1).items.all()
    annotator = world.member()
    refuse(item, world.member())
    limits(world, exclusion_limit=1)
    assert reason(annotator) == "nothing_left_for_you"
    limits(world, exclusion_limit=2)
    assert take(annotator).assignment.item_id == item.pk


def test_a_late_answer_is_no_refusal(world: World) -> None:
    (item,) = world.batch(items=1, overlap=1).items.all()
    limits(world, exclusion_limit=2)
    for why in ("late", "late", "skipped"):
        refuse(item, world.member(), why)
    late = world.member()
    refuse(item, late, "late")
    assert reason(late) == "nothing_left_for_you"
    take(world.member())
    refuse(item, world.member(), "cut_off")
    assert reason(world.member()) == "nothing_left_for_you"


def test_nothing_is_done_while_a_slot_is_held_by_somebody_else(world: World) -> None:
    world.batch(items=1, overlap=1)
    holder, other = world.member(), world.member()
    assert (reason(holder), reason(other)) == (None, "nothing_left_for_you")
    answer(world, take(holder), NOW)
    assert (reason(holder), reason(other)) == ("batch_done", "batch_done")


def test_why_nothing_changes_nothing(world: World) -> None:
    world.batch(items=2, overlap=1, lease_seconds=60)
    holder, other = world.member(), world.member()
    take(holder), take(holder)
    tables = [
        t for t in connection.introspection.table_names() if t.startswith(("annotation_", "comparisons_"))
    ]

    def everything() -> dict[str, str]:
        found = {}
        with connection.cursor() as cursor:
            for table in sorted(tables):
                cursor.execute(
                    f"SELECT coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {table} t"
                )
                found[table] = cursor.fetchone()[0]
        return found

    before = everything()
    for now in (NOW, NOW + 2 * MINUTE):
        for annotator in (holder, other):
            why_nothing(annotator, now)
    assert everything() == before
    take(other, NOW + 2 * MINUTE)
    assert everything() != before


@pytest.mark.parametrize("cap", [None, 1])
def test_the_page_sees_work_in_a_lease_that_ran_out(world: World, cap: int | None) -> None:
    world.batch(items=1, overlap=1, lease_seconds=60, cap_per_annotator=cap)
    annotator = world.member()
    take(annotator if cap else world.member())
    now = NOW + 2 * MINUTE
    assert fitting_items(annotator, now)
    said = why_nothing(annotator, now)
    assert lease_next(annotator=annotator, now=now, seed=1).reason is None
    assert said is None


def test_a_lease_that_ran_out_counts_against_no_cap(world: World) -> None:
    world.batch(items=1, overlap=1, lease_seconds=60, cap_per_annotator=1)
    limits(world, daily_cap=1)
    annotator = world.member()
    take(annotator)
    again = take(annotator, NOW + 2 * MINUTE)
    assert again.attempt == 2


def test_a_lease_that_ran_out_is_swept_before_another_goes_out_under_the_cap(world: World) -> None:
    """Both could be answered otherwise: one more than the cap."""
    world.batch(items=3, overlap=1, lease_seconds=60, cap_per_annotator=1)
    annotator = world.member()
    take(annotator)
    second = take(annotator, NOW + 2 * MINUTE)
    leased = Assignment.objects.filter(annotator=annotator, state="leased")
    assert [slot.pk for slot in leased] == [second.assignment_id]
    assert not violations()


def test_nobody_holds_three_leases_by_extending_one_that_ran_out(world: World) -> None:
    world.batch(items=4, overlap=1, lease_seconds=60)
    annotator = world.member()
    first = take(annotator)
    now = NOW + 2 * MINUTE
    take(annotator, now), take(annotator, now)
    with suppress(Refused):
        extend_lease(annotator=annotator, assignment=first.assignment, now=now)
    assert Assignment.objects.filter(annotator=annotator, state="leased", expires_at__gt=now).count() <= 2


def test_every_expiry_is_audited_once(world: World) -> None:
    world.batch(items=2, overlap=1, lease_seconds=60)
    annotator = world.member()
    take(annotator), take(annotator)
    assert [sweep_leases(NOW + 2 * MINUTE), sweep_leases(NOW + 3 * MINUTE)] == [2, 0]
    assert AuditEvent.objects.filter(action="assignment.expired").count() == 2
