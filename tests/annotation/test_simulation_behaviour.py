"""Bad habits over the real HTTP interface: whatever people do, every item ends exactly at its overlap."""

import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.invariants import violations
from annotation.models import Assignment, Judgment, Lease
from annotation.simulation import (
    Habits,
    InstanceClient,
    SimulatedAnnotator,
    SimulationError,
    SimulationReport,
    make_population,
    run_simulation,
)
from annotation.simulation.accounts import simulated_tokens
from annotation.simulation.references import truth_from_references
from annotation.simulation.report import Tally
from annotation.simulation.turns import ONLY_MY_OWN, Person, Run
from tests.factories import World, make_world


def small_world(items: int, overlap: int, lease_seconds: int = 1) -> World:
    """Labelled pairs whose leases end soon. Nobody's late answer sends an item to review here."""
    world = make_world({"kind": "pairwise", "points": 7})
    type(world.project).objects.filter(pk=world.project.pk).update(exclusion_limit=100)
    batch = world.batch(items=0, overlap=overlap, lease_seconds=lease_seconds)
    for number in range(1, items + 1):
        texts = [f"Answer {number}, one.", f"Answer {number}, two."]
        world.item(batch, number, texts, reference=-1 if number % 2 else 1)
    return world


def people_of(world: World, count: int, **settings: Any) -> dict[str, SimulatedAnnotator]:
    tokens = simulated_tokens(project=world.project, count=count, now=timezone.now())
    return {
        token: SimulatedAnnotator(skill=0.7, seed=100 + index, **settings)
        for index, token in enumerate(tokens.values())
    }


def simulate(
    server: LiveServer, world: World, people: dict[str, SimulatedAnnotator], threads: int = 3, **habits: float
) -> SimulationReport:
    truth = truth_from_references(world.project)
    return run_simulation(
        server.url, world.project.slug, people, truth, threads=threads, habits=Habits(**habits)
    )


def assert_complete(world: World, overlap: int) -> None:
    """Every slot is filled, by as many different people as the overlap says, and nothing is broken."""
    slots = Assignment.objects.filter(batch__project=world.project)
    assert not slots.exclude(state=Assignment.State.SUBMITTED).exists()
    accepted = Judgment.objects.filter(batch__project=world.project, state=Judgment.State.ACCEPTED)
    by_item = Counter(accepted.values_list("item_id", flat=True))
    assert set(by_item.values()) == {overlap}
    assert len(set(accepted.values_list("item_id", "annotator_id"))) == accepted.count()
    assert violations() == []


@pytest.mark.django_db(transaction=True)
def test_a_batch_completes_though_a_third_of_the_leases_is_abandoned(live_server: LiveServer) -> None:
    world = small_world(items=10, overlap=2)
    report = simulate(
        live_server, world, people_of(world, 3), abandon=0.3, come_back=0.5, patience_seconds=30
    )
    assert_complete(world, overlap=2)
    told = report.behaviours
    assert told["abandoned"] >= 3
    assert 1 <= told["came_back"] <= told["abandoned"]
    assert told["asked_again"] >= 1
    assert told["gave_up"] == 0
    assert report.states["accepted"] == 20
    assert report.judgments == report.states["accepted"] + report.states["late"]


@pytest.mark.django_db(transaction=True)
def test_without_patience_abandoned_leases_stay_open_work(live_server: LiveServer) -> None:
    """Control: the leases are really held, and it is the waiting that completes the batch."""
    world = small_world(items=10, overlap=2, lease_seconds=60)
    report = simulate(live_server, world, people_of(world, 3), abandon=0.3, come_back=0, patience_seconds=0)
    leased = Assignment.objects.filter(state=Assignment.State.LEASED).count()
    assert leased == report.behaviours["abandoned"] >= 3
    assert report.judgments < 20
    assert report.behaviours["gave_up"] >= 1
    assert report.reasons[ONLY_MY_OWN] >= 1


@pytest.mark.django_db(transaction=True)
def test_who_comes_back_after_somebody_else_has_answered_is_late(live_server: LiveServer) -> None:
    world = small_world(items=1, overlap=1)
    people = people_of(world, 2)
    (first, second) = (Person(token, annotator) for token, annotator in people.items())
    tally = Tally()
    truth = truth_from_references(world.project)
    with InstanceClient(live_server.url) as client:
        slug = world.project.slug
        forgetful = Run(client, slug, None, truth, Habits(abandon=1, come_back=1), tally)
        careful = Run(client, slug, None, truth, Habits(), tally)
        assert forgetful.take_turn(first) == 0.0
        expires_at = Assignment.objects.get().expires_at
        assert expires_at is not None
        time.sleep((expires_at - timezone.now()).total_seconds() + 0.15)
        assert careful.take_turn(second) == 0.0
        assert forgetful.take_turn(first) == 0.0
        assert forgetful.take_turn(first) is None
    report = tally.report(0.0)
    assert report.states == Counter(accepted=1, late=1)
    assert report.behaviours == Counter(abandoned=1, came_back=1)
    assert report.reasons == Counter(batch_done=1)
    assert_complete(world, overlap=1)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_stores_one_judgment(live_server: LiveServer) -> None:
    world = small_world(items=5, overlap=2, lease_seconds=60)
    report = simulate(live_server, world, people_of(world, 2), double_click=1)
    assert report.behaviours == Counter(double_clicks=10, replays=10)
    assert report.judgments == Judgment.objects.count() == 10
    assert_complete(world, overlap=2)


@pytest.mark.django_db(transaction=True)
def test_two_tabs_work_on_current_and_spare_and_one_of_two_answers_is_kept(live_server: LiveServer) -> None:
    world = small_world(items=5, overlap=2, lease_seconds=60)
    report = simulate(live_server, world, people_of(world, 2), two_tabs=1)
    told = report.behaviours
    assert told["conflicts"] == told["two_tabs"] >= 6
    assert told["two_tabs"] + told["spares"] == report.judgments == Judgment.objects.count() == 10
    assert told["spares"] >= 2
    assert Lease.objects.count() == 10
    assert_complete(world, overlap=2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("protocol", "completions"),
    [
        ({"kind": "ranking"}, 2),
        ({"kind": "rating"}, 2),
        ({"kind": "critique", "criteria": ["Honest"]}, 1),
        ({"kind": "demonstration"}, 0),
    ],
)
def test_two_tabs_differ_in_every_kind(
    live_server: LiveServer, protocol: dict[str, Any], completions: int
) -> None:
    world = make_world(protocol)
    world.batch(items=2, overlap=1, completions=completions)
    report = run_simulation(
        live_server.url, world.project.slug, people_of(world, 1), {}, threads=1, habits=Habits(two_tabs=1)
    )
    assert report.behaviours["conflicts"] == report.behaviours["two_tabs"] >= 1
    assert_complete(world, overlap=1)


@pytest.mark.django_db(transaction=True)
def test_alternating_spam_counts_the_judgments_of_its_own_work(live_server: LiveServer) -> None:
    world = small_world(items=6, overlap=1, lease_seconds=60)
    report = simulate(live_server, world, people_of(world, 1, spam="alternating"))
    assert report.behaviours == Counter(spam=6)
    took_first = [
        (judgment.pairwise_answers.get().preference < 0) == (judgment.display_order[0] == 0)
        for judgment in Judgment.objects.order_by("id")
    ]
    assert took_first == [True, False] * 3


@pytest.mark.django_db(transaction=True)
def test_the_same_seeds_behave_alike_whatever_the_threads(live_server: LiveServer) -> None:
    """With an overlap of everybody the instance has no choice but the order."""
    stored, told = [], []
    for threads in (1, 3):
        world = small_world(items=5, overlap=2)
        people = people_of(world, 2)
        report = simulate(live_server, world, people, threads, abandon=0.25, come_back=0.5, double_click=0.3)
        assert_complete(world, overlap=2)
        answers = Judgment.objects.filter(batch__project=world.project).values_list(
            "annotator__user__name", "item__number", "pairwise_answers__preference", "active_seconds"
        )
        stored.append(set(answers))
        told.append(report.behaviours["abandoned"])
    assert len(stored[0]) == 10
    assert stored[0] == stored[1]
    assert told[0] == told[1] >= 1


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_what_a_hostile_population_did(live_server: LiveServer) -> None:
    world = small_world(items=8, overlap=2)
    told = StringIO()
    call_command(
        "simulate",
        world.project.slug,
        annotators=4,
        url=live_server.url,
        behaviour="hostile",
        seed=3,
        patience=30,
        two_tabs=0.5,
        stdout=told,
    )
    assert_complete(world, overlap=2)
    for behaviour in ("abandoned", "double clicks", "replays", "two tabs", "conflicts", "spam", "drifted"):
        assert f" {behaviour}" in told.getvalue()
    spam = Judgment.objects.filter(active_seconds__lt=2, state=Judgment.State.ACCEPTED)
    assert 1 <= spam.values("annotator").distinct().count() <= round(0.3 * 4)


@pytest.mark.django_db
def test_the_command_refuses_settings_outside_their_range() -> None:
    world = make_world()
    for options, message in [
        ({"abandon": 1.5}, "abandon is a share"),
        ({"spammers": -1}, "spammers is a share"),
        ({"drift": -2}, "drift lies"),
        ({"drift_judgments": 0}, "at least 1"),
        ({"patience": -1}, "patience_seconds starts"),
    ]:
        with pytest.raises(CommandError, match=message):
            call_command("simulate", world.project.slug, url="http://localhost:1", **options)


Answer = tuple[int, dict[str, str], Any]


@contextmanager
def server_that(answers: Callable[[str, dict[str, Any]], Answer]) -> Iterator[str]:
    """An instance that breaks its promises: `answers` (path, body) → (status, headers, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            status, headers, answer = answers(self.path, body)
            content = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


LEASE = {
    "assignment": 1,
    "attempt": 1,
    "submission_id": "00000000-0000-4000-8000-000000000001",
    "expires_at": "2999-01-01T00:00:00Z",
    "protocol": {
        "kind": "pairwise",
        "criteria": [{"key": "overall", "low": -3, "high": 3, "ties": True}],
    },
    "item": {
        "prompt": "Why?",
        "completions": [{"label": "A", "content": "one"}, {"label": "B", "content": "two"}],
    },
}


@pytest.mark.parametrize(
    ("habits", "message"),
    [
        (Habits(double_click=1), "sent twice at once"),
        (Habits(two_tabs=1), "two different answers"),
    ],
)
def test_an_instance_that_takes_everything_is_found_out(habits: Habits, message: str) -> None:
    """Two judgments for one double click, and two answers under one submission_id: both 201."""
    taken: list[int] = []

    def answers(path: str, body: dict[str, Any]) -> Answer:
        if path.endswith("/lease"):
            return (204, {"X-Reason": "batch_done"}, None) if taken else (200, {}, LEASE)
        taken.append(1)
        return 201, {}, {"judgment": len(taken), "submission_id": body["submission_id"], "state": "accepted"}

    people = {"ccd_token": SimulatedAnnotator(skill=1, seed=1)}
    with server_that(answers) as url, pytest.raises(SimulationError, match=message):
        run_simulation(url, "any", people, {}, habits=habits)
    assert len(taken) == 2


def test_a_reason_nobody_knows_ends_the_work_and_is_told() -> None:
    people = {"ccd_token": SimulatedAnnotator(skill=1, seed=1)}
    with server_that(lambda path, body: (204, {"X-Reason": "gone_fishing"}, None)) as url:
        report = run_simulation(url, "any", people, {}, habits=Habits(abandon=0.5))
    assert report.reasons == Counter(gone_fishing=1)
    assert report.behaviours == Counter()


def test_a_population_of_presets_has_its_spammers_and_keeps_its_seeds() -> None:
    careful = make_population(6, seed=2)
    assert [person.seed for person in careful] == [2_000_006 + index for index in range(6)]
    assert [round(person.skill, 2) for person in careful] == [0.9, 0.76, 0.62, 0.48, 0.34, 0.2]
    assert not any(person.spam or person.drift for person in careful)
