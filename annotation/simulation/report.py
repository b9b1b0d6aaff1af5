"""What a simulation did, counted while it runs and handed out once it is over."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from annotation.simulation.annotator import SimulatedAnnotator


@dataclass(frozen=True)
class SimulationReport:
    """What was done. `states` counts accepted, late and released; `reasons` why annotators stopped.

    `behaviours` counts
    abandoned (leases), came_back (abandoned leases that were answered after all), asked_again (after waiting),
    gave_up (people whose patience ended while abandoned leases still ran),
    sent_away_too_early (told that nothing is left though the next question got work; should be 0),
    double_clicks, replays (second answers to them that were the first one again),
    two_tabs (turns), spares (second leases of such turns), conflicts (other answers that were refused),
    spam and drifted (judgments made without reading, or with a skill that has changed).
    """

    by_annotator: Counter[str] = field(default_factory=Counter)
    """Token → judgments."""
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    behaviours: Counter[str] = field(default_factory=Counter)
    without_truth: int = 0
    """Judgments of items that nobody told the truth about; they were made at random."""
    seconds: float = 0.0

    @property
    def judgments(self) -> int:
        return self.by_annotator.total()


class Tally:
    """Counts that many threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_annotator: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._behaviours: Counter[str] = Counter()
        self._without_truth = 0

    @property
    def judgments(self) -> int:
        with self._lock:
            return self._by_annotator.total()

    def judged(
        self, token: str, annotator: SimulatedAnnotator, done: int, state: str, is_known: bool
    ) -> None:
        """Count one stored judgment, the annotator's number `done` + 1."""
        with self._lock:
            self._by_annotator[token] += 1
            self._states[state] += 1
            self._without_truth += not is_known
            if annotator.spam:
                self._behaviours["spam"] += 1
            elif annotator.skill_after(done) != annotator.skill:
                self._behaviours["drifted"] += 1

    def stopped(self, reason: str) -> None:
        with self._lock:
            self._reasons[reason] += 1

    def count(self, behaviour: str, number: int = 1) -> None:
        with self._lock:
            self._behaviours[behaviour] += number

    def report(self, seconds: float) -> SimulationReport:
        with self._lock:
            return SimulationReport(
                by_annotator=Counter(self._by_annotator),
                states=Counter(self._states),
                reasons=Counter(self._reasons),
                behaviours=+self._behaviours,
                without_truth=self._without_truth,
                seconds=seconds,
            )
