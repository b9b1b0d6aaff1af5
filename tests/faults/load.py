"""Annotators at work over HTTP: each leases, answers, and sends the same again until an answer arrives.

Every acknowledged submission goes to a log before the next one begins, so that whatever happens to the
instance, the log holds what it has promised.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.faults.calls import Answer, Caller, Lost
from tests.faults.running import Workplace, wait_for

TRANSIENT = {429, 502, 503, 504}
PAUSE_SECONDS = 0.05
"""Between two tries. Shorter than Retry-After asks for: what is measured is the server's recovery."""
GIVE_UP_SECONDS = 120.0


@dataclass(frozen=True)
class Acknowledged:
    """A submission the server said it had stored."""

    token: str
    assignment: int
    request: dict[str, Any]
    status: int
    answer: bytes
    at: float
    """Monotonic seconds."""

    @property
    def submission_id(self) -> str:
        return str(self.request["submission_id"])


@dataclass
class Load:
    """Threads, one for each token, that work on one batch until it is done, `enough` were taken, or `stop`.

    `leaves` says of an annotator, by number, whether they go away with their first lease. `on_nothing` gets the
    token of whom the server told that there is no work, and says whether they ask again.
    """

    url: str
    place: Workplace
    log: Path
    enough: int | None = None
    seed: int = 0
    leaves: Callable[[int], bool] = lambda number: False
    on_nothing: Callable[[str], bool] = lambda token: False

    acknowledged: list[Acknowledged] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lost_answers: int = 0
    refusals: list[bytes] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._barrier = threading.Barrier(len(self.place.tokens))
        self._people: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._file = self.log.open("a", encoding="utf-8")
        self._pool = ThreadPoolExecutor(len(self.place.tokens), thread_name_prefix="annotator")
        self._people = [
            self._pool.submit(self._work, number, token) for number, token in enumerate(self.place.tokens)
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stop.set()
        self._pool.shutdown()
        self._file.close()
        if error is None:
            for person in self._people:
                person.result()

    def stop(self) -> None:
        """Let every annotator finish what is under way. Leaving the `with` waits for them."""
        self._stop.set()

    @property
    def is_over(self) -> bool:
        return all(person.done() for person in self._people)

    def wait_until(self, count: int) -> None:
        """Return once `count` submissions are acknowledged, or everybody has stopped."""
        wait_for(
            f"{count} acknowledged", lambda: len(self.acknowledged) >= count or self.is_over, seconds=3600
        )

    def recovered(self, since: float) -> float:
        """Seconds from `since` to the first submission that was sent and acknowledged after it."""
        seen = len(self.acknowledged)

        def first() -> float | None:
            later = [one.at for one in self.acknowledged[max(0, seen - 100) :] if one.at > since]
            return min(later) - since if later else None

        return wait_for("acknowledged submission after the fault", first)

    def _work(self, number: int, token: str) -> None:
        draw = random.Random(f"{self.seed} {number}")
        ended_well = False
        try:
            with Caller(self.url, token) as caller:
                self._barrier.wait(timeout=60)
                while not self._stop.is_set() and self._one(caller, number, token, draw):
                    pass
            ended_well = True
        finally:
            if not ended_well:
                self._stop.set()

    def _one(self, caller: Caller, number: int, token: str, draw: random.Random) -> bool:
        """Lease and answer once; False when there is nothing to do."""
        wanted = json.dumps({"batch": self.place.batch}).encode()
        answer = self.persist(caller, f"/projects/{self.place.project}/lease", wanted)
        if answer is None:
            return False
        if answer.status == 204:
            reason = answer.headers.get("x-reason", "")
            with self._lock:
                self.reasons[reason] += 1
            return self.on_nothing(token)
        if answer.status != 200:
            self.refusals.append(answer.body)
            return False
        lease = json.loads(answer.body)
        if self.leaves(number):
            return False
        request = {
            "submission_id": lease["submission_id"],
            "attempt": lease["attempt"],
            "answer": {"preferred": draw.choice("AB"), "strength": draw.randint(1, 3)},
            "active_seconds": 3,
        }
        self.submit(caller, token, lease["assignment"], request)
        return self.enough is None or len(self.acknowledged) < self.enough

    def submit(self, caller: Caller, token: str, assignment: int, request: dict[str, Any]) -> None:
        """Send one answer until it is acknowledged, and note that."""
        body = json.dumps(request).encode()
        answer = self.persist(caller, f"/assignments/{assignment}/judgments", body)
        if answer is None:
            return
        if answer.status not in (200, 201):
            self.refusals.append(answer.body)
            return
        done = Acknowledged(token, assignment, request, answer.status, answer.body, time.monotonic())
        line = {"assignment": assignment, "request": request, "answer": answer.body.decode()}
        with self._lock:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
            self.acknowledged.append(done)

    def persist(self, caller: Caller, path: str, body: bytes) -> Answer | None:
        """POST again and again until there is an answer that says yes or no. None when the load was stopped
        before: the call may then have been carried out without anybody knowing."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                answer = caller.call("POST", path, body)
            except Lost:
                with self._lock:
                    self.lost_answers += 1
            else:
                with self._lock:
                    self.statuses[answer.status] += 1
                if answer.status not in TRANSIENT:
                    return answer
            if self._stop.is_set():
                return None
            if time.monotonic() > deadline:
                raise AssertionError(f"{path}: no answer for {GIVE_UP_SECONDS:.0f} s")
            time.sleep(PAUSE_SECONDS)
