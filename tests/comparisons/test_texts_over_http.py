"""Demonstrations and critiques all the way: project and batch over the API, answers, corrections, the console."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from annotation.invariants import violations
from annotation.jobs import run_claimed
from annotation.models import Batch, Judgment, Membership
from annotation.services.people import add_member, create_token
from comparisons.models import CritiqueAnswer, DemonstrationAnswer
from tests.annotation.browsing import signed_in
from tests.annotation.test_api_work import Api, answer, problem
from tests.annotation.uploading import Api as BatchApi
from tests.annotation.uploading import lines
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

CRITIQUE = {
    "kind": "critique",
    "criteria": [{"name": "Honest", "question": "It says nothing false."}, "Kind"],
}
PROMPTS = [{"id": f"row-{number}", "prompt": f"Question {number}?"} for number in (1, 2)]
REPLIES = [row | {"completions": [{"content": f"Reply {row['id']}"}]} for row in PROMPTS]
HOSTILE = "<img src=x onerror=alert(1)>\nline \u202e two"


def imported(protocol: dict[str, Any], rows: list[dict[str, Any]]) -> tuple[World, Batch]:
    """A project made over the API with a batch that a worker has imported, whether that went well or not."""
    lead = make_world().lead
    api = Api(create_token(user=lead, now=NOW, name="made", scopes=["read", "manage"]))
    slug = f"texts-{lead.pk}"
    made = api.post("/projects", {"slug": slug, "name": "Texts", "protocol": protocol})
    assert made.status_code == 201, made.content
    pushed = BatchApi(api.headers["Authorization"].removeprefix("Bearer ")).push(slug, lines(rows))
    assert pushed.status_code == 202, pushed.content
    run_claimed(pushed.json()["job"], NOW)
    batch = Batch.objects.latest("pk")
    return World(batch.project, lead), batch


def judge_of(world: World) -> tuple[Membership, Api]:
    annotator = world.member()
    return annotator, Api(world.token(annotator.user))


@pytest.mark.parametrize(
    ("protocol", "field"),
    [
        ({"kind": "demonstration", "criteria": ["Tone"]}, "protocol.criteria"),
        ({"kind": "demonstration", "points": 7}, "protocol.points"),
        ({"kind": "critique"}, "protocol.criteria"),
        ({"kind": "critique", "criteria": ["Honest"], "ties": True}, "protocol.ties"),
    ],
)
def test_a_protocol_that_does_not_fit_makes_no_project(protocol: dict[str, Any], field: str) -> None:
    lead = make_world().lead
    api = Api(create_token(user=lead, now=NOW, name="made", scopes=["read", "manage"]))
    refused = problem(api.post("/projects", {"slug": "texts", "name": "Texts", "protocol": protocol}), 422)
    assert [error["field"] for error in refused["errors"]] == [field]


@pytest.mark.parametrize(
    ("protocol", "rows", "code"),
    [
        ({"kind": "demonstration"}, REPLIES, "completions_count"),
        (CRITIQUE, PROMPTS, "completions_missing"),
        (CRITIQUE, [REPLIES[0] | {"completions": [{"content": "a"}, {"content": "b"}]}], "completions_count"),
        (CRITIQUE, [REPLIES[0] | {"gold": {"preference": 1}}], "gold_not_taken"),
        ({"kind": "demonstration"}, [PROMPTS[0] | {"gold": {"preference": 1}}], "gold_not_taken"),
    ],
)
def test_rows_that_a_kind_cannot_ask_about_are_refused(
    protocol: dict[str, Any], rows: list[dict[str, Any]], code: str
) -> None:
    _, batch = imported(protocol, rows)
    assert batch.state == Batch.State.FAILED
    assert batch.items.count() == 0
    job = batch.project.jobs.latest("created_at")
    assert code in str(job.result or job.error)


def test_demonstrations_are_asked_for_with_a_prompt_alone() -> None:
    world, batch = imported({"kind": "demonstration"}, PROMPTS)
    assert (batch.state, batch.items.count(), batch.overlap) == (Batch.State.OPEN, 2, 1)
    _, api = judge_of(world)
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    assert lease["item"]["completions"] == []
    path = f"/assignments/{lease['assignment']}/judgments"
    refused = problem(api.post(path, answer(lease, answer={"text": " "})), 422)
    assert [(error["field"], error["code"]) for error in refused["errors"]] == [("answer.text", "required")]
    assert api.post(path, answer(lease, answer={"text": HOSTILE})).status_code == 201
    assert DemonstrationAnswer.objects.get().text == HOSTILE
    assert violations() == []


def test_a_critique_is_corrected_and_the_earlier_one_stays() -> None:
    world, _ = imported(CRITIQUE, REPLIES)
    annotator, api = judge_of(world)
    lease = api.post(f"/projects/{world.project.slug}/lease").json()
    (shown,) = lease["item"]["completions"]
    first = {"principles": ["kind"], "critique": "Curt.", "revision": "Reply, with thanks"}
    refused = answer(lease, answer=first | {"revision": shown["content"]})
    path = f"/assignments/{lease['assignment']}/judgments"
    errors = problem(api.post(path, refused), 422)["errors"]
    assert [(error["field"], error["code"]) for error in errors] == [("answer.revision", "unchanged")]
    judgment = api.post(path, answer(lease, answer=first)).json()["judgment"]
    undo = api.post(f"/judgments/{judgment}/undo").json()
    assert undo["answer"] == first
    second = {"principles": [], "critique": "It is fine.", "revision": shown["content"]}
    assert api.post(f"/judgments/{judgment}/corrections", answer(undo, answer=second)).status_code == 201
    current = Judgment.objects.current().get(annotator=annotator)
    assert current.supersedes_id == judgment
    assert [row.is_changed for row in CritiqueAnswer.objects.order_by("pk")] == [True, False]
    assert violations() == []


def test_a_page_corrects_a_demonstration() -> None:
    world, _ = imported({"kind": "demonstration"}, PROMPTS)
    annotator = world.member()
    world.now = timezone.now()
    world.judge(annotator, {"text": "First words."})
    client, judgment = signed_in(annotator.user), Judgment.objects.get()
    page = client.post(reverse("undo", args=[judgment.pk]), follow=True)
    assert "\nFirst words.</textarea>" in page.content.decode()
    form = {"submission_id": page.context["submission_id"], "attempt": "1", "text": "Better\r\nwords."}
    assert client.post(reverse("corrections", args=[judgment.pk]), form).status_code == 303
    current = Judgment.objects.current().get()
    assert current.supersedes == judgment
    assert DemonstrationAnswer.objects.get(judgment=current).text == "Better\nwords."


def item_page(world: World, number: int = 1) -> str:
    path = f"/projects/{world.project.slug}/batches/1/items/{number}"
    return signed_in(world.lead).get(path).content.decode()


def test_the_console_shows_what_was_written_and_nothing_of_it_is_markup() -> None:
    world, _ = imported(CRITIQUE, REPLIES[:1])
    world.judge(world.member(), {"principles": ["kind"], "critique": "Curt & rude.", "revision": HOSTILE})
    page = item_page(world)
    assert "Curt &amp; rude." in page
    assert "&lt;img src=x onerror=alert(1)&gt;\nline" in page
    assert "<img src=x" not in page
    assert "U+202E" in page
    assert "\u202e" not in page
    assert ">Kind<" in page


def test_what_was_erased_is_told_and_every_invariant_holds() -> None:
    world, _ = imported(CRITIQUE, REPLIES[:1])
    annotator = world.member()
    world.judge(annotator, {"principles": ["kind"], "critique": "Curt.", "revision": "Kinder words."})
    call_command("erase_texts", world.project.slug, annotator.user.email)
    page = item_page(world)
    assert "Kinder words." not in page
    assert page.count("Erased at its author’s wish") == 2
    assert ">Kind<" in page
    assert violations() == []


def test_only_an_annotator_of_the_project_has_texts_to_erase() -> None:
    world = make_world({"kind": "demonstration"})
    add_member(project=world.project, actor=world.lead, email="r@example.org", role="reviewer", now=NOW)
    for email in ("nobody@example.org", "r@example.org"):
        with pytest.raises(CommandError, match="no annotator"):
            call_command("erase_texts", world.project.slug, email)
