"""People go away in the middle: their slots are freed, what they send later is kept, and the batch completes."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.calls import Caller
from tests.faults.load import Load
from tests.faults.oracle import Findings, compare, eligible
from tests.faults.running import Running, Workplace, seconds_since, wait_for
from tests.faults.scale import scaled

SWEPT_SECONDS = 60.0
"""How long after its end a lease may be found by `check_invariants` (I7); the sweep comes every ten seconds."""


def lease(caller: Caller, place: Workplace) -> dict[str, Any]:
    found: dict[str, Any] = caller.must(f"/projects/{place.project}/lease", {"batch": place.batch})
    return found


def submit(caller: Caller, held: dict[str, Any]) -> dict[str, Any]:
    body = {
        "submission_id": held["submission_id"],
        "attempt": held["attempt"],
        "answer": {"preferred": "A", "strength": 1},
        "active_seconds": 3,
    }
    answer = caller.call("POST", f"/assignments/{held['assignment']}/judgments", json.dumps(body).encode())
    assert answer.status == 201, answer.body
    stored: dict[str, Any] = json.loads(answer.body)
    return stored


SLOT = "(SELECT assignment_id FROM annotation_lease WHERE submission_id = %s)"


def end_lease(running: Running, held: dict[str, Any]) -> None:
    """The clock goes forward for this lease: it ran out a second ago."""
    running.sql(
        "UPDATE annotation_assignment SET expires_at = clock_timestamp() - interval '1 second'"
        f" WHERE id = {SLOT}",
        held["submission_id"],
    )


def slot_state(running: Running, held: dict[str, Any]) -> str:
    return str(
        running.sql(f"SELECT state FROM annotation_assignment WHERE id = {SLOT}", held["submission_id"])[0][0]
    )


def is_open(running: Running, held: dict[str, Any]) -> bool:
    return slot_state(running, held) == "open"


def test_a_lease_that_ends_frees_its_slot_and_the_late_answer_is_kept(running: Running) -> None:
    """Four people with an item each: one is replaced before answering late, one is not, one was too slow, and
    one, the control, still has time."""
    place = running.workplace(items=4, overlap=1, annotators=5)
    callers = [Caller(running.url, token) for token in place.tokens]
    replaced, free, held_by_other, in_time = (lease(caller, place) for caller in callers[:4])
    for ended in (replaced, free, held_by_other):
        end_lease(running, ended)
    start = time.monotonic()
    for ended in (replaced, free, held_by_other):
        wait_for("swept slot", partial(is_open, running, ended), seconds=SWEPT_SECONDS)
    freed = seconds_since(start)
    assert slot_state(running, in_time) == "leased", "the sweep frees only what ran out"

    taken_over = [lease(callers[4], place), lease(callers[4], place)]
    first_two = sorted([replaced, free, held_by_other], key=lambda h: slot_of(running, h))[:2]
    assert [slot_of(running, h) for h in taken_over] == [slot_of(running, h) for h in first_two]
    assert submit(callers[4], taken_over[0])["state"] == "accepted"
    states = {
        words: submit(caller, held)["state"]
        for words, caller, held in (
            ("the slot was filled meanwhile", callers[0], replaced),
            ("somebody holds it", callers[1], free),
            ("it is open", callers[2], held_by_other),
            ("in time", callers[3], in_time),
        )
    }
    for caller in callers:
        caller.close()
    kept = running.sql(
        "SELECT j.state, count(*) FROM annotation_judgment j JOIN annotation_batch b ON b.id = j.batch_id"
        " JOIN annotation_project p ON p.id = b.project_id WHERE p.slug = %s GROUP BY 1 ORDER BY 1",
        place.project,
    )
    print(f"\n[lease ends] freed {freed:.1f} s after the lease at most; answers told {states}; kept {kept}")
    assert list(states.values()) == ["late", "late", "accepted", "accepted"]
    assert kept == [("accepted", 3), ("late", 2)]
    assert running.broken_invariants() == []


def slot_of(running: Running, held: dict[str, Any]) -> int:
    return int(running.sql(f"SELECT {SLOT}", held["submission_id"])[0][0])


ANNOTATORS, OVERLAP = scaled(20, 60), 3
ITEMS = scaled(30, 3000)


class Witness:
    """Asks the database behind the server's back, whenever it says there is no work, whether that is so.

    A slot that was eligible when a person asked again, and still is after the next refusal, was hidden from them.
    """

    def __init__(self, database_url: str, project: str) -> None:
        self._where = (database_url, project)
        self._before: dict[str, set[tuple[int, int]]] = {}
        self.refusals = 0
        self.hidden = 0

    def __call__(self, token: str) -> bool:
        now = eligible(self._where[0], token=token, project=self._where[1])
        before = self._before.get(token)
        self._before[token] = now
        if before is None:
            return True
        self.refusals += 1
        self.hidden += len(before & now)
        return False


def test_a_third_walks_away_and_the_batch_still_completes(running: Running, tmp_path: Path) -> None:
    """Until the leases end, and this is the control, exactly the abandoned slots are missing."""
    place = running.workplace(items=ITEMS, overlap=OVERLAP, annotators=ANNOTATORS)
    log = tmp_path / "acknowledged"

    def leaves(number: int) -> bool:
        return number % 10 < 3

    gone = sum(map(leaves, range(ANNOTATORS)))
    witness = Witness(running.superuser_url, place.project)
    with Load(running.url, place, log, leaves=leaves, on_nothing=witness):
        pass
    before = compare(running.superuser_url, log, project=place.project)
    running.sql(
        "UPDATE annotation_assignment a SET expires_at = clock_timestamp() - interval '1 second'"
        " FROM annotation_batch b, annotation_project p"
        " WHERE a.state = 'leased' AND b.id = a.batch_id AND p.id = b.project_id AND p.slug = %s",
        place.project,
    )
    staying = Workplace(
        place.project,
        place.batch,
        place.items,
        place.overlap,
        [token for number, token in enumerate(place.tokens) if not leaves(number)],
    )
    second = Witness(running.superuser_url, place.project)
    with Load(running.url, staying, log, seed=1, on_nothing=second):
        pass
    after = compare(running.superuser_url, log, project=place.project)
    exact = running.sql(
        "SELECT count(*) FROM (SELECT j.item_id FROM annotation_judgment j"
        " JOIN annotation_batch b ON b.id = j.batch_id JOIN annotation_project p ON p.id = b.project_id"
        " WHERE p.slug = %s AND j.state = 'accepted' AND j.supersedes_id IS NULL"
        " GROUP BY j.item_id HAVING count(*) = %s) AS t",
        place.project,
        OVERLAP,
    )[0][0]
    print(
        f"\n[abandoned] {gone} of {ANNOTATORS} walk away with a lease: {before.acknowledged} of {ITEMS * OVERLAP}"
        f" judged until the leases ended, {after.acknowledged} after; {exact} of {ITEMS} items exactly at"
        f" {OVERLAP}; 'no work' said {witness.refusals + second.refusals} times,"
        f" {witness.hidden + second.hidden} eligible slots hidden"
    )
    assert before.acknowledged == ITEMS * OVERLAP - gone
    assert after == Findings(ITEMS * OVERLAP, lost=0, doubled=0, surplus=0)
    assert exact == ITEMS
    assert (witness.hidden, second.hidden) == (0, 0) and witness.refusals > 0
    assert running.broken_invariants() == []
