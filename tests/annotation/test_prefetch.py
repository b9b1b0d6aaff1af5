"""The item that waits behind the one on the screen: what the server leases, shows, keeps and takes back."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, AuditEvent, Lease, Membership
from annotation.services.leases import LEASES_MAX, held_leases
from annotation.services.returning import sweep_leases
from annotation.services.spares import keep_shown
from tests.annotation.browsing import signed_in
from tests.annotation.engine.people import training_batch
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db
SCRIPT = {"HX-Request": "true"}
RACES = 8


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    world.batch(10)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


def held(annotator: Membership) -> list[Lease]:
    return held_leases(annotator, timezone.now())


def start(client: Client, world: World) -> int:
    """The public id of the first item."""
    return int(client.post(f"/projects/{world.project.slug}/lease")["Location"].split("/")[-1])


def ask(client: Client, world: World, showing: object, **fields: object) -> Any:
    form = {"showing": showing, "kind": "pairwise"} | fields
    return client.post(f"/projects/{world.project.slug}/spare", form, headers=SCRIPT)


def submit(client: Client, lease: Lease, showing: object = None) -> Any:
    form = {"submission_id": lease.submission_id, "attempt": 1, "q-overall": "-2"}
    headers = SCRIPT if showing is None else SCRIPT | {"X-Showing": str(showing)}
    return client.post(f"/assignments/{lease.public_id}/judgments", form, headers=headers)


def spare_in(response: Any) -> int | None:
    """The public id in the template of a reply."""
    found = re.search(r'<template id="spare".*?data-showing="(\d+)"', response.content.decode(), re.S)
    return int(found.group(1)) if found else None


def test_a_page_without_script_holds_one_item(world: World, annotator: Membership, client: Client) -> None:
    first = start(client, world)
    page = client.get(f"/assignments/{first}")
    assert 'id="spare"' not in page.content.decode()
    client.post(
        f"/assignments/{first}/judgments",
        {"submission_id": held(annotator)[0].submission_id, "attempt": 1, "q-overall": "1"},
    )
    assert len(held(annotator)) == 1


def test_the_spare_is_asked_for_and_is_the_same_until_it_is_used(
    world: World, annotator: Membership, client: Client
) -> None:
    first = start(client, world)
    spare = spare_in(ask(client, world, first))
    assert spare is not None and spare != first
    assert spare_in(ask(client, world, first)) == spare
    assert spare_in(client.get(f"/assignments/{first}")) == spare, "a reload brings it again"
    assert [lease.public_id for lease in held(annotator)] == [first, spare]
    text = ask(client, world, first).content.decode()
    assert "Item 2 of 10." in text and 'data-title="Judge 2 of 10' in text


def test_a_get_leases_nothing(world: World, annotator: Membership, client: Client) -> None:
    first = start(client, world)
    for path in (f"/assignments/{first}", f"/projects/{world.project.slug}/task"):
        client.get(path, headers=SCRIPT | {"X-Showing": str(first)})
    assert client.get(f"/projects/{world.project.slug}/spare").status_code == 405
    assert len(held(annotator)) == 1


def test_the_reply_to_an_answer_brings_the_next_spare_and_the_bar_but_no_task(
    world: World, annotator: Membership, client: Client
) -> None:
    first = start(client, world)
    second = spare_in(ask(client, world, first))
    response = submit(client, held(annotator)[0], showing=second)
    text = response.content.decode()
    third = spare_in(response)
    assert third not in (None, first, second)
    assert 'id="bar"' in text and "1 <span>of 10" in text and 'id="task"' not in text
    assert "Item 3 of 10." in text
    assert [lease.public_id for lease in held(annotator)] == [second, third]


def test_a_page_that_waits_gets_the_item_and_the_spare(
    world: World, annotator: Membership, client: Client
) -> None:
    start(client, world)
    response = submit(client, held(annotator)[0], showing="nothing")
    text = response.content.decode()
    shown, spare = held(annotator)
    assert 'id="judge" data-kind="pairwise"' in text and "Item 2 of 10." in text
    assert spare_in(response) == spare.public_id
    assert response["HX-Replace-Url"] == f"/assignments/{shown.public_id}"


def test_an_answer_handed_in_from_elsewhere_leases_nothing(
    world: World, annotator: Membership, client: Client
) -> None:
    start(client, world)
    lease = held(annotator)[0]
    response = submit(client, lease, showing="elsewhere")
    assert response.status_code == 204
    assert response["X-Submission-Id"] == str(lease.submission_id)
    assert held(annotator) == []


def test_a_correction_has_the_item_at_hand_behind_it(
    world: World, annotator: Membership, client: Client
) -> None:
    start(client, world)
    submit(client, held(annotator)[0])
    at_hand = held(annotator)[0].public_id
    response = ask(client, world, 0)
    assert spare_in(response) == at_hand and len(held(annotator)) == 1
    assert "Item 2 of 10." in response.content.decode()


def test_a_spare_of_another_kind_is_not_given(world: World, annotator: Membership, client: Client) -> None:
    first = start(client, world)
    assert spare_in(ask(client, world, first, kind="rating")) is None


def test_there_is_no_spare_in_training(world: World, annotator: Membership, client: Client) -> None:
    training_batch(world, items=3)
    first = start(client, world)
    assert spare_in(ask(client, world, first)) is None
    assert len(held(annotator)) == 1


def test_there_is_no_spare_when_others_have_too_little(annotator: Membership, world: World) -> None:
    """Ten items of three slots. Once no more slots are open than people are at work, nobody takes a second one."""
    others = [world.member() for _ in range(3)]
    Assignment.objects.filter(number__gt=1).delete()
    for other in others:
        world.lease(other)
    client = signed_in(annotator.user)
    first = start(client, world)
    Assignment.objects.filter(state="open").order_by("-position")[:1].get().delete()
    assert Assignment.objects.filter(state="open").count() == 5
    assert spare_in(ask(client, world, first)) is not None, "five open, four at work"
    client.post(f"/projects/{world.project.slug}/spare", {"drop": held(annotator)[1].public_id})
    for slot in Assignment.objects.filter(state="open")[:2]:
        slot.delete()
    assert Assignment.objects.filter(state="open").count() == 3
    assert spare_in(ask(client, world, first)) is None
    assert len(held(annotator)) == 1


def test_showing_the_spare_begins_its_time_anew(world: World, annotator: Membership, client: Client) -> None:
    start(client, world)
    lease = held(annotator)[0]
    later = lease.leased_at + timedelta(minutes=20)
    keep_shown(lease, now=later)
    expires_at = Assignment.objects.get(pk=lease.assignment_id).expires_at
    assert expires_at == later + timedelta(minutes=30)


def test_a_fresh_spare_costs_no_audit_row_when_it_is_shown(
    world: World, annotator: Membership, client: Client
) -> None:
    first = start(client, world)
    submit(client, held(annotator)[0], showing=spare_in(ask(client, world, first)))
    assert not AuditEvent.objects.filter(action="assignment.extended").exists()


def test_nothing_waits_behind_an_item_whose_time_is_over(
    world: World, annotator: Membership, client: Client
) -> None:
    first = start(client, world)
    second = spare_in(ask(client, world, first))
    lease = held(annotator)[0]
    sweep_leases(timezone.now() + timedelta(days=1))
    response = submit(client, lease, showing=second)
    assert response["X-Submission-Id"] == str(lease.submission_id)
    assert 'id="bar"' in response.content.decode() and spare_in(response) is None


def test_leaving_gives_back_only_the_one_that_is_named(
    world: World, annotator: Membership, client: Client
) -> None:
    first = start(client, world)
    spare = spare_in(ask(client, world, first))
    item = held(annotator)[1].assignment
    for _ in range(2):
        response = client.post(f"/projects/{world.project.slug}/spare", {"drop": spare})
        assert response.status_code == 204
    assert [lease.public_id for lease in held(annotator)] == [first]
    item.refresh_from_db()
    assert (item.state, item.annotator_id, item.expires_at) == ("open", None, None)
    given = AuditEvent.objects.get(action="assignment.released")
    assert given.data["reason"] == "left" and not annotator.exclusions.exists()
    assert spare_in(ask(client, world, first)) is not None, "it may come again"


def test_somebody_elses_lease_is_not_given_back(world: World, annotator: Membership, client: Client) -> None:
    other = world.lease(world.member())
    client.post(f"/projects/{world.project.slug}/spare", {"drop": other.public_id})
    other.assignment.refresh_from_db()
    assert other.assignment.state == "leased"


def test_signing_out_gives_back_the_spare_and_keeps_the_item(
    world: World, annotator: Membership, client: Client
) -> None:
    first = start(client, world)
    ask(client, world, first)
    client.post("/logout")
    assert [lease.public_id for lease in held(annotator)] == [first]


def test_an_item_is_kept_on_request_and_not_when_it_is_over(
    world: World, annotator: Membership, client: Client
) -> None:
    first = start(client, world)
    Assignment.objects.filter(annotator=annotator).update(expires_at=timezone.now() + timedelta(seconds=60))
    assert client.post(f"/assignments/{first}/extend").status_code == 204
    expires_at = held(annotator)[0].assignment.expires_at
    assert expires_at is not None and expires_at > timezone.now() + timedelta(minutes=29)
    sweep_leases(timezone.now() + timedelta(days=1))
    assert client.post(f"/assignments/{first}/extend").status_code == 422


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_ask_at_once_get_one_spare(world: World, annotator: Membership) -> None:
    clients = [signed_in(annotator.user) for _ in range(RACES)]
    first = start(clients[0], world)
    barrier = threading.Barrier(RACES)
    found: list[int | None] = []

    def tab(client: Client) -> None:
        barrier.wait()
        try:
            found.append(spare_in(ask(client, world, first)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tab, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(found) == RACES and len(held(annotator)) == LEASES_MAX
    # One that came second finds the place taken: it gets the same spare, or none.
    assert set(found) - {None} == {held(annotator)[1].public_id}
