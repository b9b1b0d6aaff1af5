"""Home, own answers and the end of a batch over HTTP."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Judgment, Lease, Membership, Project
from annotation.selectors_own import LISTED
from annotation.services.drafts import save_draft
from annotation.services.people import add_member, set_preferences
from annotation.services.returning import release_assignment, sweep_leases
from annotation.services.voiding import void_judgment
from tests.annotation.browsing import signed_in
from tests.annotation.engine.people import training_batch
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db
PAID = {"pay_per_item": Decimal("0.125"), "pay_currency": "GBP"}


def world_of(items: int = 3, protocol: Any = None, **fields: Any) -> World:
    world = make_world(protocol) if protocol else make_world()
    world.now = timezone.now() - timedelta(minutes=5)
    world.batch(items, **fields)
    return world


def join(world: World, member: Membership) -> Membership:
    membership, _ = add_member(
        project=world.project, actor=world.lead, email=member.user.email, role="annotator", now=world.now
    )
    return membership


def page(member: Membership, path: str = "/", **headers: str) -> str:
    response = signed_in(member.user).get(path, headers=headers)
    assert response.status_code == 200, (path, response.status_code)
    return response.content.decode()


def work(world: World, **query: Any) -> str:
    return f"/projects/{world.project.slug}/work?" + "&".join(f"{name}={query[name]}" for name in query)


def excerpts(text: str) -> list[str]:
    return re.findall(r'class="answer-text" dir="auto">([^<]*)<', text)


# Home


def test_the_home_page_costs_the_same_for_any_number_of_projects_and_batches() -> None:
    def queries(projects: int, batches: int) -> list[str]:
        first = world_of()
        annotator = first.member()
        for number in range(projects):
            world = first if number == 0 else world_of()
            member = annotator if number == 0 else join(world, annotator)
            for _ in range(batches):
                world.batch(2, **PAID)
            training_batch(world, 2)
            Project.objects.filter(pk=world.project.pk).update(daily_cap=5)
            world.submit(world.lease(member), active_seconds=30.0)
        client = signed_in(annotator.user)
        client.get("/")
        with CaptureQueriesContext(connection) as found:
            assert client.get("/").status_code == 200
        return [query["sql"] for query in found.captured_queries]

    few, many = queries(1, 1), queries(4, 5)
    assert len(few) == len(many), "\n".join(sql[:120] for sql in many)
    assert len(few) <= 20


def test_the_estimate_is_a_range_out_of_what_items_took() -> None:
    world = world_of(25)
    annotator = world.member()
    for seconds in (40.0, 60.0, 80.0, 100.0):
        world.submit(world.lease(annotator), active_seconds=seconds)
    assert " left</p>" not in page(annotator) and "each" not in page(annotator)
    world.submit(world.lease(annotator), active_seconds=1000.0)
    # Quartiles 60 and 100, median 80; twenty items are left.
    text = page(annotator)
    assert "about 20 to 35 min left" in text and "~1:20 each" in text and "5 points" not in text
    assert "about 25 to 40 min left" in page(world.member())  # nobody has answered for them


def test_pay_is_shown_where_a_batch_has_it_and_its_owner_wants_it() -> None:
    paid, unpaid = world_of(3, **PAID), world_of(3)
    assert "£" not in page(unpaid.member())
    member = paid.member()
    paid.judge(member)
    assert "£0.125 an item" in page(member) and "<b>£0.125</b>" in page(member)
    set_preferences(user=member.user, hides_pay=True)
    text = page(member)
    assert "£" not in text and "this week" not in text and "Show time and pay" in text


def test_a_correction_is_not_paid_again() -> None:
    world = world_of(3, **PAID)
    annotator = world.member()
    world.judge(annotator)
    client = signed_in(annotator.user)
    judgment = Judgment.objects.get()
    text = client.post(f"/judgments/{judgment.pk}/undo", follow=True).content.decode()
    form = {
        name: text.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]
        for name in ("submission_id", "attempt")
    }
    client.post(f"/judgments/{judgment.pk}/corrections", form | {"q-overall": "3"})
    assert Judgment.objects.count() == 2
    assert "<b>£0.125</b>" in page(annotator)


def test_asking_again_gives_the_list_alone_and_leases_nothing() -> None:
    world = world_of()
    annotator = world.member()
    text = page(annotator, **{"HX-Request": "true"})
    assert "<html" not in text and world.project.name in text and "Start" in text
    response = signed_in(annotator.user).get("/", headers={"HX-Request": "true"})
    assert "HX-Request" in response["Vary"] and "no-store" in response["Cache-Control"]
    assert not Lease.objects.exists()
    text = page(annotator)
    assert 'hx-trigger="every 60s, refresh"' in text


def test_what_is_in_hand_comes_first_and_the_rest_is_also_open() -> None:
    one, two = world_of(), world_of()
    annotator = one.member()
    other = join(two, annotator)
    assert page(annotator).index(one.project.name) < page(annotator).index("Also open to you")
    two.lease(other)
    text = page(annotator)
    assert text.index(two.project.name) < text.index("Also open to you") < text.index(one.project.name)
    assert f"Continue: {two.project.name}" in text and f"Start: {one.project.name}" in text


def test_no_total_is_told_where_checks_are_mixed_in() -> None:
    world = world_of(13, gold_share=0.1)
    text = page(world.member())
    assert "of 13" not in text and "<progress" not in text


# Own answers


def test_each_answer_is_in_the_list_it_belongs_to() -> None:
    world = world_of(6)
    annotator, other = world.member(), world.member()
    for _ in range(2):
        world.judge(annotator)
    world.judge(annotator)
    returned = Judgment.objects.latest("pk")
    void_judgment(judgment=returned, reason="Read B again.", actor=world.lead, now=world.now)
    skipped = world.lease(annotator)
    release_assignment(annotator=annotator, assignment=skipped.assignment, reason="expertise", now=world.now)
    held = world.lease(annotator)
    lists = {
        show: excerpts(page(annotator, work(world, show=show)))
        for show in ("submitted", "drafts", "returned", "skipped")
    }
    assert {show: len(found) for show, found in lists.items()} == {
        "submitted": 2,
        "drafts": 1,
        "returned": 1,
        "skipped": 1,
    }
    assert "Read B again." in page(annotator, work(world, show="returned"))
    assert f"/assignments/{held.public_id}" in page(annotator, work(world, show="drafts"))
    home = page(annotator)
    for words in ("Submitted", "Drafts", "Returned", "Skipped"):
        assert f"{words} <b" in home
    assert excerpts(page(other, work(world, show="submitted"))) == []
    assert "Returned" not in page(other, work(world)) and "Returned" not in page(other)


def test_a_draft_whose_time_ran_out_stays_in_the_list_until_the_item_is_answered() -> None:
    world = world_of(3, {"kind": "demonstration", "overlap": 1}, completions=0)
    annotator = world.member()
    lease = world.lease(annotator)
    save_draft(lease=lease, fields={"text": ["Half"]}, now=world.now)
    sweep_leases(world.now + timedelta(days=1))
    text = page(annotator, work(world, show="drafts"))
    assert len(excerpts(text)) == 1 and "your text comes back with the item" in text
    world.submit(lease, {"text": "Whole"}, after=86_500)
    assert excerpts(page(annotator, work(world, show="drafts"))) == []


def test_older_answers_are_a_page_further_and_none_is_lost_or_doubled() -> None:
    world = world_of(LISTED + 5)
    annotator = world.member()
    for number in range(LISTED + 3):
        world.submit(world.lease(annotator), after=number // 4)  # several at one moment
    first = page(annotator, work(world))
    older = re.search(r"before=(\d+)", first)
    assert len(excerpts(first)) == LISTED and older is not None and "Newest" not in first
    world.submit(world.lease(annotator), after=60)  # one more arrives meanwhile
    second = page(annotator, work(world, show="submitted", before=older[1]))
    assert len(excerpts(second)) == 3 and "Older" not in second and "Newest" in second
    assert set(excerpts(first)) & set(excerpts(second)) == set()


@pytest.mark.parametrize("before", ["x", "-3", "9" * 30, "0", "²"])
def test_a_place_that_is_none_is_the_first_page(before: str) -> None:
    world = world_of()
    annotator = world.member()
    world.judge(annotator)
    assert len(excerpts(page(annotator, work(world, before=before)))) == 1


def test_another_persons_answer_is_no_place() -> None:
    world = world_of()
    annotator, other = world.member(), world.member()
    world.judge(annotator)
    world.judge(other)
    theirs = Judgment.objects.get(annotator=other)
    assert len(excerpts(page(annotator, work(world, before=theirs.pk)))) == 1


# The end of a batch


def test_the_end_of_a_batch_sums_up_and_names_what_is_next() -> None:
    world, another = world_of(2, overlap=1, **PAID), world_of(4)
    annotator = world.member()
    join(another, annotator)
    for _ in range(2):
        world.submit(world.lease(annotator), active_seconds=90.0)
    client: Client = signed_in(annotator.user)
    path = f"/projects/{world.project.slug}/done"
    text = client.get(path).content.decode()
    assert "Batch done. Thank you." in text and "3 min" in text and "£0.25" in text
    assert text.index("Next for you") < text.index(another.project.name)
    set_preferences(user=annotator.user, hides_pay=True)
    text = client.get(path).content.decode()
    assert "£" not in text and "3 min" not in text and "Items" in text
