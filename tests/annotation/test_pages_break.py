"""The break page over HTTP: the item at hand is kept, the one behind it is not."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, AuditEvent, Membership
from annotation.services.breaks import take_break
from annotation.services.drafts import save_draft
from annotation.services.returning import sweep_leases
from tests.annotation.browsing import signed_in
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=20)


@pytest.fixture
def world() -> World:
    world = make_world({"kind": "demonstration", "overlap": 2})
    world.now = timezone.now()
    world.batch(3, completions=0)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


def address(world: World) -> str:
    return f"/projects/{world.project.slug}/break"


def test_the_item_at_hand_is_extended_and_the_spare_goes_back(world: World, annotator: Membership) -> None:
    current, spare = world.lease(annotator), world.lease(annotator, after=1)
    kept_until = take_break(annotator=annotator, now=world.now + LATER)
    slot = Assignment.objects.get(pk=current.assignment_id)
    assert slot.state == "leased" and slot.expires_at == kept_until
    assert kept_until == world.now + LATER + timedelta(seconds=slot.batch.lease_seconds)
    assert Assignment.objects.get(pk=spare.assignment_id).state == "open"
    actions = set(AuditEvent.objects.filter(actor=annotator.user).values_list("action", flat=True))
    assert {"assignment.extended", "assignment.released"} <= actions


def test_what_went_back_may_come_again() -> None:
    world = make_world()
    world.batch(2)
    annotator = world.member()
    world.lease(annotator)
    spare = world.lease(annotator, after=1)
    take_break(annotator=annotator, now=world.now + LATER)
    assert not annotator.exclusions.exists()
    assert world.lease(annotator, after=1300).assignment.item_id == spare.assignment.item_id


def test_a_spare_with_a_draft_is_kept(world: World, annotator: Membership) -> None:
    world.lease(annotator)
    spare = world.lease(annotator, after=1)
    save_draft(lease=spare, fields={"text": ["Half"]}, now=world.now + timedelta(seconds=2))
    take_break(annotator=annotator, now=world.now + LATER)
    assert Assignment.objects.get(pk=spare.assignment_id).state == "leased"


def test_after_the_kept_time_the_item_goes_to_others_and_the_draft_stays(
    world: World, annotator: Membership
) -> None:
    lease = world.lease(annotator)
    draft = save_draft(lease=lease, fields={"text": ["Half"]}, now=world.now)
    kept_until = take_break(annotator=annotator, now=world.now)
    assert kept_until is not None
    sweep_leases(kept_until - timedelta(seconds=1))
    assert Assignment.objects.get(pk=lease.assignment_id).state == "leased"
    sweep_leases(kept_until + timedelta(seconds=1))
    assert Assignment.objects.get(pk=lease.assignment_id).state == "open"
    assert annotator.drafts.get() == draft


def test_without_an_item_a_break_changes_no_slot(world: World, annotator: Membership) -> None:
    assert take_break(annotator=annotator, now=world.now) is None
    assert not Assignment.objects.exclude(state="open").exists()


def test_the_page_starts_with_a_post_and_ends_where_work_goes_on(
    world: World, annotator: Membership, client: Client
) -> None:
    lease = world.lease(annotator)
    before = Assignment.objects.get(pk=lease.assignment_id).expires_at
    asked = client.get(address(world)).content.decode()
    assert "Start the break" in asked and "timer" not in asked
    assert Assignment.objects.get(pk=lease.assignment_id).expires_at == before
    started = client.post(address(world), follow=True)
    text = started.content.decode()
    assert started.redirect_chain == [(address(world), 302)]
    assert "You are on a break" in text and 'data-seconds="0"' in text and "Question" not in text
    assert "no-store" in started["Cache-Control"]
    ended = client.post(address(world), {"end": "1"}, follow=True)
    assert ended.redirect_chain[-1][0] == f"/assignments/{lease.public_id}"
    assert "Start the break" in client.get(address(world)).content.decode()
