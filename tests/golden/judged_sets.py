"""Published sets in their own shapes → lines of the batch format `judgments`, as another project would release them."""

import csv
import gzip
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from annotation.kinds import judgment_kinds
from exporters.formats import Scale

BEGIN = datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC)
Line = dict[str, Any]


@dataclass(frozen=True)
class JudgedSet:
    """`lines` are in the order of a release: item by item."""

    protocol: dict[str, Any]
    lines: list[Line]


@dataclass
class Writer:
    """Numbers the judgments of one batch and spells them as a release does."""

    protocol: dict[str, Any]
    lines: list[Line] = field(default_factory=list)
    items: int = 0

    def __post_init__(self) -> None:
        spec = judgment_kinds.get(self.protocol["kind"]).protocol(self.protocol)
        self.points = spec.points
        self.criteria = [
            asdict(
                Scale(one.key, one.name, one.question, one.low, one.high, one.ties_allowed, list(one.anchors))
            )
            for one in spec.criteria
        ]

    def item(self, prompt: Sequence[Line], completions: Sequence[Line], **facts: Any) -> dict[str, Any]:
        """What all judgments of the next item have in common. `metadata` and `settings` come as objects."""
        self.items += 1
        facts["metadata"] = as_json(facts.get("metadata", {}))
        return {"prompt": list(prompt), "completions": list(completions), "number": self.items, **facts}

    def judgment(self, item: dict[str, Any], annotator: str, answers: dict[str, Any], **side: Any) -> None:
        number = 3 * len(self.lines) + 1001
        created = BEGIN + timedelta(seconds=7 * number, microseconds=number % 3)
        order = list(range(len(item["completions"])))
        if number % 2:
            order.reverse()
        self.lines.append(
            {
                "id": f"3-{item['number']}-{number}",
                "judgment": number,
                "supersedes": number - 1 if number % 5 == 0 else None,
                "batch": 3,
                "item": item["item"],
                "language": item.get("language", "en"),
                "category": item.get("category", ""),
                "reference": item.get("reference"),
                "metadata": item["metadata"],
                "prompt": item["prompt"],
                "completions": item["completions"],
                "annotator": annotator,
                "is_simulated": False,
                "kind": self.protocol["kind"],
                "points": self.points,
                "protocol_version": 2,
                "guideline_version": 5,
                "criteria": self.criteria,
                "answers": as_json(answers),
                "display_order": order,
                "active_seconds": side.get("seconds"),
                "confidence": side.get("confidence"),
                "note": side.get("note", ""),
                "read_to_end": ["A"][: len(order)] if number % 3 else [],
                "created_at": created.isoformat().replace("+00:00", "Z"),
            }
        )


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def said(role: str, content: str) -> Line:
    return {"role": role, "content": content}


def completion(position: int, messages: list[Line], model: str = "", **settings: Any) -> Line:
    return {"position": position, "model": model, "settings": as_json(settings), "messages": messages}


def replies(texts: Sequence[str], models: Sequence[str]) -> list[Line]:
    return [
        completion(at, [said("assistant", text)], model)
        for at, (text, model) in enumerate(zip(texts, models, strict=True))
    ]


def opened(path: Path) -> Any:
    return gzip.open(path, "rt", encoding="utf-8", newline="")


def convarg(folder: Path, pairs: int | None = None) -> JudgedSet:
    """Each pair of arguments with its five votes; `pairs`: a seeded subset of so many."""
    writer = Writer({"kind": "pairwise", "points": 3, "overlap": 5})
    with opened(folder / "convarg" / "arguments.jsonl.gz") as file:
        arguments = {row["id"]: row for row in map(json.loads, file)}
    votes = defaultdict(list)
    with opened(folder / "convarg" / "votes.csv.gz") as file:
        for vote in csv.DictReader(file):
            votes[vote["pair"]].append(vote)
    with opened(folder / "convarg" / "pairs.csv.gz") as file:
        rows = list(csv.DictReader(file))
    if pairs is not None:
        rows = random.Random(pairs).sample(rows, pairs)
    sides = {"a1": -1, "equal": 0, "a2": 1}
    for row in rows:
        texts = [arguments[row["arg1"]], arguments[row["arg2"]]]
        item = writer.item(
            [said("user", row["topic"])],
            [
                completion(at, [said("assistant", one["text"])], one["id"], stance=one["stance"])
                for at, one in enumerate(texts)
            ],
            item=row["pair"],
            reference=sides.get(row["gold"]) or None,
            metadata={"topic": row["topic"], "gold": row["gold"], "strict": int(row["strict"])},
        )
        for vote in votes[row["pair"]]:
            note = f"{vote['stance']}\n{vote['reason']}"
            answers = {"overall": {"preference": sides[vote["value"]]}}
            writer.judgment(item, vote["worker"], answers, seconds=float(vote["seconds"]), note=note)
    return JudgedSet(writer.protocol, writer.lines)


def pandalm(folder: Path) -> JudgedSet:
    writer = Writer({"kind": "pairwise", "points": 3, "overlap": 3})
    with opened(folder / "pandalm" / "testset-v1.json.gz") as file:
        rows = json.load(file)
    for row in rows:
        item = writer.item(
            [said("user", f"{row['instruction']}\n\n{row['input']}")],
            replies([str(row["response1"]), str(row["response2"])], row["cmp_key"].split("_")),
            item=str(row["idx"]),
            metadata={"motivation_app": row["motivation_app"]},
        )
        for person in ("annotator1", "annotator2", "annotator3"):
            preference = {"1": -1, "0": 0, "2": 1}[str(row[person])]
            writer.judgment(item, person, {"overall": {"preference": preference}}, confidence=2)
    return JudgedSet(writer.protocol, writer.lines)


SYSTEMS = ("bart", "bart-dpr", "human")
ASKED = ("correctness", "selection", "overall")


def _squality(folder: Path) -> Iterator[tuple[dict[str, Any], str, list[str], list[list[dict[str, Any]]]]]:
    """(row, question, three responses, for each reviewer the reviews of the three)."""
    questions = json.loads((folder / "squality_human" / "questions.json").read_text())
    with opened(folder / "squality_human" / "all-responses.jsonl.gz") as file:
        for row in map(json.loads, file):
            for number, systems in row["questions"].items():
                responses = [systems[name]["response"] for name in SYSTEMS]
                reviews = [systems[name]["reviews"] for name in SYSTEMS]
                asked = questions[row["passage-id"]][int(number)]
                by_reviewer = [list(three) for three in zip(*reviews, strict=True)]
                yield {"id": f"{row['passage-id']}-{number}"}, asked, responses, by_reviewer


def squality_ranks(folder: Path) -> JudgedSet:
    """The three responses in order on three criteria; ratings and comments stand in the note, as they are."""
    writer = Writer({"kind": "ranking", "criteria": list(ASKED[:2]), "overlap": 3})
    for row, question, responses, reviews in _squality(folder):
        item = writer.item([said("user", question)], replies(responses, SYSTEMS), item=row["id"])
        for three in reviews:
            answers = {key: [review[f"{key}-rank"] for review in three] for key in ASKED}
            note = as_json([review["annotations"] for review in three])[:5000]
            writer.judgment(item, f"reviewer-{three[0]['worker_id']}", answers, note=note)
    return JudgedSet(writer.protocol, writer.lines)


def squality_ratings(folder: Path) -> JudgedSet:
    """The ratings in ten steps, and the passages that were marked where they stand in the text word for word."""
    criteria = [{"name": key, "points": 10} for key in ASKED[:2]]
    writer = Writer({"kind": "rating", "points": 10, "criteria": criteria, "overlap": 3})
    for row, question, responses, reviews in _squality(folder):
        item = writer.item([said("user", question)], replies(responses, SYSTEMS), item=row["id"])
        for three in reviews:
            answers: dict[str, Any] = {
                key: [min(review[f"{key}-rating"] // 10, 9) + (key == "overall") for review in three]
                for key in ASKED
            }
            marks = {
                (at, responses[at].index(mark["selection"]), len(mark["selection"]))
                for at, review in enumerate(three)
                for mark in review["annotations"]
                if mark["selection"] and mark["selection"] in responses[at]
            }
            if marks:
                answers["spans"] = [
                    {"completion": at, "start": start, "end": start + length, "type": "wrong_fact"}
                    for at, start, length in sorted(marks)
                ]
            writer.judgment(item, f"reviewer-{three[0]['worker_id']}", answers)
    return JudgedSet(writer.protocol, writer.lines)


TURN = re.compile(r"\n\n(Human|Assistant):")


def hh(folder: Path) -> JudgedSet:
    """Every pair with its one label; each second one has the chosen side last."""
    writer = Writer({"kind": "pairwise", "points": 2, "overlap": 1})
    with opened(folder / "hh_harmless" / "test.jsonl.gz") as file:
        rows = list(map(json.loads, file))
    for number, row in enumerate(rows):
        sides = [turns_of(row["chosen"]), turns_of(row["rejected"])]
        shared = common_start(*sides)
        is_last = number % 2
        ordered = sides[::-1] if is_last else sides
        item = writer.item(
            ordered[0][:shared],
            [completion(at, messages[shared:]) for at, messages in enumerate(ordered)],
            item=f"line-{number + 1}",
            reference=1 if is_last else -1,
            category="harmless",
        )
        writer.judgment(item, "hh", {"overall": {"preference": 1 if is_last else -1}})
    return JudgedSet(writer.protocol, writer.lines)


def turns_of(transcript: str) -> list[Line]:
    """Messages with their texts untouched, the blank after the colon included."""
    parts = TURN.split(transcript)
    return [
        said("user" if who == "Human" else "assistant", text)
        for who, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def common_start(first: Sequence[Line], second: Sequence[Line]) -> int:
    """How many messages both begin with, up to and including the last of the user's that is not blank."""
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[shared] == second[shared]:
        shared += 1
    while shared > 1 and first[shared - 1]["role"] == "assistant":
        shared -= 1
    return shared
