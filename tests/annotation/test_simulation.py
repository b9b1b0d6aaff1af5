"""Simulated annotators behave as they are told to, over the real HTTP interface."""

import http.server
import json
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.invariants import violations
from annotation.models import Assignment, Judgment, Membership
from annotation.simulation import (
    InstanceClient,
    SimulatedAnnotator,
    SimulationError,
    content_key,
    run_simulation,
)
from annotation.simulation.accounts import simulated_tokens
from annotation.simulation.references import truth_from_references
from annotation.simulation.truth import from_order, from_preferences, from_shares
from tests.factories import World, make_world

ITEMS = 16


def labelled_world(overlap: int) -> World:
    """A pairwise project whose items all have a reference, first and second in turn."""
    world = make_world({"kind": "pairwise", "points": 7})
    batch = world.batch(items=0, overlap=overlap)
    for number in range(1, ITEMS + 1):
        texts = [f"Answer {number}, one.", f"Answer {number}, two."]
        world.item(batch, number, texts, reference=-1 if number % 2 else 1)
    return world


def preferences(membership: Membership) -> dict[int, int]:
    """Item number → stored preference of one annotator."""
    judgments = Judgment.objects.filter(annotator=membership).select_related("item")
    return {judgment.item.number: judgment.pairwise_answers.get().preference for judgment in judgments}


def shown_first_share(membership: Membership) -> float:
    """Share of judgments that prefer what stood first on the screen."""
    firsts = 0
    for judgment in Judgment.objects.filter(annotator=membership):
        preference = judgment.pairwise_answers.get().preference
        firsts += preference < 0 if judgment.display_order[0] == 0 else preference > 0
    return firsts / ITEMS


@pytest.mark.django_db(transaction=True)
def test_skill_bias_and_seed_show_in_the_stored_judgments(live_server: LiveServer) -> None:
    people = {
        "skilled": SimulatedAnnotator(skill=0.95, seed=1),
        "unskilled": SimulatedAnnotator(skill=0.1, seed=2),
        "takes the first": SimulatedAnnotator(skill=0.1, seed=3, position_bias=1.5),
        "twin": SimulatedAnnotator(skill=0.1, seed=2),
    }
    world = labelled_world(overlap=len(people))
    tokens = simulated_tokens(project=world.project, count=len(people), now=timezone.now())
    report = run_simulation(
        live_server.url,
        world.project.slug,
        dict(zip(tokens.values(), people.values(), strict=True)),
        truth_from_references(world.project),
        threads=3,
    )

    assert report.judgments == ITEMS * len(people)
    assert report.states == Counter(accepted=report.judgments)
    assert report.reasons.total() == len(people)
    assert report.without_truth == 0
    assert not Assignment.objects.exclude(state=Assignment.State.SUBMITTED).exists()
    assert violations() == []

    members = dict(zip(people, (Membership.objects.get(user__email=email) for email in tokens), strict=True))
    assert all(member.is_simulated for member in members.values())
    right = {
        name: sum(
            preference * (-1 if number % 2 else 1) > 0 for number, preference in preferences(member).items()
        )
        for name, member in members.items()
    }
    assert right["skilled"] == ITEMS
    assert right["unskilled"] < ITEMS * 0.8
    assert shown_first_share(members["takes the first"]) > 0.9
    assert shown_first_share(members["unskilled"]) < 0.9
    assert preferences(members["twin"]) == preferences(members["unskilled"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "protocol",
    [
        {"kind": "pairwise", "points": 8, "criteria": ["Clarity"]},
        {"kind": "ranking", "criteria": ["Clarity"], "ties": False},
        {"kind": "rating", "criteria": ["Clarity"]},
        {"kind": "critique", "criteria": ["Honest", "Kind"]},
        {"kind": "demonstration"},
    ],
)
def test_every_kind_is_judged_to_its_overlap(live_server: LiveServer, protocol: dict[str, Any]) -> None:
    world = make_world(protocol)
    world.batch(items=3, overlap=2, completions={"critique": 1, "demonstration": 0}.get(protocol["kind"], 2))
    tokens = simulated_tokens(project=world.project, count=3, now=timezone.now())
    people = {token: SimulatedAnnotator(skill=0.5, seed=seed) for seed, token in enumerate(tokens.values())}
    report = run_simulation(live_server.url, world.project.slug, people, {}, threads=2)
    assert report.judgments == 6
    assert report.without_truth == 6
    assert Judgment.objects.current().count() == 6


def lease(kind: str, contents: list[str], *, high: int | None = None, ties: bool = True) -> dict[str, Any]:
    """A lease as the API sends it, with the single criterion overall."""
    low = {"pairwise": -(high or 0), "rating": 1}.get(kind)
    return {
        "assignment": 1,
        "attempt": 1,
        "submission_id": "00000000-0000-4000-8000-000000000001",
        "protocol": {
            "kind": kind,
            "criteria": [{"key": "overall", "low": low, "high": high, "ties": ties}],
        },
        "item": {
            "prompt": [{"role": "user", "content": "Why?"}],
            "completions": [
                {"label": label, "content": content} for label, content in zip("ABCD", contents, strict=False)
            ],
        },
    }


def test_full_skill_answers_the_truth_in_either_order() -> None:
    expert = SimulatedAnnotator(skill=1, seed=5)
    for preference in range(-3, 4):
        truth = from_preferences(["one", "two"], {"overall": preference / 3}, "both_good")
        straight = expert.submission(lease("pairwise", ["one", "two"], high=3), truth)["answer"]
        swapped = expert.submission(lease("pairwise", ["two", "one"], high=3), truth)["answer"]
        if preference == 0:
            assert straight == swapped == {"tie": "both_good"}
        else:
            first, second = ("A", "B") if preference < 0 else ("B", "A")
            assert straight == {"preferred": first, "strength": abs(preference)}
            assert swapped == {"preferred": second, "strength": abs(preference)}


def test_full_skill_finds_the_order_and_the_values() -> None:
    expert = SimulatedAnnotator(skill=1, seed=5)
    texts = ["one", "two", "three", "four"]
    order = from_order(texts, [[2], [0, 3], [1]])
    assert expert.submission(lease("ranking", texts), order)["answer"] == {
        "ranking": [["C"], ["A", "D"], ["B"]]
    }
    shares = from_shares(texts[:2], [{"overall": 1.0}, {"overall": 1 / 6}])
    answer = expert.submission(lease("rating", texts[:2], high=7), shares)["answer"]
    assert answer == {"ratings": {"A": {"overall": 7}, "B": {"overall": 2}}}


def test_a_scale_without_a_tie_always_gets_a_choice() -> None:
    truth = from_preferences(["one", "two"], {"overall": 0.0})
    for seed in range(20):
        someone = SimulatedAnnotator(skill=1, seed=seed)
        answer = someone.submission(lease("pairwise", ["one", "two"], high=4, ties=False), truth)["answer"]
        assert answer["strength"] == 1


def test_length_bias_prefers_the_longer_text() -> None:
    chosen = Counter(
        SimulatedAnnotator(skill=0.2, seed=seed, length_bias=0.8)
        .submission(lease("pairwise", ["short", "long " * 30], high=3), None)["answer"]
        .get("preferred")
        for seed in range(50)
    )
    assert chosen["B"] > 40


def test_content_is_found_in_any_order_and_either_form() -> None:
    key = content_key("Why?", ["one", "two"])
    as_messages = [{"role": "assistant", "content": "two"}]
    assert content_key([{"role": "user", "content": "Why?"}], [as_messages, "one"]) == key
    assert content_key("Why not?", ["one", "two"]) != key


def test_skill_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        SimulatedAnnotator(skill=1.5, seed=1)


@pytest.mark.django_db(transaction=True)
def test_a_token_that_is_refused_ends_the_run_with_the_answer(live_server: LiveServer) -> None:
    world = labelled_world(overlap=1)
    people = {"ccd_wrong": SimulatedAnnotator(skill=1, seed=1)}
    with pytest.raises(SimulationError, match="401") as refusal:
        run_simulation(live_server.url, world.project.slug, people, {})
    assert refusal.value.status == 401


@pytest.fixture
def faltering_server() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers 503 to the first two calls; and the bodies that it was sent."""
    bodies: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(201 if len(bodies) > 2 else 503)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_failed_submit_is_repeated_with_the_same_body(faltering_server: tuple[str, list[bytes]]) -> None:
    url, bodies = faltering_server
    with InstanceClient(url) as client:
        client.submit("ccd_token", 1, {"submission_id": "x", "attempt": 1})
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


@pytest.mark.django_db(transaction=True)
def test_the_commands_make_accounts_and_let_them_judge(live_server: LiveServer, tmp_path: Path) -> None:
    world = labelled_world(overlap=2)
    file = tmp_path / "tokens.jsonl"
    call_command("create_annotators", world.project.slug, count=2, tokens=file, stdout=StringIO())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    accounts = [json.loads(line) for line in file.read_text().splitlines()]
    assert [set(account) for account in accounts] == [{"email", "token"}] * 2
    assert Membership.objects.filter(project=world.project, is_simulated=True).count() == 2

    told = StringIO()
    call_command(
        "simulate", world.project.slug, annotators=2, tokens=file, url=live_server.url, skill=1, stdout=told
    )
    assert f"{2 * ITEMS} judgments by 2 annotators" in told.getvalue()
    assert "at random" not in told.getvalue()
    for member in Membership.objects.filter(is_simulated=True):
        assert preferences(member) == {n: -2 if n % 2 else 2 for n in range(1, ITEMS + 1)}

    with pytest.raises(CommandError, match="cannot be made"):
        call_command("create_annotators", world.project.slug, count=1, tokens=file)
    with pytest.raises(CommandError, match="holds 2 accounts"):
        call_command("simulate", world.project.slug, annotators=3, tokens=file, url=live_server.url)


@pytest.mark.django_db
def test_simulate_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    monkeypatch.setenv("VAR", str(tmp_path))
    with pytest.raises(CommandError, match="no instance runs"):
        call_command("simulate", world.project.slug)
    with pytest.raises(CommandError, match="no project"):
        call_command("simulate", "nowhere")
    with pytest.raises(CommandError, match="between 0 and 1"):
        call_command("simulate", world.project.slug, skill=2)
    (tmp_path / "broken").write_text("[]\n")
    with pytest.raises(CommandError, match="no file from create_annotators"):
        call_command("simulate", world.project.slug, tokens=tmp_path / "broken")


@pytest.mark.django_db(transaction=True)
def test_create_token_prints_a_token_that_works_within_its_limits(live_server: LiveServer) -> None:
    world = make_world()
    printed = StringIO()
    call_command(
        "create_token", world.lead.email, scope=["read"], project=[world.project.slug], days=1, stdout=printed
    )
    headers = {"Authorization": f"Bearer {printed.getvalue().strip()}"}
    url = f"{live_server.url}/api/v1/projects"
    assert httpx.get(f"{url}/{world.project.slug}", headers=headers).status_code == 200
    assert httpx.post(url, headers=headers, json={}).status_code == 403

    for arguments, message in [
        (["nobody@example.org"], "no active account"),
        ([world.lead.email, "--project", "nowhere"], "no project nowhere"),
        ([world.lead.email, "--days", "0"], "start"),
    ]:
        with pytest.raises(CommandError, match=message):
            call_command("create_token", *arguments)
