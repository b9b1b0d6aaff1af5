"""One turn of one person: ask for work, and answer it, or not, or twice, or in two tabs."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import httpx

from annotation.simulation.annotator import SimulatedAnnotator
from annotation.simulation.answers import Task, another_answer
from annotation.simulation.client import InstanceClient, SimulationError
from annotation.simulation.habits import Habits, happens
from annotation.simulation.report import Tally
from annotation.simulation.truth import Truth

PAUSE_SECONDS = 0.5
"""Between two questions of somebody who waits."""
MARGIN = timedelta(seconds=0.1)
"""How long after its expiry a lease is taken to be over."""
OVER = datetime.min.replace(tzinfo=UTC)
"""Expiry of an abandoned lease that was answered after all."""
NOTHING_LEFT = "nothing_left_for_you"
ONLY_MY_OWN = "only_my_abandoned_leases"
"""Our own reason to stop: the instance hands out again what this person walked away from."""

T = TypeVar("T")
Key = tuple[int, int]
"""(assignment, attempt): one lease."""


@dataclass
class Person:
    """One account at work; only one thread at a time takes turns for it."""

    token: str
    annotator: SimulatedAnnotator
    done: int = 0
    waited_seconds: float = 0.0
    was_sent_away: bool = False
    """Told that nothing is left, at a time when no abandoned lease ran any more."""
    abandoned: set[Key] = field(default_factory=set)
    abandoned_items: set[str] = field(default_factory=set)
    to_come_back_to: list[dict[str, Any]] = field(default_factory=list)


class Run:
    """What the turns of one simulation share."""

    def __init__(
        self,
        client: InstanceClient,
        project: str,
        batch: int | None,
        truth: Truth,
        habits: Habits,
        tally: Tally,
    ) -> None:
        self.client = client
        self.project = project
        self.batch = batch
        self.truth = truth
        self.habits = habits
        self.tally = tally
        self._lock = threading.Lock()
        self._abandoned: dict[Key, datetime] = {}
        """Every lease that was walked away from, with its expiry."""

    def take_turn(self, person: Person) -> float | None:
        """Seconds until this person's next turn; None when there is none."""
        asked_at = datetime.now(UTC)
        due = [lease for lease in person.to_come_back_to if expiry(lease) + MARGIN <= asked_at]
        if due:
            self._come_back(person, due[0])
            return 0.0
        two_tabs = happens(self.habits.two_tabs, person.annotator.seed, f"turn {person.done}", "two tabs")
        answers = at_once(
            [lambda: self.client.lease(person.token, self.project, self.batch)] * (1 + two_tabs)
        )
        leases = {key_of(lease): lease for lease, _ in answers if lease is not None}
        mine_again = [lease for key, lease in leases.items() if key in person.abandoned]
        fresh = [leases[key] for key in sorted(leases) if key not in person.abandoned]
        if not fresh:
            reason = ONLY_MY_OWN if mine_again else answers[0][1]
            return self._nothing(person, reason, mine_again, asked_at)
        person.waited_seconds = 0.0
        if person.was_sent_away:
            self.tally.count("sent_away_too_early")
            person.was_sent_away = False
        if two_tabs:
            self._answer_in_two_tabs(person, fresh)
        else:
            self._answer(person, fresh[0])
        return 0.0

    def _answer(self, person: Person, lease: dict[str, Any]) -> None:
        """Walk away, click twice, or simply submit."""
        item, seed = Task(lease).key, person.annotator.seed
        if item not in person.abandoned_items and happens(self.habits.abandon, seed, item, "abandon"):
            self._abandon(person, lease, item)
            return
        submission = self._submission(person, lease)
        if not happens(self.habits.double_click, seed, item, "double click"):
            stored = self.client.submit(person.token, lease["assignment"], submission)
            self._judged(person, lease, stored)
            return
        first, second = at_once(
            [lambda: self.client.post_judgment(person.token, lease["assignment"], submission)] * 2
        )
        replays = [first.status_code, second.status_code].count(httpx.codes.OK)
        if first.content != second.content or not replays:
            raise SimulationError(
                f"one submission, sent twice at once, got {first.status_code} {first.text[:200]} "
                f"and {second.status_code} {second.text[:200]}"
            )
        self.tally.count("double_clicks")
        self.tally.count("replays", replays)
        self._judged(person, lease, first.json())

    def _answer_in_two_tabs(self, person: Person, leases: Sequence[dict[str, Any]]) -> None:
        """Submit from both tabs at once; both answer the first lease, and differently.

        Which of these two is taken is a race, so here the seed does not say what is stored.
        """
        first = self._submission(person, leases[0])
        other = first | {"answer": another_answer(leases[0], first["answer"])}
        sent = [(leases[0], first), (leases[0], other)]
        sent += [(lease, self._submission(person, lease, ahead=1)) for lease in leases[1:]]
        answers = at_once(
            [partial(self._try_submit, person, lease, submission) for lease, submission in sent]
        )
        refused = [answer for answer in answers[:2] if isinstance(answer, SimulationError)]
        if [error.status for error in refused] != [httpx.codes.CONFLICT]:
            raise SimulationError(f"two different answers under one submission_id got {answers[:2]}")
        self.tally.count("two_tabs")
        self.tally.count("spares", len(leases) - 1)
        self.tally.count("conflicts")
        for (lease, _), answer in zip(sent, answers, strict=True):
            if not isinstance(answer, SimulationError):
                self._judged(person, lease, answer)
            elif lease is not leases[0]:
                raise answer

    def _try_submit(
        self, person: Person, lease: Mapping[str, Any], submission: Mapping[str, Any]
    ) -> dict[str, Any] | SimulationError:
        try:
            return self.client.submit(person.token, lease["assignment"], submission)
        except SimulationError as error:
            return error

    def _abandon(self, person: Person, lease: dict[str, Any], item: str) -> None:
        self.tally.count("abandoned")
        person.abandoned.add(key_of(lease))
        person.abandoned_items.add(item)
        if happens(self.habits.come_back, person.annotator.seed, item, "come back"):
            person.to_come_back_to.append(lease)
        with self._lock:
            self._abandoned[key_of(lease)] = expiry(lease)

    def _come_back(self, person: Person, lease: dict[str, Any]) -> None:
        """Answer an abandoned lease after all, most often too late; the answer is never refused."""
        person.to_come_back_to.remove(lease)
        person.was_sent_away = False
        stored = self.client.submit(person.token, lease["assignment"], self._submission(person, lease))
        with self._lock:
            self._abandoned[key_of(lease)] = OVER
        self.tally.count("came_back")
        self._judged(person, lease, stored)

    def _nothing(
        self, person: Person, reason: str, mine_again: Sequence[Mapping[str, Any]], asked_at: datetime
    ) -> float | None:
        """Wait for abandoned leases to run out, else come back to one's own, else stop."""
        blocked = bool(mine_again) or (reason == NOTHING_LEFT and self._still_running(asked_at))
        # Where leases were abandoned, "nothing left" is asked about once more: nothing can be free since.
        doubts = reason == NOTHING_LEFT and bool(self._abandoned) and not person.was_sent_away
        pause = PAUSE_SECONDS
        if mine_again:
            # Asking may extend a lease that one holds, so it is not asked for again before it has run out.
            until = max(expiry(lease) for lease in mine_again) + MARGIN
            pause = max((until - asked_at).total_seconds(), 0.0)
        if (blocked or doubts) and person.waited_seconds + pause <= self.habits.patience_seconds:
            person.was_sent_away = not blocked
            person.waited_seconds += pause
            self.tally.count("asked_again")
            return pause
        if person.to_come_back_to:
            self._come_back(person, person.to_come_back_to[0])
            return 0.0
        if blocked:
            self.tally.count("gave_up")
        self.tally.stopped(reason)
        return None

    def _still_running(self, now: datetime) -> bool:
        """Whether an abandoned lease may still hide work at `now`, the time of a question."""
        with self._lock:
            return any(expires_at > now - MARGIN for expires_at in self._abandoned.values())

    def _submission(self, person: Person, lease: Mapping[str, Any], ahead: int = 0) -> dict[str, Any]:
        known = self.truth.get(Task(lease).key)
        return person.annotator.submission(lease, known, person.done + ahead)

    def _judged(self, person: Person, lease: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        is_known = Task(lease).key in self.truth
        self.tally.judged(person.token, person.annotator, person.done, stored["state"], is_known)
        person.done += 1


def key_of(lease: Mapping[str, Any]) -> Key:
    return lease["assignment"], lease["attempt"]


def expiry(lease: Mapping[str, Any]) -> datetime:
    """When a lease runs out, by the instance's clock; a wrong clock here makes waiting longer or shorter."""
    return datetime.fromisoformat(lease["expires_at"])


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Answers of `calls`, which start together, each in a thread of its own."""
    if len(calls) == 1:
        return [calls[0]()]
    barrier = threading.Barrier(len(calls))

    def call(one: Callable[[], T]) -> T:
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(calls), thread_name_prefix="at-once") as pool:
        return list(pool.map(call, calls))
