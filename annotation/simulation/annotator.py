"""One simulated annotator: what they answer to a lease, given what is right.

What they perceive of a completion is `skill` × truth + (1 − skill) × chance, plus their leanings. Chance is
drawn from (seed, item, completion), so it depends neither on the order on the screen nor on the order of
work, and two annotators with different seeds err independently. Two things do depend on the order of work,
namely on how many judgments came before: drifting skill and the alternating style of spam.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from annotation.simulation.answers import ANSWERS, Screen, Task
from annotation.simulation.truth import ItemTruth

CHANCE_SPREAD = 0.3
"""Standard deviation of perceived quality without any skill, as a share of the scale."""
SHARED_PART = 0.8
"""How much of the error on a criterion is the general impression of that completion (a halo)."""
WORDS_PER_SECOND = 4.0
SPAM_SECONDS = (0.4, 1.5)
"""Between these somebody clicks who does not read."""
DRIFT_JUDGMENTS = 100

SpamStyle = Literal["same", "random", "alternating"]
SPAM_STYLES: tuple[SpamStyle, ...] = get_args(SpamStyle)


@dataclass(frozen=True)
class SimulatedAnnotator:
    """`skill` 1: always right; 0: at random.

    `position_bias` is added to what stands first on the screen, `length_bias` to what is longer (taken off
    what is shorter); both are shares of the scale, 0 for none, negative for the opposite leaning.

    `drift` is added to the skill bit by bit over the first `drift_judgments` judgments and stays; the sum is
    cut to [0, 1]. Who has a style of `spam` reads nothing: "same" presses the same buttons in every task,
    "random" any, "alternating" favours each place on the screen in turn.
    """

    skill: float
    seed: int
    position_bias: float = 0.0
    length_bias: float = 0.0
    drift: float = 0.0
    drift_judgments: int = DRIFT_JUDGMENTS
    spam: SpamStyle | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.skill <= 1:
            raise ValueError(f"skill lies between 0 and 1, not at {self.skill}")
        if not -1 <= self.drift <= 1:
            raise ValueError(f"drift lies between -1 and 1, not at {self.drift}")
        if self.drift_judgments < 1:
            raise ValueError(f"drift takes at least 1 judgment, not {self.drift_judgments}")
        if self.spam is not None and self.spam not in SPAM_STYLES:
            raise ValueError(f"the styles of spam are {', '.join(SPAM_STYLES)}, not {self.spam!r}")

    def skill_after(self, done: int) -> float:
        """Skill in [0, 1] after `done` judgments."""
        return min(max(self.skill + self.drift * min(done / self.drift_judgments, 1.0), 0.0), 1.0)

    def submission(self, lease: Mapping[str, Any], truth: ItemTruth | None, done: int = 0) -> dict[str, Any]:
        """The body of POST /assignments/{id}/judgments for a lease, as this person's judgment number `done` + 1.

        Raises KeyError for an unknown kind.
        """
        task = Task(lease)
        rng = self.manner(task.key)
        perceived = {c["key"]: self.perceived(task.screen, c["key"], truth, done) for c in task.criteria}
        answer = ANSWERS[lease["protocol"]["kind"]](task, perceived, truth, rng)
        spread = max(perceived["overall"], default=0.0) - min(perceived["overall"], default=0.0)
        return {
            "submission_id": lease["submission_id"],
            "attempt": lease["attempt"],
            "answer": answer,
            "active_seconds": self.active_seconds(task.words, rng),
            "confidence": 3 if spread > 0.5 else 2 if spread > 0.2 else 1,
            "read_to_end": [] if self.spam else task.labels,
        }

    def manner(self, item: str) -> random.Random:
        """Chance in how an item is answered, apart from what is perceived of it."""
        return random.Random(f"{self.seed}|{item}|manner")

    def active_seconds(self, words: int, rng: random.Random) -> float:
        """A made-up reading time, so that pages have something to show; nobody waits for it."""
        if self.spam:
            return round(rng.uniform(*SPAM_SECONDS), 1)
        return round(5 + words / WORDS_PER_SECOND * rng.uniform(0.7, 1.3), 1)

    def perceived(self, screen: Screen, criterion: str, truth: ItemTruth | None, done: int) -> list[float]:
        """Perceived quality of each completion in screen order; may leave [0, 1]."""
        if not screen.completions:
            return []
        if self.spam:
            return self._unread(screen, criterion, done)
        skill = self.skill_after(done)
        mean_log = sum(math.log(length) for length in screen.lengths) / len(screen.lengths)
        values = []
        for place, (key, length) in enumerate(zip(screen.completions, screen.lengths, strict=True)):
            general = random.Random(f"{self.seed}|{screen.key}|{key}").gauss(0, 1)
            own = random.Random(f"{self.seed}|{screen.key}|{key}|{criterion}").gauss(0, 1)
            error = SHARED_PART * general + math.sqrt(1 - SHARED_PART**2) * own
            right = truth.quality(criterion, key) if truth else 0.5
            value = skill * right + (1 - skill) * (0.5 + CHANCE_SPREAD * error)
            value += self.position_bias if place == 0 else 0.0
            value += self.length_bias * math.tanh(math.log(length) - mean_log)
            values.append(value)
        return values

    def _unread(self, screen: Screen, criterion: str, done: int) -> list[float]:
        places = len(screen.completions)
        if self.spam == "random":
            rng = random.Random(f"{self.seed}|{screen.key}|{criterion}|spam")
            return [rng.random() for _ in range(places)]
        favoured = done if self.spam == "alternating" else random.Random(f"{self.seed}|spam").randrange(26)
        return [float(place == favoured % places) for place in range(places)]
