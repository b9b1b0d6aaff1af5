"""One simulated annotator: what they answer to a lease, given what is right.

What they perceive of a completion is `skill` × truth + (1 − skill) × chance, plus their leanings. Chance is
drawn from (seed, item, completion), so it depends neither on the order on the screen nor on the order of
work, and two annotators with different seeds err independently.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.simulation.truth import ItemTruth, content_key, messages, text_key

CHANCE_SPREAD = 0.3
"""Standard deviation of perceived quality without any skill, as a share of the scale."""
SHARED_PART = 0.8
"""How much of the error on a criterion is the general impression of that completion (a halo)."""
SAME = 0.04
"""Perceived qualities closer than this get the same place in a ranking."""
WORDS_PER_SECOND = 4.0


@dataclass(frozen=True)
class SimulatedAnnotator:
    """`skill` 1: always right; 0: at random.

    `position_bias` is added to what stands first on the screen, `length_bias` to what is longer (taken off
    what is shorter); both are shares of the scale, 0 for none, negative for the opposite leaning.
    """

    skill: float
    seed: int
    position_bias: float = 0.0
    length_bias: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.skill <= 1:
            raise ValueError(f"skill lies between 0 and 1, not at {self.skill}")

    def submission(self, lease: Mapping[str, Any], truth: ItemTruth | None) -> dict[str, Any]:
        """The body of POST /assignments/{id}/judgments for a lease. Raises KeyError for an unknown kind."""
        task = Task(lease)
        rng = random.Random(f"{self.seed}|{task.key}|manner")
        perceived = {c["key"]: self._perceive(task, c["key"], truth) for c in task.criteria}
        answer = ANSWERS[lease["protocol"]["kind"]](task, perceived, truth, rng)
        spread = max(perceived["overall"]) - min(perceived["overall"])
        return {
            "submission_id": lease["submission_id"],
            "attempt": lease["attempt"],
            "answer": answer,
            # A made-up reading time, so that pages have something to show; nobody waits for it.
            "active_seconds": round(5 + task.words / WORDS_PER_SECOND * rng.uniform(0.7, 1.3), 1),
            "confidence": 3 if spread > 0.5 else 2 if spread > 0.2 else 1,
            "read_to_end": task.labels,
        }

    def _perceive(self, task: "Task", criterion: str, truth: ItemTruth | None) -> list[float]:
        """Perceived quality of each completion in screen order; may leave [0, 1]."""
        mean_log = sum(math.log(length) for length in task.lengths) / len(task.lengths)
        values = []
        for place, (key, length) in enumerate(zip(task.completions, task.lengths, strict=True)):
            general = random.Random(f"{self.seed}|{task.key}|{key}").gauss(0, 1)
            own = random.Random(f"{self.seed}|{task.key}|{key}|{criterion}").gauss(0, 1)
            error = SHARED_PART * general + math.sqrt(1 - SHARED_PART**2) * own
            right = truth.quality(criterion, key) if truth else 0.5
            value = self.skill * right + (1 - self.skill) * (0.5 + CHANCE_SPREAD * error)
            value += self.position_bias if place == 0 else 0.0
            value += self.length_bias * math.tanh(math.log(length) - mean_log)
            values.append(value)
        return values


class Task:
    """What a lease shows, in the form that the answers need."""

    def __init__(self, lease: Mapping[str, Any]) -> None:
        item = lease["item"]
        contents = [completion["content"] for completion in item["completions"]]
        self.labels: list[str] = [completion["label"] for completion in item["completions"]]
        self.criteria: Sequence[Mapping[str, Any]] = lease["protocol"]["criteria"]
        self.key = content_key(item["prompt"], contents)
        self.completions = [text_key(content) for content in contents]
        texts = [" ".join(m["content"] for m in messages(content, "assistant")) for content in contents]
        self.lengths = [max(len(text), 1) for text in texts]
        self.words = sum(len(text.split()) for text in texts)


Perceived = Mapping[str, Sequence[float]]
"""Criterion key → perceived quality of each completion in screen order."""


def _pairwise(
    task: Task, perceived: Perceived, truth: ItemTruth | None, rng: random.Random
) -> dict[str, Any]:
    verdicts: dict[str, dict[str, Any]] = {}
    for criterion in task.criteria:
        strongest = criterion["high"]
        left, right = perceived[criterion["key"]]
        preference = max(-strongest, min(strongest, round((right - left) * strongest)))
        if preference == 0 and not criterion["ties"]:
            preference = rng.choice([-1, 1]) if left == right else -1 if left > right else 1
        if preference == 0:
            verdicts[criterion["key"]] = {"tie": ""}
        else:
            label = task.labels[0] if preference < 0 else task.labels[1]
            verdicts[criterion["key"]] = {
                "preferred": label,
                "strength": abs(preference),
            }
    answer = verdicts.pop("overall")
    if "tie" in answer:
        known = truth.tie_reason if truth else ""
        answer["tie"] = known or rng.choice(["both_good", "both_poor", "nearly_identical"])
    return answer | ({"criteria": verdicts} if verdicts else {})


def _ranking(task: Task, perceived: Perceived, truth: ItemTruth | None, rng: random.Random) -> dict[str, Any]:
    rankings: dict[str, dict[str, Any]] = {}
    for criterion in task.criteria:
        values = perceived[criterion["key"]]
        tiers: list[list[str]] = []
        last = math.inf
        for index in sorted(range(len(values)), key=lambda index: (-values[index], index)):
            if tiers and criterion["ties"] and last - values[index] < SAME:
                tiers[-1].append(task.labels[index])
            else:
                tiers.append([task.labels[index]])
            last = values[index]
        rankings[criterion["key"]] = {"ranking": tiers}
    answer = rankings.pop("overall")
    return answer | ({"criteria": rankings} if rankings else {})


def _rating(task: Task, perceived: Perceived, truth: ItemTruth | None, rng: random.Random) -> dict[str, Any]:
    ratings: dict[str, dict[str, int]] = {}
    for index, label in enumerate(task.labels):
        ratings[label] = {}
        for criterion in task.criteria:
            low, high = criterion["low"], criterion["high"]
            share = min(max(perceived[criterion["key"]][index], 0.0), 1.0)
            ratings[label][criterion["key"]] = low + round(share * (high - low))
    return {"ratings": ratings}


ANSWERS: Mapping[str, Callable[[Task, Perceived, ItemTruth | None, random.Random], dict[str, Any]]] = {
    "pairwise": _pairwise,
    "ranking": _ranking,
    "rating": _rating,
}
