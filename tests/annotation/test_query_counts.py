"""How many SQL statements a request takes, as checked-in numbers (query_counts.json).

A number changes only on purpose, and its change is seen in review. Counted over HTTP, sign-in and access included;
a transaction's own words (BEGIN, SAVEPOINT, …) are not. What a
connection prepares and a process keeps is there before: every case runs once uncounted.
"""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.api.work import protocol_json
from annotation.models import Assignment, Batch, Exclusion, Lease, PoolPlace
from annotation.services import judgments
from annotation.services.overlap import set_priorities
from annotation.services.returning import sweep_leases
from tests.annotation.browsing import signed_in
from tests.annotation.engine.people import add_gold, training_batch
from tests.annotation.test_api_work import Api
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

COUNTS = Path(__file__).with_name("query_counts.json")
UPDATING = "CONCORD_UPDATE_QUERY_COUNTS"
HOW_TO_UPDATE = f"{UPDATING}=1 .venv/bin/python -m pytest -n 0 tests/annotation/test_query_counts.py"
LEASE_MAX, SUBMIT_MAX = 6, 8
SMALL, LARGE = 3, 60
NEARLY_ALWAYS = 1 - 1e-9
REPEATED_AFTER = 10
NOT_COUNTED = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT")
PREFERRED = {"preferred": "A", "strength": 2}
HTMX = {"HX-Request": "true"}


class Desk:
    """One annotator at work, with a script and a browser."""

    def __init__(self, world: World, batch: Batch) -> None:
        self.world, self.batch = world, batch
        self.slug = world.project.slug
        self.annotator = world.member()
        self.api = Api(world.token(self.annotator.user))
        self.browser = signed_in(self.annotator.user)

    def ask(self) -> Any:
        return self.api.post(f"/projects/{self.slug}/lease")

    def lease(self, purpose: str = "work") -> dict[str, Any]:
        body: dict[str, Any] = self.ask().json()
        assert slot_of(body).purpose == purpose
        return body

    def send(self, lease: dict[str, Any]) -> Any:
        body = {"submission_id": lease["submission_id"], "attempt": lease["attempt"], "answer": PREFERRED}
        return self.api.post(f"/assignments/{lease['assignment']}/judgments", body)

    def judge(self) -> dict[str, Any]:
        """Lease and submit one item; the answer's acknowledgement."""
        response = self.send(self.lease())
        assert response.status_code == 201, response.content
        body: dict[str, Any] = response.json()
        return body


def slot_of(lease: dict[str, Any]) -> Assignment:
    return Lease.objects.select_related("assignment").get(public_id=lease["assignment"]).assignment


def desk_with(items: int, **fields: Any) -> Desk:
    """A desk in a new world with one batch."""
    world = make_world()
    world.now = timezone.now()
    batch = world.batch(items, **fields)
    protocol_json(batch.protocol_id)  # kept by a process from the first request on
    return Desk(world, batch)


def gold_desk(items: int) -> Desk:
    desk = desk_with(items, gold_share=NEARLY_ALWAYS)
    add_gold(desk.world, desk.batch)
    return desk


def training_desk(items: int) -> Desk:
    desk = desk_with(1)
    training_batch(desk.world, items)
    return desk


# What is counted. A case makes a world with a batch of so many items and answers a call, and what is so once the
# call has answered: a count of a request that went wrong is worth nothing.

Call = Callable[[], Any]
Check = Callable[[Any], bool]
Case = Callable[[int], tuple[Call, Check]]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def note(function: Case) -> Case:
        CASES[name] = function
        return function

    return note


def leased(purpose: str) -> Check:
    return lambda response: response.status_code == 200 and slot_of(response.json()).purpose == purpose


def submitted(state: str, status: int = 201) -> Check:
    return lambda response: (response.status_code, response.json()["state"]) == (status, state)


@case("lease: work")
def lease_work(items: int) -> tuple[Call, Check]:
    return desk_with(items).ask, leased("work")


@case("lease: gold")
def lease_gold(items: int) -> tuple[Call, Check]:
    return gold_desk(items).ask, leased("gold")


@case("lease: repeat")
def lease_repeat(items: int) -> tuple[Call, Check]:
    desk = desk_with(items + REPEATED_AFTER)
    for _ in range(REPEATED_AFTER + 1):
        desk.judge()
    Batch.objects.filter(pk=desk.batch.pk).update(repeat_share=NEARLY_ALWAYS)
    return desk.ask, leased("repeat")


@case("lease: training")
def lease_training(items: int) -> tuple[Call, Check]:
    return training_desk(items).ask, leased("training")


@case("lease: held again")
def lease_held_again(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    first, _ = desk.lease(), desk.lease()
    return desk.ask, lambda response: response.json()["assignment"] == first["assignment"]


@case("lease: nothing left")
def lease_nothing_left(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    Exclusion.objects.bulk_create(
        Exclusion(item=item, annotator=desk.annotator, reason="skipped", created_at=desk.world.now)
        for item in desk.batch.items.all()
    )
    return desk.ask, lambda response: response["X-Reason"] == "nothing_left_for_you"


@case("submit: work")
def submit_work(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease = desk.lease()
    return lambda: desk.send(lease), submitted("accepted")


@case("submit: work, and the person's place moves")
def submit_work_from_afar(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease = desk.lease()

    def send() -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(judgments, "PLACE_EVERY", 1)
            return desk.send(lease)

    return (
        send,
        lambda response: (
            submitted("accepted")(response) and PoolPlace.objects.get(annotator=desk.annotator).position > 0
        ),
    )


@case("submit: gold")
def submit_gold(items: int) -> tuple[Call, Check]:
    desk = gold_desk(items)
    lease = desk.lease("gold")
    return lambda: desk.send(lease), submitted("accepted")


@case("submit: training")
def submit_training(items: int) -> tuple[Call, Check]:
    desk = training_desk(items)
    lease = desk.lease("training")
    return lambda: desk.send(lease), lambda response: "feedback" in response.json()


def expired(items: int) -> tuple[Desk, dict[str, Any]]:
    """A lease that ran out and was swept. Its slot is the only one of the item."""
    desk = desk_with(items, overlap=1)
    lease = desk.lease()
    assert sweep_leases(timezone.now() + timedelta(days=1)) == 1
    return desk, lease


@case("submit: after the lease ran out, slot open")
def submit_into_the_open_slot(items: int) -> tuple[Call, Check]:
    desk, lease = expired(items)
    return lambda: desk.send(lease), submitted("accepted")


@case("submit: late")
def submit_late(items: int) -> tuple[Call, Check]:
    desk, lease = expired(items)
    item = slot_of(lease).item_id
    set_priorities(batch=desk.batch, priorities={item: 1}, actor=desk.world.lead, now=desk.world.now)
    other = Desk(desk.world, desk.batch)
    other.judge()
    return lambda: desk.send(lease), submitted("late")


@case("submit: replay")
def submit_replay(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease = desk.lease()
    desk.send(lease)
    return lambda: desk.send(lease), submitted("accepted", status=200)


@case("submit: last of an item, sequential, one more wanted")
def submit_last_of_an_item(items: int) -> tuple[Call, Check]:
    desk = desk_with(items, overlap=1, overlap_policy="sequential", overlap_max=4)
    lease = desk.lease()
    return lambda: desk.send(lease), lambda _: Assignment.objects.filter(
        item=slot_of(lease).item_id, state="open"
    ).exists()


@case("submit: cannot judge")
def submit_cannot_judge(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease = desk.lease()
    body = {"submission_id": lease["submission_id"], "attempt": 1, "answer": {"cannot_judge": "expertise"}}
    path = f"/assignments/{lease['assignment']}/judgments"
    return lambda: desk.api.post(path, body), submitted("released")


@case("extend")
def extend(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    path = f"/assignments/{desk.lease()['assignment']}/extend"
    return lambda: desk.api.post(path), lambda response: "expires_at" in response.json()


@case("release")
def release(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease = desk.lease()
    path = f"/assignments/{lease['assignment']}/release"
    return lambda: desk.api.post(path, {"reason": "skipped"}), lambda _: slot_of(lease).state == "open"


@case("undo")
def undo(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    path = f"/judgments/{desk.judge()['judgment']}/undo"
    return lambda: desk.api.post(path), lambda response: response.json()["answer"] == PREFERRED


@case("correction")
def correction(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    judgment = desk.judge()["judgment"]
    undo = desk.api.post(f"/judgments/{judgment}/undo").json()
    answer = {"preferred": "B", "strength": 3}
    body = {"submission_id": undo["submission_id"], "attempt": undo["attempt"], "answer": answer}
    return lambda: desk.api.post(f"/judgments/{judgment}/corrections", body), submitted("accepted")


def page(items: int, **headers: str) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease = desk.lease()
    return (
        lambda: desk.browser.get(f"/assignments/{lease['assignment']}", headers=headers),
        lambda response: lease["submission_id"] in response.content.decode(),
    )


def posted(items: int, **headers: str) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease = desk.lease()
    form = {"submission_id": lease["submission_id"], "attempt": lease["attempt"], "q-overall": "-2"}
    return (
        lambda: desk.browser.post(f"/assignments/{lease['assignment']}/judgments", form, headers=headers),
        lambda response: (
            slot_of(lease).state == "submitted"
            and response.status_code == (200 if headers else 303)
            and desk.annotator.leases.count() == 2
        ),
    )


@case("page: GET assignment")
def get_page(items: int) -> tuple[Call, Check]:
    return page(items)


@case("page: GET assignment, htmx")
def get_fragment(items: int) -> tuple[Call, Check]:
    return page(items, **HTMX)


@case("page: POST judgments and the next lease")
def post_page(items: int) -> tuple[Call, Check]:
    return posted(items)


@case("page: POST judgments and the next item, htmx")
def post_fragment(items: int) -> tuple[Call, Check]:
    return posted(items, **HTMX)


@case("page: POST judgments and the next spare, script")
def post_refill(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    lease, spare = desk.lease(), desk.lease()
    form = {"submission_id": lease["submission_id"], "attempt": lease["attempt"], "q-overall": "-2"}
    headers = HTMX | {"X-Showing": str(spare["assignment"])}
    return (
        lambda: desk.browser.post(f"/assignments/{lease['assignment']}/judgments", form, headers=headers),
        lambda response: 'id="spare"' in response.content.decode() and desk.annotator.leases.count() == 3,
    )


@case("page: POST spare")
def post_spare(items: int) -> tuple[Call, Check]:
    desk = desk_with(items)
    form = {"showing": desk.lease()["assignment"], "kind": "pairwise"}
    return (
        lambda: desk.browser.post(f"/projects/{desk.slug}/spare", form, headers=HTMX),
        lambda response: 'id="spare"' in response.content.decode() and desk.annotator.leases.count() == 2,
    )


# Counting


def statements(name: str, items: int) -> list[str]:
    """The statements of one call. Fails the test when the call did not do what it is counted for."""
    call, is_done = CASES[name](items)
    with CaptureQueriesContext(connection) as queries:
        response = call()
    assert is_done(response), (name, response.status_code, response.content[:300])
    sent = [query["sql"] for query in queries.captured_queries]
    return [sql for sql in sent if not sql.startswith(NOT_COUNTED)]


def known_counts() -> dict[str, int]:
    found: dict[str, int] = json.loads(COUNTS.read_text())
    return found


def update(name: str, count: int) -> None:
    counts = known_counts() | {name: count}
    ordered = {name: counts[name] for name in CASES if name in counts}
    COUNTS.write_text(json.dumps(ordered, indent=2) + "\n")


@pytest.mark.parametrize("name", CASES)
def test_a_request_takes_as_many_statements_as_written_down(name: str) -> None:
    statements(name, SMALL)
    small, large = statements(name, SMALL), statements(name, LARGE)
    assert len(small) == len(large), f"{name}: {SMALL} items {small}, {LARGE} items {large}"
    if os.environ.get(UPDATING):
        update(name, len(small))
    listed = "\n".join(sql[:160] for sql in small)
    assert known_counts().get(name) == len(small), (
        f"{name} takes {len(small)} statements:\n{listed}\nIf that is meant: {HOW_TO_UPDATE}"
    )


def test_nothing_is_written_down_that_is_not_counted() -> None:
    assert list(known_counts()) == list(CASES)


@pytest.mark.parametrize("name", ["lease: work", "lease: gold", "lease: repeat"])
def test_a_lease_takes_at_most_six_statements(name: str) -> None:
    assert known_counts()[name] <= LEASE_MAX


@pytest.mark.parametrize(
    "name", ["submit: work", "submit: work, and the person's place moves", "submit: gold"]
)
def test_a_submit_takes_at_most_eight_statements(name: str) -> None:
    assert known_counts()[name] <= SUBMIT_MAX
