"""Many simulated annotators at work: threads take turns for them until nothing is left."""

import itertools
import math
import queue
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from annotation.simulation.annotator import SimulatedAnnotator
from annotation.simulation.client import InstanceClient
from annotation.simulation.habits import CAREFUL, Habits
from annotation.simulation.report import SimulationReport, Tally
from annotation.simulation.truth import Truth
from annotation.simulation.turns import Person, Run


def run_simulation(
    base_url: str,
    project: str,
    annotators: Mapping[str, SimulatedAnnotator],
    truth: Truth,
    *,
    batch: int | None = None,
    threads: int = 2,
    judgments_max: int | None = None,
    habits: Habits = CAREFUL,
) -> SimulationReport:
    """Let `annotators` (API token → annotator) judge until none of them is given anything more.

    After each turn (one lease and what `habits` make of it) an annotator goes to the back of the queue, so
    that work spreads evenly, and `threads` turns happen at once. `judgments_max` stops everybody after about
    that many judgments (turns that have begun are finished). Raises SimulationError when the instance refuses
    what it should take, or takes what it should refuse.
    """
    tally = Tally()
    started = time.monotonic()
    if annotators:
        waiting = WaitingRoom([Person(token, annotator) for token, annotator in annotators.items()], threads)

        def work(run: Run) -> None:
            while (person := waiting.next()) is not None:
                try:
                    pause = run.take_turn(person)
                except BaseException:
                    waiting.leave()
                    raise
                if pause is None or (judgments_max is not None and tally.judgments >= judgments_max):
                    waiting.leave()
                else:
                    waiting.put(person, pause)

        with (
            InstanceClient(base_url, connections=3 * threads) as client,
            ThreadPoolExecutor(threads, thread_name_prefix="simulated") as pool,
        ):
            run = Run(client, project, batch, truth, habits, tally)
            workers = [pool.submit(work, run) for _ in range(threads)]
        for worker in workers:
            worker.result()
    return tally.report(time.monotonic() - started)


class WaitingRoom:
    """Who is next: first come, first served, and whoever waits comes when the pause is over."""

    def __init__(self, people: list[Person], threads: int) -> None:
        self._queue: queue.PriorityQueue[tuple[float, int, Person | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._present = len(people)
        self._threads = threads
        for person in people:
            self._add(0.0, person)

    def next(self) -> Person | None:
        """The next person, when they are ready; None once everybody has left."""
        ready_at, _, person = self._queue.get()
        if person is not None:
            # Whoever puts somebody in who is ready sooner takes the next turn itself, so nobody is held up.
            time.sleep(max(ready_at - time.monotonic(), 0.0))
        return person

    def put(self, person: Person, pause_seconds: float) -> None:
        self._add(time.monotonic() + pause_seconds if pause_seconds else 0.0, person)

    def leave(self) -> None:
        """Count one person out; the last one tells every thread to end."""
        with self._lock:
            self._present -= 1
            if self._present == 0:
                for _ in range(self._threads):
                    self._add(math.inf, None)

    def _add(self, ready_at: float, person: Person | None) -> None:
        self._queue.put((ready_at, next(self._numbers), person))
