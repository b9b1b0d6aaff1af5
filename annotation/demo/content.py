"""What the demo projects consist of: settings, texts and files, all written for the demo.

`data/truth.json` says which answer is right, by external id: `{"preference": {criterion: signed}}` (and a
`tie_reason`), `{"order": [[positions], …]}` or `{"ratings": [{criterion: value}, …]}`, all in the order of
the file. Only simulated annotators see it: it is never imported, neither as gold nor as a reference.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.simulation.truth import ItemTruth, content_key, from_order, from_preferences, from_shares

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class DemoBatch:
    file: str
    name: str
    overlap: int
    is_simulated: bool
    """Whether simulated annotators judge it; the others wait for people."""


@dataclass(frozen=True)
class DemoProject:
    slug: str
    name: str
    description: str
    protocol: Mapping[str, Any]
    batches: tuple[DemoBatch, ...]
    simulated: int
    """How many of `SIMULATED` judge here."""


PROJECTS = (
    DemoProject(
        slug="demo",
        name="Demo: which answer is better?",
        description=(
            "Two answers side by side: code, maths, writing, refusals, conversations and several languages. "
            "The items were written for this demo. The judgments of the first batch come from simulated "
            "annotators of different skill; the second batch waits for you."
        ),
        protocol={
            "kind": "pairwise",
            "points": 7,
            "overlap": 3,
            "criteria": ["Instructions followed", "Correctness", "Clarity", "Safety"],
        },
        batches=(
            DemoBatch("demo.jsonl", "First round (simulated)", overlap=3, is_simulated=True),
            DemoBatch("demo-open.jsonl", "Second round", overlap=3, is_simulated=False),
        ),
        simulated=6,
    ),
    DemoProject(
        slug="demo-ranking",
        name="Demo: put answers in order",
        description=(
            "Three to five answers to one request, best first. Three judgments of each item come from "
            "simulated annotators; one more of each waits for you."
        ),
        protocol={"kind": "ranking", "overlap": 4},
        batches=(DemoBatch("demo-ranking.jsonl", "Rankings", overlap=4, is_simulated=True),),
        simulated=3,
    ),
    DemoProject(
        slug="demo-rating",
        name="Demo: rate each answer",
        description=(
            "One to three answers, each rated by itself on four scales. Three judgments of each item come "
            "from simulated annotators; one more of each waits for you."
        ),
        protocol={
            "kind": "rating",
            "overlap": 4,
            "criteria": [
                {
                    "key": "helpfulness",
                    "name": "Helpfulness",
                    "question": "Does it do what was asked?",
                    "anchors": [
                        "no use, or does harm",
                        "hardly any use",
                        "helps with half of it",
                        "small gaps",
                        "does what was asked, fully",
                    ],
                },
                {
                    "key": "correctness",
                    "name": "Correctness",
                    "question": "Is what it says true?",
                    "anchors": [
                        "wrong in what matters",
                        "mostly wrong",
                        "one mistake that matters",
                        "small slips that change nothing",
                        "everything checks out",
                    ],
                },
                {
                    "key": "clarity",
                    "name": "Clarity",
                    "question": "Is it easy to follow for the person who asked?",
                    "anchors": [
                        "can't be understood",
                        "hard to follow",
                        "has to be read twice",
                        "clear with a little effort",
                        "clear at first reading",
                    ],
                },
            ],
        },
        batches=(DemoBatch("demo-rating.jsonl", "Ratings", overlap=4, is_simulated=True),),
        simulated=3,
    ),
)


def guide(project: DemoProject) -> str:
    return (DATA / f"guide-{project.slug}.md").read_text(encoding="utf-8")


def consent() -> str:
    return (DATA / "consent.md").read_text(encoding="utf-8")


def rows(file: str) -> list[dict[str, Any]]:
    """The items of one data file, in its order."""
    return [json.loads(line) for line in (DATA / file).read_text(encoding="utf-8").splitlines()]


def truth_by_id() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = json.loads((DATA / "truth.json").read_text(encoding="utf-8"))
    return loaded


def demo_truth() -> dict[str, ItemTruth]:
    """What is right about every item of every demo file, by content."""
    by_id = truth_by_id()
    truth = {}
    for project in PROJECTS:
        for batch in project.batches:
            for row in rows(batch.file):
                contents = [completion["content"] for completion in row["completions"]]
                truth[content_key(row["prompt"], contents)] = _item_truth(by_id[row["id"]], contents)
    return truth


def _item_truth(known: Mapping[str, Any], contents: list[Any]) -> ItemTruth:
    """The numbers of truth.json as shares of the scales of the demo's protocols."""
    if "order" in known:
        return from_order(contents, known["order"])
    if "ratings" in known:
        shares = [
            {key: (value - 1) / 6 if key == "overall" else value / 4 for key, value in values.items()}
            for values in known["ratings"]
        ]
        return from_shares(contents, shares)
    preferences = {key: value / (3 if key == "overall" else 2) for key, value in known["preference"].items()}
    return from_preferences(contents, preferences, known.get("tie_reason", ""))
