"""Two conversations over the API: what is asked by turn, what is sent, what is refused."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import Judgment
from comparisons.models import PairwiseAnswer
from tests.annotation.test_api_work import Api, answer, problem
from tests.annotation.test_query_counts import COUNTS, NOT_COUNTED
from tests.conversations import PER_TURN, add_conversations
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

A2, B1 = {"preferred": "A", "strength": 2}, {"preferred": "B", "strength": 1}


@pytest.fixture
def world() -> World:
    world = make_world(PER_TURN)
    batch = world.batch(0)
    for number in (1, 2):
        add_conversations(world, batch, number, (3, 4))
    return world


@pytest.fixture
def api(world: World) -> Api:
    return Api(world.token(world.member().user))


def lease(api: Api, world: World) -> tuple[dict[str, Any], str]:
    body = api.post(f"/projects/{world.project.slug}/lease").json()
    return body, f"/assignments/{body['assignment']}/judgments"


def test_turns_are_judged_undone_and_corrected_as_one_answer(api: Api, world: World) -> None:
    body, path = lease(api, world)
    assert body["protocol"]["per_turn"] is True
    assert [len(c["content"]) for c in body["item"]["completions"]] in ([5, 7], [7, 5])
    given = A2 | {"turns": [B1, {"tie": "both_good"}, A2]}
    first = api.post(path, answer(body, answer=given))
    assert first.status_code == 201
    assert api.post(path, answer(body, answer=given)).content == first.content
    problem(api.post(path, answer(body, answer=given | {"turns": [B1, B1, B1]})), 409)
    assert Judgment.objects.count() == 1 and PairwiseAnswer.objects.count() == 4

    number = first.json()["judgment"]
    undone = api.post(f"/judgments/{number}/undo").json()
    assert undone["answer"] == given
    changed = B1 | {"turns": [B1, B1, B1]}
    corrected = api.post(
        f"/judgments/{number}/corrections",
        {"submission_id": undone["submission_id"], "attempt": undone["attempt"], "answer": changed},
    )
    assert corrected.status_code == 201
    assert api.post(f"/judgments/{corrected.json()['judgment']}/undo").json()["answer"] == changed


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (A2, "answer.turns"),
        (A2 | {"turns": [A2, A2]}, "answer.turns"),
        (A2 | {"turns": [A2, {"preferred": "A"}, A2]}, "answer.turns[1].strength"),
        ({"turns": [A2, A2, A2]}, "answer.preferred"),
    ],
)
def test_a_wrong_turn_is_422_and_nothing_is_stored(api: Api, world: World, wrong: Any, field: str) -> None:
    body, path = lease(api, world)
    refused = problem(api.post(path, answer(body, answer=wrong)), 422)
    assert [error["field"] for error in refused["errors"]] == [field]
    assert not Judgment.objects.exists()


def test_turns_are_refused_under_a_protocol_without_them() -> None:
    world = make_world({"kind": "pairwise"})
    add_conversations(world, world.batch(0), 1, (2, 2))
    api = Api(world.token(world.member().user))
    body, path = lease(api, world)
    assert body["protocol"]["per_turn"] is False
    refused = problem(api.post(path, answer(body, answer=A2 | {"turns": [A2, A2]})), 422)
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [
        ("answer.turns", "unknown_field")
    ]
    assert api.post(path, answer(body, answer=A2)).status_code == 201


def test_a_protocol_by_turn_is_made_and_shown_over_the_api(world: World) -> None:
    api = Api(world.token(world.lead))
    made = api.post(
        "/projects", {"slug": "talks", "name": "Talks", "protocol": {"kind": "pairwise", "per_turn": True}}
    )
    assert made.status_code == 201 and made.json()["protocol"]["per_turn"] is True
    path = "/projects/talks/protocols"
    refused = problem(api.post(path, {"kind": "ranking", "per_turn": True}), 422)
    assert [error["field"] for error in refused["errors"]] == ["per_turn"]
    assert api.post(path, {"kind": "pairwise"}).status_code == 201
    assert api.get("/projects/talks").json()["protocol"]["per_turn"] is False


def test_a_submit_by_turn_takes_no_statement_more(api: Api, world: World) -> None:
    """The number of turns stands in the text, which comes with the statement that finds the slot."""
    given = A2 | {"turns": [A2, A2, A2]}
    body, path = lease(api, world)
    api.post(path, answer(body, answer=given))  # what is prepared and kept from then on
    body, path = lease(api, world)
    with CaptureQueriesContext(connection) as queries:
        assert api.post(path, answer(body, answer=given)).status_code == 201
    words = [query["sql"] for query in queries if not query["sql"].startswith(NOT_COUNTED)]
    assert len(words) == json.loads(COUNTS.read_text())["submit: work"], words
