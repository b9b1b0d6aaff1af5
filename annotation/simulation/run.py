"""Many simulated annotators at work: threads take turns for them until nothing is left."""

import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from annotation.simulation.annotator import SimulatedAnnotator, Task
from annotation.simulation.client import InstanceClient
from annotation.simulation.truth import Truth


@dataclass
class SimulationReport:
    """What was done. `states` counts accepted, late and released; `reasons` why annotators stopped."""

    by_annotator: Counter[str] = field(default_factory=Counter)
    """Token → judgments."""
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    without_truth: int = 0
    """Judgments of items that nobody told the truth about; they were made at random."""
    seconds: float = 0.0

    @property
    def judgments(self) -> int:
        return self.by_annotator.total()


def run_simulation(
    base_url: str,
    project: str,
    annotators: Mapping[str, SimulatedAnnotator],
    truth: Truth,
    *,
    batch: int | None = None,
    threads: int = 2,
    judgments_max: int | None = None,
) -> SimulationReport:
    """Let `annotators` (API token → annotator) judge until none of them is given anything more.

    Each turn is one lease and one submit; between turns an annotator goes to the back of the queue, so that
    work spreads evenly, and `threads` turns happen at once. `judgments_max` stops everybody after about that
    many judgments (turns that have begun are finished). Raises SimulationError when the instance refuses.
    """
    report = SimulationReport()
    lock = threading.Lock()
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    for token in annotators:
        waiting.put(token)
    active = len(annotators)
    started = time.monotonic()

    def leave() -> None:
        """Count one annotator out; the last one tells every thread to end."""
        nonlocal active
        with lock:
            active -= 1
            if active == 0:
                for _ in range(threads):
                    waiting.put(None)

    def work(client: InstanceClient) -> None:
        while (token := waiting.get()) is not None:
            try:
                goes_on = take_turn(
                    client,
                    project,
                    token,
                    annotators[token],
                    truth,
                    batch,
                    report,
                    lock,
                )
                with lock:
                    goes_on = goes_on and (judgments_max is None or report.judgments < judgments_max)
            except BaseException:
                leave()
                raise
            if goes_on:
                waiting.put(token)
            else:
                leave()

    if annotators:
        with (
            InstanceClient(base_url, connections=threads) as client,
            ThreadPoolExecutor(threads, thread_name_prefix="simulated") as pool,
        ):
            workers = [pool.submit(work, client) for _ in range(threads)]
        for worker in workers:
            worker.result()
    report.seconds = time.monotonic() - started
    return report


def take_turn(
    client: InstanceClient,
    project: str,
    token: str,
    annotator: SimulatedAnnotator,
    truth: Truth,
    batch: int | None,
    report: SimulationReport,
    lock: threading.Lock,
) -> bool:
    """Lease, judge, submit; False when there was nothing to lease.

    The place for behaviour between lease and submit: walking away, clicking twice, a second tab.
    """
    lease, reason = client.lease(token, project, batch)
    if lease is None:
        with lock:
            report.reasons[reason] += 1
        return False
    known = truth.get(Task(lease).key)
    stored = client.submit(token, lease["assignment"], annotator.submission(lease, known))
    with lock:
        report.by_annotator[token] += 1
        report.states[stored["state"]] += 1
        report.without_truth += known is None
    return True
