"""Who judges what, over the API: limits, members, staff, overlap, priorities, qualification, voiding."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import (
    Assignment,
    AuditEvent,
    Batch,
    Exclusion,
    Judgment,
    Membership,
)
from annotation.services.batches import close_batch
from annotation.services.judgments import correct_judgment
from annotation.services.leases import lease_next
from tests.annotation.test_api_work import problem
from tests.annotation.test_engine import correction
from tests.annotation.training import training_batch
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    return world


def caller(world: World, user: Any) -> Call:
    """Call an address below the project: method, path, body."""
    token, client = world.token(user), Client()

    def call(method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        return client.generic(
            method,
            f"/api/v1/projects/{world.project.slug}{path}",
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"} | headers,
        )

    return call


@pytest.fixture
def lead(world: World) -> Call:
    return caller(world, world.lead)


def fields(response: Any, status: int = 422) -> list[str]:
    return [error["field"] for error in problem(response, status)["errors"]]


def reason(annotator: Membership, world: World) -> str | None:
    return lease_next(annotator=annotator, now=world.now, seed=1).reason


# Limits


def test_limits_are_set_and_said(world: World, lead: Call) -> None:
    assert lead("GET", "/limits").json() == {"daily_cap": None, "exposure": {}, "exclusion_limit": 3}
    wanted = {"daily_cap": 1, "exposure": {"violence": 20, "abuse": 0}, "exclusion_limit": 5}
    assert lead("PUT", "/limits", wanted).json() == wanted
    assert lead("GET", "/limits").json() == wanted
    world.batch(items=2)
    annotator = world.member()
    world.judge(annotator)
    assert reason(annotator, world) == "cap_reached"
    assert AuditEvent.objects.get(action="project.limits_set").data["daily_cap"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"daily_cap": 0}, "daily_cap"),
        ({"daily_cap": ...}, "daily_cap"),
        ({"exclusion_limit": 101}, "exclusion_limit"),
        ({"exposure": {"violence": -1}}, "exposure.violence"),
        ({"exposure": {" ": 1}}, "exposure"),
        ({"exposure": {"x" * 41: 1}}, "exposure"),
        ({"exposure": {"abuse": 1, "abuse ": 2}}, "exposure"),
        ({"exposure": [1]}, "exposure"),
        ({"weekly_cap": 3}, "weekly_cap"),
    ],
)
def test_a_limit_that_does_not_fit_is_named(lead: Call, change: dict[str, Any], field: str) -> None:
    body = {"daily_cap": 9, "exposure": {}, "exclusion_limit": 3} | change
    body = {key: value for key, value in body.items() if value is not ...}
    assert fields(lead("PUT", "/limits", body)) == [field]
    assert lead("GET", "/limits").json()["daily_cap"] is None


# Members


def test_members_are_listed_described_paused_and_resumed(world: World, lead: Call) -> None:
    world.batch(items=2)
    annotator = world.member()
    path = f"/members/{annotator.pseudonym}"
    change = {"languages": ["PT-br", "en"], "skills": [" maths "], "paused": True, "reason": "holiday"}
    described = lead("PATCH", path, change).json()
    assert described == {
        "email": annotator.user.email,
        "role": "annotator",
        "pseudonym": annotator.pseudonym,
        "languages": ["en", "pt-BR"],
        "skills": ["maths"],
        "paused": True,
        "active": True,
    }
    assert described in lead("GET", "/members").json()["results"]
    annotator.refresh_from_db()
    assert annotator.pause_reason == "holiday"
    assert reason(annotator, world) == "paused"
    assert lead("PATCH", path, {"paused": False}).json() == described | {"paused": False}
    assert reason(annotator, world) is None
    assert lead("PATCH", path, {"skills": []}).json()["languages"] == ["en", "pt-BR"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"languages": ["klingon!"]}, "languages"),
        ({"skills": ["a\nb"]}, "skills"),
        ({"skills": ["x" * 41]}, "skills.0"),
        ({"skills": "maths"}, "skills"),
        ({"paused": "perhaps"}, "paused"),
        ({"paused": False, "reason": "why"}, "reason"),
        ({"role": "lead"}, "role"),
    ],
)
def test_a_member_that_does_not_fit_is_named_and_nothing_is_stored(
    world: World, lead: Call, change: dict[str, Any], field: str
) -> None:
    annotator = world.member()
    sent = {"paused": True, "skills": ["maths"]} | change
    assert fields(lead("PATCH", f"/members/{annotator.pseudonym}", sent))[0].startswith(field.split(".")[0])
    annotator.refresh_from_db()
    assert (annotator.skills, annotator.paused_at) == ([], None)


def test_only_annotators_are_described(world: World, lead: Call) -> None:
    reviewer = world.member("reviewer")
    assert fields(lead("PATCH", f"/members/{reviewer.pseudonym}", {"paused": True})) == ["role"]
    assert not AuditEvent.objects.filter(action="membership.paused").exists()
    elsewhere = make_world().member()
    problem(lead("PATCH", f"/members/{elsewhere.pseudonym}", {"paused": True}), 404)
    elsewhere.refresh_from_db()
    assert elsewhere.paused_at is None


# Batches


def test_a_batch_says_who_it_is_for_and_what_its_rule_saves(world: World, lead: Call) -> None:
    world.batch(items=2, overlap=2, overlap_policy="sequential", overlap_max=4, cap_per_annotator=9)
    saving = lead("GET", "/batches/1").json()["saving"]
    assert saving == {"items": 2, "settled": 0, "judgments": 0, "at_maximum": 0, "share": None}
    for _ in range(2):
        shown = world.lease(world.member())
        label = "A" if shown.display_order[0] == 0 else "B"
        world.submit(shown, {"preferred": label, "strength": 2})
    seen = lead("GET", "/batches/1").json()
    assert (seen["overlap_policy"], seen["overlap_max"], seen["cap_per_annotator"]) == ("sequential", 4, 9)
    assert (seen["purpose"], seen["pass_share"], seen["skill"]) == ("work", 0.8, "")
    assert seen["saving"] == {"items": 2, "settled": 1, "judgments": 2, "at_maximum": 4, "share": 0.5}
    assert "saving" in lead("GET", "/batches").json()["results"][0]
    assert "saving" not in caller(world, world.member().user)("GET", "/batches/1").json()
    world.batch(items=1)
    assert "saving" not in lead("GET", "/batches/2").json()


def test_who_only_judges_cannot_count_the_checks(world: World, lead: Call) -> None:
    batch = world.batch(items=3, gold_share=0.2)
    world.item(batch, 4, ["yes", "no"], target_overlap=0)
    judge = caller(world, world.member().user)
    assert lead("GET", "/batches/1").json()["counts"]["items"] == 4
    assert judge("GET", "/batches/1").json()["counts"]["items"] == 3
    assert judge("GET", "/batches").json()["results"][0]["counts"]["items"] == 3
    assert lead("GET").json()["progress"]["items"] == 4
    assert judge("GET").json()["progress"]["items"] == 3


def test_staff_are_named_and_let_go(world: World, lead: Call) -> None:
    world.batch(items=1)
    named, other = world.member(), world.member()
    assert lead("PUT", "/batches/1/staff", {"annotators": [named.pseudonym]}).json() == {
        "annotators": [named.pseudonym]
    }
    assert reason(other, world) == "nothing_left_for_you"
    assert reason(named, world) is None
    assert lead("PUT", "/batches/1/staff", {"annotators": []}).json() == {"annotators": []}
    assert reason(other, world) is None


def test_somebody_who_is_no_annotator_here_is_named(world: World, lead: Call) -> None:
    world.batch(items=1)
    for stranger in (make_world().member(), world.member("reviewer")):
        body = {"annotators": [world.member().pseudonym, stranger.pseudonym]}
        answer = lead("PUT", "/batches/1/staff", body)
        assert fields(answer) == ["annotators"]
        assert stranger.pseudonym in answer.json()["detail"]
    assert not Batch.objects.get(project=world.project).staff.exists()


def open_slots(world: World) -> dict[str, int]:
    names = Assignment.objects.filter(batch__project=world.project, state="open").values_list(
        "item__external_id", flat=True
    )
    return {name: list(names).count(name) for name in names}


def test_overlap_is_raised_for_named_items_and_for_all(world: World, lead: Call) -> None:
    world.batch(items=3, overlap=1)
    body = {"overlap": 3, "items": ["row-2"]}
    once = lead("POST", "/batches/1/overlap", body, **{"Idempotency-Key": "k"})
    again = lead("POST", "/batches/1/overlap", body, **{"Idempotency-Key": "k"})
    assert once.json() == again.json() == {"items": 1}
    assert open_slots(world) == {"row-1": 1, "row-2": 3, "row-3": 1}
    assert lead("POST", "/batches/1/overlap", {"overlap": 2}).json() == {"items": 2}
    assert open_slots(world) == {"row-1": 2, "row-2": 3, "row-3": 2}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "overlap"),
        ({"overlap": 0}, "overlap"),
        ({"overlap": 101}, "overlap"),
        ({"overlap": 2, "items": []}, "items"),
        ({"overlap": 2, "items": ["row-1", "row-9"]}, "items"),
    ],
)
def test_an_overlap_that_does_not_fit_is_named(
    world: World, lead: Call, body: dict[str, Any], field: str
) -> None:
    world.batch(items=1, overlap=1)
    assert fields(lead("POST", "/batches/1/overlap", body)) == [field]
    assert open_slots(world) == {"row-1": 1}


def test_a_closed_batch_gets_no_more_judgments(world: World, lead: Call) -> None:
    batch = world.batch(items=1, overlap=1)
    close_batch(batch=batch, actor=world.lead, now=world.now)
    answer = problem(lead("POST", "/batches/1/overlap", {"overlap": 2}), 409)
    assert answer["type"] == "urn:concord:batch_not_open"
    assert open_slots(world) == {"row-1": 1}


def test_priorities_decide_who_comes_first(world: World, lead: Call) -> None:
    world.batch(items=3, overlap=1)
    assert lead("PUT", "/batches/1/priorities", {"items": {"row-3": 5, "row-2": -1}}).json() == {"slots": 2}
    first = lease_next(annotator=world.member(), now=world.now, seed=1).lease
    assert first is not None and first.assignment.item.external_id == "row-3"
    assert fields(lead("PUT", "/batches/1/priorities", {"items": {"row-1": 9, "row-8": 1}})) == [
        "items.row-8"
    ]
    assert fields(lead("PUT", "/batches/1/priorities", {"items": {"row-1": 2**31}})) == ["items.row-1"]
    assert fields(lead("PUT", "/batches/1/priorities", {"items": {}})) == ["items"]
    second = lease_next(annotator=world.member(), now=world.now, seed=1).lease
    assert second is not None and second.assignment.item.external_id == "row-1"


def test_a_lead_lets_somebody_pass_once(world: World, lead: Call) -> None:
    batch = world.batch(items=1, purpose="training")
    world.batch(items=1)
    annotator = world.member()
    body = {"annotator": annotator.pseudonym}
    answer = lead("POST", "/batches/1/qualify", body)
    assert answer.status_code == 201
    assert answer.json() == {"annotator": annotator.pseudonym, "batch": 1, "passed": True}
    assert annotator.training_tries.get(batch=batch).right is None
    assert problem(lead("POST", "/batches/1/qualify", body), 409)["type"] == "urn:concord:passed"
    assert fields(lead("POST", "/batches/2/qualify", body)) == ["batch"]
    assert fields(lead("POST", "/batches/1/qualify", {"annotator": "p-nobody"})) == ["annotator"]
    assert annotator.training_tries.count() == 1


# Voiding


@pytest.fixture
def judged(world: World) -> Judgment:
    world.batch(items=1, overlap=1)
    return Judgment.objects.get(pk=world.judge(world.member()).body["judgment"])


def void(call: Call, judgment: Judgment, why: str = "They mixed up the sides of this one.") -> Any:
    return call("POST", f"/judgments/{judgment.pk}/void", {"reason": why})


def test_a_reviewer_voids_an_answer_and_one_replacement_opens(world: World, judged: Judgment) -> None:
    reviewer = world.member("reviewer")
    call = caller(world, reviewer.user)
    answer = void(call, judged)
    assert answer.json() == {"judgment": judged.pk, "state": "void", "replaced": True}
    slots = Assignment.objects.filter(item=judged.item).order_by("number")
    assert [slot.state for slot in slots] == ["void", "open"]
    assert slots[0].void_reason == "They mixed up the sides of this one."
    assert Exclusion.objects.get(item=judged.item).reason == "voided"
    event = AuditEvent.objects.get(action="assignment.voided")
    assert (event.actor, event.data["replacement"]) == (reviewer.user, slots[1].pk)
    assert reason(judged.annotator, world) == "nothing_left_for_you"
    assert problem(void(call, judged), 409)["type"] == "urn:concord:void"
    assert slots.count() == 2


def test_nobody_voids_their_own_answer(world: World) -> None:
    world.batch(items=1, overlap=1)
    annotator = world.member()
    judged = Judgment.objects.get(pk=world.judge(annotator).body["judgment"])
    annotator.user.memberships.create(
        project=world.project, role="reviewer", pseudonym="p-both", created_at=world.now
    )
    answer = problem(void(caller(world, annotator.user), judged), 403)
    assert "yourself" in answer["detail"]
    assert Assignment.objects.get(pk=judged.assignment_id).state == "submitted"


def test_a_judgment_elsewhere_is_not_there(world: World, lead: Call) -> None:
    elsewhere = make_world()
    elsewhere.batch(items=1)
    judged = Judgment.objects.get(pk=elsewhere.judge(elsewhere.member()).body["judgment"])
    problem(void(lead, judged), 404)
    assert Assignment.objects.get(pk=judged.assignment_id).state == "submitted"


def test_in_a_closed_batch_no_replacement_would_be_seen(world: World, lead: Call, judged: Judgment) -> None:
    close_batch(batch=judged.batch, actor=world.lead, now=world.now)
    assert problem(void(lead, judged), 409)["type"] == "urn:concord:batch_not_open"
    assert Assignment.objects.filter(item=judged.item).count() == 1


@pytest.mark.parametrize("why", ["", "  ", "x" * 201, "a\nb"])
def test_a_void_says_why(lead: Call, judged: Judgment, why: str) -> None:
    assert fields(void(lead, judged, why)) == ["reason"]
    assert Assignment.objects.get(pk=judged.assignment_id).state == "submitted"


def test_a_corrected_answer_is_voided_by_its_correction(world: World, lead: Call, judged: Judgment) -> None:
    outcome = correct_judgment(
        annotator=judged.annotator,
        judgment=judged,
        submission=correction(judged, {"preferred": "B", "strength": 1}),
        now=world.now,
    )
    assert problem(void(lead, judged), 409)["type"] == "urn:concord:superseded"
    newest = Judgment.objects.get(pk=outcome.body["judgment"])
    assert void(lead, newest).json()["replaced"] is True


def test_a_late_answer_has_no_slot_to_void(world: World, lead: Call) -> None:
    world.batch(items=1, overlap=1)
    late = world.lease(world.member())
    second = world.lease(world.member(), after=10_000)
    world.submit(second, after=10_001)
    outcome = world.submit(late, after=10_002)
    assert outcome.body["state"] == "late"
    judged = Judgment.objects.get(pk=outcome.body["judgment"])
    assert problem(void(lead, judged), 409)["type"] == "urn:concord:late"
    assert Assignment.objects.filter(item=judged.item, state="submitted").count() == 1


def test_an_answer_in_training_is_final(world: World, lead: Call) -> None:
    training_batch(world)
    judged = Judgment.objects.get(pk=world.judge(world.member()).body["judgment"])
    assert problem(void(lead, judged), 409)["type"] == "urn:concord:training"
    assert Assignment.objects.get(pk=judged.assignment_id).state == "submitted"
