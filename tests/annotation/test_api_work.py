"""Judging over HTTP: the answers of api.md for good calls, bad tokens, wrong answers and replays."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import IdempotentCall, Judgment, Membership
from annotation.services.calls import forget_calls
from annotation.services.people import revoke_token
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


class Api:
    """A person's script: JSON in, JSON out, one token."""

    def __init__(self, token: str = "") -> None:
        self.client = Client()
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(
            f"/api/v1{path}",
            data=body if isinstance(body, str) else json.dumps(body if body is not None else {}),
            content_type="application/json",
            headers=self.headers | headers,
        )

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers=self.headers)


@pytest.fixture
def world() -> World:
    world = make_world()
    world.batch(items=3)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def api(world: World, annotator: Membership) -> Api:
    return Api(world.token(annotator.user))


def answer(lease: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "submission_id": lease["submission_id"],
        "attempt": lease["attempt"],
        "answer": {"preferred": "A", "strength": 2},
    } | changes


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["detail"]
    return body


def test_lease_sends_what_the_contract_says_and_nothing_else(api: Api, world: World) -> None:
    response = api.post(f"/projects/{world.project.slug}/lease")
    assert response.status_code == 200
    lease = response.json()
    assert set(lease) == {"assignment", "attempt", "submission_id", "expires_at", "protocol", "item"}
    assert set(lease["item"]) == {"prompt", "language", "completions"}
    assert [c["label"] for c in lease["item"]["completions"]] == ["A", "B"]
    assert "model-" not in response.content.decode()


def test_a_submit_answers_201_and_its_replay_200_with_the_same_body(api: Api, world: World) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    path = f"/assignments/{lease['assignment']}/judgments"
    first = api.post(path, answer(lease))
    again = api.post(path, answer(lease))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content
    assert first.json()["state"] == "accepted"
    assert Judgment.objects.count() == 1


def test_the_same_id_with_another_answer_is_409(api: Api, world: World) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    path = f"/assignments/{lease['assignment']}/judgments"
    api.post(path, answer(lease))
    problem(api.post(path, answer(lease, answer={"preferred": "B", "strength": 1})), 409)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"preferred": "A"}, "answer.strength"),
        ({"preferred": "A", "strength": 4}, "answer.strength"),
        ({"preferred": "Z", "strength": 1}, "answer.preferred"),
        ({"preference": -2}, "answer.preference"),
        ({"tie": "because"}, "answer.tie"),
        ({}, "answer.preferred"),
    ],
)
def test_a_wrong_answer_is_422_and_names_its_field(api: Api, world: World, wrong: Any, field: str) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    body = problem(
        api.post(f"/assignments/{lease['assignment']}/judgments", answer(lease, answer=wrong)), 422
    )
    assert field in [error["field"] for error in body["errors"]]
    assert not Judgment.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        "{",
        '{"answer": NaN}',
        '{"note": "\\u0000"}',
        '{"note": "\\ud800"}',
        '{"attempt": 9223372036854775808}',
        '{"a":' * 40 + "1" + "}" * 40,
        "[" * 100_000,
        '{"attempt": ' + "9" * 5000 + "}",
        '{"answer": {"preferred": "A", "strength": 1e400}}',
    ],
)
def test_odd_json_is_refused_before_anything_else_sees_it(api: Api, world: World, body: str) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    problem(api.post(f"/assignments/{lease['assignment']}/judgments", body), 400)


def test_an_unknown_field_is_named(api: Api, world: World) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    sent = answer(lease) | {"confidance": 1}
    body = problem(api.post(f"/assignments/{lease['assignment']}/judgments", sent), 422)
    assert body["errors"][0]["field"] == "confidance"


def test_nothing_left_is_204_with_the_reason(world: World) -> None:
    empty = make_world()
    api = Api(empty.token(empty.member().user))
    response = api.post(f"/projects/{empty.project.slug}/lease")
    assert (response.status_code, response["X-Reason"]) == (204, "batch_done")


def test_extend_and_release_belong_to_the_holder(api: Api, world: World) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    path = f"/assignments/{lease['assignment']}"
    other = Api(world.token(world.member().user))
    assert api.post(f"{path}/extend").json()["expires_at"] >= lease["expires_at"]
    problem(other.post(f"{path}/extend"), 404)
    problem(other.post(f"{path}/release", {"reason": "skipped"}), 404)
    problem(other.post(f"{path}/judgments", answer(lease)), 404)
    problem(api.post(f"{path}/release", {"reason": "bored"}), 422)
    assert api.post(f"{path}/release", {"reason": "skipped"}).status_code == 204


def test_cannot_judge_as_an_answer(api: Api, world: World) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    sent = answer(lease, answer={"cannot_judge": "language"})
    response = api.post(f"/assignments/{lease['assignment']}/judgments", sent)
    assert (response.status_code, response.json()["state"]) == (201, "released")


def test_undo_and_correction(api: Api, world: World) -> None:
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    judgment = api.post(f"/assignments/{lease['assignment']}/judgments", answer(lease)).json()["judgment"]
    undo = api.post(f"/judgments/{judgment}/undo").json()
    assert undo["answer"] == {"preferred": "A", "strength": 2}
    sent = answer(undo, answer={"tie": "both_poor"})
    first = api.post(f"/judgments/{judgment}/corrections", sent)
    again = api.post(f"/judgments/{judgment}/corrections", sent)
    assert (first.status_code, again.status_code) == (201, 200)
    problem(api.post(f"/judgments/{judgment}/undo"), 422)
    problem(Api(world.token(world.member().user)).post(f"/judgments/{judgment}/undo"), 404)


def test_tokens_that_do_not_count(world: World, annotator: Membership) -> None:
    path = f"/projects/{world.project.slug}/lease"
    token = world.token(annotator.user)
    problem(Api().post(path), 401)
    problem(Api("ccd_" + "x" * 43).post(path), 401)
    problem(Api(token[:-1]).post(path), 401)
    problem(Api(world.token(annotator.user, scopes=["read"])).post(path), 403)
    row = annotator.user.api_tokens.order_by("id").first()
    assert row is not None
    revoke_token(token=row, actor=annotator.user, now=world.now)
    response = Api(token).post(path)
    problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_signed_in_browser_is_nobody_to_the_api(world: World, annotator: Membership) -> None:
    client = Client()
    client.force_login(annotator.user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/api/v1/projects").status_code == 401


def test_the_answer_of_a_call_is_remembered_for_a_day(world: World) -> None:
    lead = Api(world.token(world.lead))
    body = {"slug": "new-one", "name": "New one", "protocol": {"kind": "pairwise"}}
    assert lead.post("/projects", body, **{"Idempotency-Key": "k1"}).status_code == 201
    made = IdempotentCall.objects.get().created_at
    forget_calls(made + timedelta(hours=24))
    assert lead.post("/projects", body, **{"Idempotency-Key": "k1"}).status_code == 201
    forget_calls(made + timedelta(hours=24, seconds=1))
    problem(lead.post("/projects", body, **{"Idempotency-Key": "k1"}), 422)


def test_projects_are_made_seen_and_listed(world: World) -> None:
    lead = Api(world.token(world.lead))
    body = {"slug": "new-one", "name": "New one", "protocol": {"kind": "pairwise", "points": 5}}
    made = lead.post("/projects", body, **{"Idempotency-Key": "k1"})
    again = lead.post("/projects", body, **{"Idempotency-Key": "k1"})
    assert (made.status_code, again.status_code) == (201, 201)
    assert made.json()["protocol"]["criteria"][-1]["key"] == "overall"
    other = body | {"name": "Other"}
    problem(lead.post("/projects", other, **{"Idempotency-Key": "k1"}), 409)
    assert problem(lead.post("/projects", body), 422)["errors"][0]["field"] == "slug"
    listed = [project["slug"] for project in lead.get("/projects").json()["results"]]
    assert sorted(listed) == sorted([world.project.slug, "new-one"])
    progress = lead.get(f"/projects/{world.project.slug}").json()["progress"]
    assert progress == {"items": 3, "slots": 9, "submitted": 0}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Bad Slug"}, "slug"),
        ({"protocol": {"kind": "guessing"}}, "protocol.kind"),
        ({"protocol": {"kind": "pairwise", "points": 6}}, "protocol.points"),
        ({"protocol": {"kind": "pairwise", "colour": 1}}, "protocol.colour"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_project_names_its_field(world: World, change: dict[str, Any], field: str) -> None:
    body = {"slug": "fine", "name": "Fine", "protocol": {"kind": "pairwise"}} | change
    errors = problem(Api(world.token(world.lead)).post("/projects", body), 422)["errors"]
    assert field in [error["field"] for error in errors]


def test_members_protocols_and_guidelines_are_the_leads(api: Api, world: World) -> None:
    lead, path = Api(world.token(world.lead)), f"/projects/{world.project.slug}"
    member = lead.post(f"{path}/members", {"email": "new@example.org", "role": "annotator"})
    assert member.status_code == 201
    assert member.json()["one_time_password"]
    problem(lead.post(f"{path}/members", {"email": "new@example.org", "role": "annotator"}), 422)
    assert lead.post(f"{path}/protocols", {"kind": "pairwise", "points": 2}).json()["version"] == 2
    assert lead.post(f"{path}/guidelines", {"text": "Read both."}).json()["version"] == 2
    for call, body in (("members", {}), ("protocols", {}), ("guidelines", {})):
        problem(api.post(f"{path}/{call}", body), 403)


def test_a_token_limited_to_projects_sees_only_those(world: World, annotator: Membership) -> None:
    from annotation.services.people import create_token

    other = make_world()
    limited = Api(
        create_token(user=world.lead, now=world.now, name="one", scopes=["read"], projects=[other.project])
    )
    problem(limited.get(f"/projects/{world.project.slug}"), 404)
    assert limited.get("/projects").json()["results"] == []


def test_a_job_that_is_not_there_is_404(api: Api) -> None:
    problem(api.get(f"/jobs/{uuid.uuid4()}"), 404)


def test_the_schema_is_generated_from_the_code(client: Client) -> None:
    response = client.get("/api/v1/schema")
    assert response.status_code == 200
    assert "/api/v1/projects/{slug}/lease" in response.content.decode()


def test_a_remembered_answer_needs_access_and_holds_no_password(world: World) -> None:
    lead, path = Api(world.token(world.lead)), f"/projects/{world.project.slug}/members"
    body = {"email": "fresh@example.org", "role": "annotator"}
    first = lead.post(path, body, **{"Idempotency-Key": "k"}).json()
    again = lead.post(path, body, **{"Idempotency-Key": "k"}).json()
    assert first.pop("one_time_password")
    assert again == first
    world.project.memberships.filter(user=world.lead).update(is_active=False)
    problem(lead.post(path, body, **{"Idempotency-Key": "k"}), 404)


def test_a_key_is_forgotten_after_a_day(world: World) -> None:
    lead, path = Api(world.token(world.lead)), f"/projects/{world.project.slug}/guidelines"
    body = {"text": "Read both."}
    assert lead.post(path, body, **{"Idempotency-Key": "k"}).json()["version"] == 2
    assert lead.post(path, body, **{"Idempotency-Key": "k"}).json()["version"] == 2
    IdempotentCall.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert lead.post(path, body, **{"Idempotency-Key": "k"}).json()["version"] == 3
