"""From what somebody perceives to the answer that the protocol wants, for each kind of judgment."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.simulation.truth import ItemTruth, content_key, messages, text_key

SAME = 0.04
"""Perceived qualities closer than this get the same place in a ranking."""


@dataclass(frozen=True)
class Screen:
    """What a judgment depends on: which item it is, and its completions in the order of the screen."""

    key: str
    completions: Sequence[str]
    """A key for each completion that does not depend on the order."""
    lengths: Sequence[int]
    """In characters, at least 1."""


class Task:
    """What a lease shows, in the form that the answers need."""

    def __init__(self, lease: Mapping[str, Any]) -> None:
        item = lease["item"]
        contents = [completion["content"] for completion in item["completions"]]
        self.labels: list[str] = [completion["label"] for completion in item["completions"]]
        self.criteria: Sequence[Mapping[str, Any]] = lease["protocol"]["criteria"]
        self.has_choice: bool = lease["protocol"].get("choice", False)
        self.key = content_key(item["prompt"], contents)
        texts = [" ".join(m["content"] for m in messages(content, "assistant")) for content in contents]
        self.screen = Screen(
            self.key, [text_key(content) for content in contents], [max(len(text), 1) for text in texts]
        )
        self.texts: list[str] = texts
        self.asked: str = messages(item["prompt"], "user")[-1]["content"]
        self.words = sum(len(text.split()) for text in texts)
        self.turns = _turns_asked(contents) if lease["protocol"].get("per_turn") else 0


def _turns_asked(contents: Sequence[Any]) -> int:
    """How many turns of the assistant both completions have; 0 for two single replies."""
    counts = [sum(m["role"] == "assistant" for m in messages(content, "assistant")) for content in contents]
    return min(counts) if max(counts) > 1 else 0


Perceived = Mapping[str, Sequence[float]]
"""Criterion key → perceived quality of each completion in screen order."""


def signed_preference(left: float, right: float, strongest: int, ties: bool, rng: random.Random) -> int:
    """Preference on the scale −`strongest`…`strongest` of the screen, negative: the left one is better."""
    preference = max(-strongest, min(strongest, round((right - left) * strongest)))
    if preference == 0 and not ties:
        return rng.choice([-1, 1]) if left == right else -1 if left > right else 1
    return preference


def _pairwise(
    task: Task, perceived: Perceived, truth: ItemTruth | None, rng: random.Random
) -> dict[str, Any]:
    verdicts: dict[str, dict[str, Any]] = {}
    for criterion in task.criteria:
        left, right = perceived[criterion["key"]]
        preference = signed_preference(left, right, criterion["high"], criterion["ties"], rng)
        if preference == 0:
            verdicts[criterion["key"]] = {"tie": ""}
        else:
            label = task.labels[0] if preference < 0 else task.labels[1]
            verdicts[criterion["key"]] = {
                "preferred": label,
                "strength": abs(preference),
            }
    answer = verdicts.pop("overall")
    # Made-up people see a whole and no turns: each turn is as good to them as the whole.
    turns = [dict(answer) for _ in range(task.turns)]
    if "tie" in answer:
        known = truth.tie_reason if truth else ""
        answer["tie"] = known or rng.choice(["both_good", "both_poor", "nearly_identical"])
    return answer | ({"criteria": verdicts} if verdicts else {}) | ({"turns": turns} if turns else {})


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
    """Every criterion applies. The best overall is chosen, unless two seem alike."""
    ratings: dict[str, dict[str, int]] = {}
    for index, label in enumerate(task.labels):
        ratings[label] = {}
        for criterion in task.criteria:
            low, high = criterion["low"], criterion["high"]
            share = min(max(perceived[criterion["key"]][index], 0.0), 1.0)
            ratings[label][criterion["key"]] = low + round(share * (high - low))
    answer: dict[str, Any] = {"ratings": ratings}
    if task.has_choice and len(task.labels) > 1:
        (second, _), (best, label) = sorted(zip(perceived["overall"], task.labels, strict=True))[-2:]
        if best - second >= SAME:
            answer["choice"] = label
    return answer


OPENINGS = ("In short: ", "Here is how I would put it. ", "Let me answer that. ", "")


def _demonstration(
    task: Task, perceived: Perceived, truth: ItemTruth | None, rng: random.Random
) -> dict[str, Any]:
    """Says that it understood what was asked, and no more: nothing that is simulated knows an answer."""
    return {"text": f"{rng.choice(OPENINGS)}You asked: {' '.join(task.asked.split()[:40])}"}


def _critique(
    task: Task, perceived: Perceived, truth: ItemTruth | None, rng: random.Random
) -> dict[str, Any]:
    """A principle counts as broken where the completion is perceived below the middle."""
    asked = [criterion for criterion in task.criteria if criterion["key"] != "overall"]
    broken = [criterion for criterion in asked if perceived[criterion["key"]][0] < 0.5]
    names = ", ".join(criterion["name"] for criterion in broken)
    why = f"It does not keep to this: {names}." if broken else "I find nothing that breaks a principle."
    text = task.texts[0] if task.texts[0].strip() else "There is no answer."
    mended = f"{rng.choice(OPENINGS[:3])}{text}" if broken or text != task.texts[0] else text
    return {"principles": [criterion["key"] for criterion in broken], "critique": why, "revision": mended}


ANSWERS: Mapping[str, Callable[[Task, Perceived, ItemTruth | None, random.Random], dict[str, Any]]] = {
    "pairwise": _pairwise,
    "ranking": _ranking,
    "rating": _rating,
    "demonstration": _demonstration,
    "critique": _critique,
}


def another_answer(lease: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """A valid answer to `lease` that differs from `answer`: its overall part, turned round.

    Raises KeyError for an unknown kind.
    """
    return OTHERS[lease["protocol"]["kind"]](lease, answer)


def _other_preference(lease: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    first, second = (completion["label"] for completion in lease["item"]["completions"])
    kept = {key: value for key, value in answer.items() if key == "criteria"}
    preferred = second if answer.get("preferred") == first else first
    return {"preferred": preferred, "strength": answer.get("strength", 1)} | kept


def _other_ranking(lease: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    tiers = answer["ranking"]
    if len(tiers) == 1:
        tiers = [[label] for label in tiers[0]]
    return {**answer, "ranking": tiers[::-1]}


def _other_rating(lease: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    criterion = next(c for c in lease["protocol"]["criteria"] if c["key"] == "overall")
    label, ratings = next(iter(answer["ratings"].items()))
    value = ratings["overall"]
    other = criterion["low"] if value is None else value + 1 if value < criterion["high"] else value - 1
    return {**answer, "ratings": {**answer["ratings"], label: {**ratings, "overall": other}}}


def _other_demonstration(lease: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    return {**answer, "text": f"{answer['text']}\n\nThat is all."}


def _other_critique(lease: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    return {**answer, "revision": f"{answer['revision']}\n\nThat is all."}


OTHERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    "pairwise": _other_preference,
    "ranking": _other_ranking,
    "rating": _other_rating,
    "demonstration": _other_demonstration,
    "critique": _other_critique,
}
