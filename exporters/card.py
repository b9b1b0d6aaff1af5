"""What a release says about itself: the dataset card (README.md) and manifest.json. Pure; no Django.

Neither holds the version's name or a date: the same snapshot cut again under another name gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporters.files import WrittenFile
from exporters.formats import ExportFormat
from exporters.settings import SPLITS, ReleaseSettings

MANIFEST_VERSION = 1
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class ProtocolFacts:
    """One protocol version that judged items of the release, and the batches under it."""

    version: int
    kind: str
    points: int | None
    questions: tuple[str, ...]
    batches: tuple[int, ...]


@dataclass(frozen=True)
class ReleaseFacts:
    """Everything the card and the manifest tell; a function of the snapshot and the settings.

    `splits` are (side, rows, prompts) for every side of the settings, also the empty ones; `dropped` are
    (reason, pairs) for pairs of completions that gave no row. Items that lie on one side together are a
    cluster; the largest is given by its items. `audit_hash` is hexadecimal: the audit chain up
    to the last event about a judgment of this project. `warnings` are sentences about records that a trainer may
    stumble over, or that a format could not hold.
    """

    project: str
    name: str
    description: str
    settings: ReleaseSettings
    protocols: tuple[ProtocolFacts, ...]
    guidelines: tuple[int, ...]
    languages: tuple[str, ...]
    items: int
    annotators: int
    judgments: int
    simulated_judgments: int
    splits: tuple[tuple[str, int, int], ...]
    clusters: int
    largest_cluster: int
    dropped: tuple[tuple[str, int], ...]
    audit_position: int
    audit_hash: str
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(rows for _, rows, _ in self.splits)

    def as_json(self) -> dict[str, Any]:
        return {
            "project": self.project,
            "name": self.name,
            "settings": self.settings.as_json(),
            "protocols": [
                {"version": p.version, "kind": p.kind, "points": p.points, "batches": list(p.batches)}
                for p in self.protocols
            ],
            "guideline_versions": list(self.guidelines),
            "languages": list(self.languages),
            "rows": self.rows,
            "items": self.items,
            "annotators": self.annotators,
            "judgments": self.judgments,
            "simulated_judgments": self.simulated_judgments,
            "splits": {side: {"rows": rows, "prompts": prompts} for side, rows, prompts in self.splits},
            "clusters": {"count": self.clusters, "largest_items": self.largest_cluster},
            "dropped_pairs": dict(self.dropped),
            "warnings": list(self.warnings),
            "audit_head": {"position": self.audit_position, "hash": self.audit_hash},
        }


def manifest(facts: ReleaseFacts, export_format: ExportFormat, files: Sequence[WrittenFile]) -> str:
    """manifest.json of one format of a release."""
    body = facts.as_json() | {
        "manifest_version": MANIFEST_VERSION,
        "format": export_format.key,
        "columns": dict(export_format.columns),
        "files": [file_json(file) for file in files],
    }
    return json.dumps(body, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def file_json(file: WrittenFile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": file.path,
        "type": file.type,
        "bytes": file.size,
        "sha256": file.sha256,
    }
    return entry | ({"split": file.split, "rows": file.rows} if file.split else {})


# The card

SPLIT_STORIES = {
    "near": "The sides hold different prompts. Prompts that are the same or nearly so are one cluster and never lie in "
    "two splits: two belong together when the sets of their runs of five words have a Jaccard similarity of 0.8 or "
    "more, and so do all that such pairs link. Case, white space and forms of characters do not count. The oldest item "
    "of a cluster decides its side, which it keeps in later releases cut with the same seed, unless a new item links "
    "it to an older cluster.",
    "exact": "The sides hold different prompts: one prompt never lies in two splits, and it keeps its side in later "
    "releases cut with the same seed. Prompts that are nearly, but not exactly, the same may lie in two splits.",
}


def dataset_card(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    """README.md with Hugging Face front matter: `load_dataset(FOLDER)` finds each split by it."""
    parts = [
        front_matter(facts, export_format.tag),
        f"# {one_line(facts.name)}\n",
        opening(facts, export_format.unit),
        f"## Splits\n\n{split_table(facts)}\n",
        f"{split_story(facts)}\n",
        f"## How the labels were made\n\n{label_story(facts, export_format)}\n",
        warning_list(facts),
        f"## Columns\n\nFormat `{export_format.key}`, read by {export_format.trainers}.\n\n"
        + "".join(f"- `{name}`: {meaning}\n" for name, meaning in export_format.columns.items()),
        f"## Use\n\n{usage(facts, export_format.sample_column)}\n",
        provenance(facts),
    ]
    return "\n".join(part for part in parts if part)


def warning_list(facts: ReleaseFacts) -> str:
    if not facts.warnings:
        return ""
    return "## Warnings\n\n" + "".join(f"- {warning}.\n" for warning in facts.warnings)


def front_matter(facts: ReleaseFacts, tag: str) -> str:
    lines = [
        "---",
        f"pretty_name: {json.dumps(one_line(facts.name), ensure_ascii=False)}",
        "license: unknown",
    ]
    if facts.languages:
        lines += ["language:", *(f"- {json.dumps(code)}" for code in facts.languages)]
    lines += ["size_categories:", f"- {size_category(facts.rows)}"]
    lines += [
        "tags:",
        f"- {tag}",
        "- human-feedback",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for side in filled_sides(facts):
        lines += [f"  - split: {side}", f"    path: {side}-*.parquet"]
    return "\n".join([*lines, "---\n"])


def card_for(card: str, kind: str) -> str:
    """The card of a folder that holds only files of `kind` (`parquet` or `jsonl`), compressed or not."""
    head, body = card.split("\n---\n", 1)
    return re.sub(r"(?m)^(    path: \w+-\*)\.parquet$", rf"\1.{kind}*", head) + "\n---\n" + body


def opening(facts: ReleaseFacts, unit: str) -> str:
    text = f"{facts.description.strip()}\n\n" if facts.description.strip() else ""
    text += (
        f"{facts.rows:,} {unit}s over {facts.items:,} items, from {counted(facts.judgments, 'judgment')} "
        f"of {counted(facts.annotators, 'annotator')}.\n"
    )
    if facts.simulated_judgments:
        text += (
            f"\n**{facts.simulated_judgments:,} of these judgments were simulated**, not made by people. "
            "Do not report results on them as human preference.\n"
        )
    return text


def split_table(facts: ReleaseFacts) -> str:
    lines = ["| Split | Rows | Prompts |", "| --- | ---: | ---: |"]
    lines += [f"| {side} | {rows:,} | {prompts:,} |" for side, rows, prompts in facts.splits]
    empty = [side for side, rows, _ in facts.splits if not rows]
    if empty:
        lines += [
            "",
            f"No prompt fell to {' and '.join(empty)}: there are too few prompts; no such file is written.",
        ]
    return "\n".join(lines)


def split_story(facts: ReleaseFacts) -> str:
    largest = counted(facts.largest_cluster, "item")
    verb = "forms" if facts.items == 1 else "form"
    return (
        f"{SPLIT_STORIES[facts.settings.clusters]}\n\nThe {counted(facts.items, 'item')} {verb} "
        f"{counted(facts.clusters, 'cluster')}; the largest holds {largest}."
    )


LABEL_STORIES = {
    "majority": "One row for each pair of completions: the one that more judgments preferred, whatever their strength.",
    "every": "One row for each judgment, so people who disagree give rows that disagree.",
    "mean_strength": "One row for each pair of completions: the sign of the mean of all signed preferences.",
    "reference": "The label that came with the imported data. No judgment of this project was used.",
}
WHOLE_STORY = (
    "What people answered, as it was stored: no label was made of it, and the settings for labels and ties play no "
    "part."
)
DROPPED_STORIES = {
    "tie": "left out as a tie",
    "identical": "left out because both completions read the same",
    "too_few_judgments": "left out for too few judgments",
    "no_reference": "left out because the data brought no label for them",
}


def label_story(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    settings = facts.settings
    is_whole = export_format.reads_judgments
    lines = [WHOLE_STORY if is_whole else LABEL_STORIES[settings.labels], ""]
    if export_format.note:
        lines += [export_format.note, ""]
    for protocol in facts.protocols:
        scale = f", {protocol.points} points" if protocol.points else ""
        lines.append(
            f"- Protocol version {protocol.version} ({protocol.kind}{scale}), batch"
            f"{'' if len(protocol.batches) == 1 else 'es'} {', '.join(map(str, protocol.batches))}. "
            + ASKED.get(protocol.kind, "")
        )
        lines += [f"  - Overall question: {one_line(question)}" for question in protocol.questions]
    if facts.guidelines:
        lines.append(f"- Guideline versions shown: {', '.join(map(str, facts.guidelines))}.")
    if settings.min_judgments > 1:
        units = "Items" if is_whole else "Pairs"
        lines.append(f"- {units} with fewer than {settings.min_judgments} judgments are left out.")
    if not is_whole:
        ties = "kept in both orders, two rows each" if settings.ties == "both" else "left out"
        lines.append(f"- Ties are {ties}.")
        lines += [f"- {words}." for words in dropped_words(dict(facts.dropped))]
    lines.append(
        "- Only accepted, current judgments of regular work count: none that came late, was voided, was corrected "
        "later, was made on a check item, or came from somebody who has not agreed to the consent text."
    )
    return "\n".join(lines)


def dropped_words(dropped: Mapping[str, int]) -> list[str]:
    """For each reason, how many pairs of completions gave no row: "3 pairs left out as a tie"."""
    return [f"{counted(number, 'pair')} {DROPPED_STORIES[key]}" for key, number in dropped.items() if number]


ASKED = {
    "pairwise": "People saw two completions side by side and said which is better overall.",
    "ranking": "People ranked all completions; each two of them with different ranks are a pair.",
    "rating": "People rated each completion by itself; each two with different overall values are a pair.",
    "demonstration": "People wrote the assistant's next message themselves; each text is one person's.",
    "critique": "People named the principles that a completion breaks, said why, and edited it. A changed revision is "
    "preferred over the completion by the person who wrote it; no second person compared the two.",
}


def usage(facts: ReleaseFacts, column: str) -> str:
    side = filled_sides(facts)[0]
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'data = load_dataset("{facts.project}")  # the folder of this file\n'
        f'print(data["{side}"][0]["{column}"])\n```\n\n'
        "```sh\nsha256sum -c SHA256SUMS\n```"
    )


def provenance(facts: ReleaseFacts) -> str:
    text = (
        "## Provenance\n\n"
        "A release is frozen: it never changes, and cutting it again from the same judgments with the same settings "
        "gives the same bytes. `manifest.json` lists every file with its SHA-256; `croissant.json` describes the rows "
        "for tools, `DATASHEET.md` answers the questions of a datasheet.\n"
    )
    if facts.audit_position:
        text += (
            f"\nAudit log of the server at the last judgment: entry {facts.audit_position}, "
            f"hash `{facts.audit_hash}`.\n"
        )
    return text


def filled_sides(facts: ReleaseFacts) -> list[str]:
    filled = {side for side, rows, _ in facts.splits if rows}
    return [side for side in SPLITS if side in filled]


def size_category(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), "1M<n<10M")


def one_line(text: str) -> str:
    return " ".join(text.split())


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def settings_words(settings: Mapping[str, Any]) -> str:
    """The settings on one line, for a list of releases: "majority, ties dropped, train 80 %, test 20 %"."""
    split = settings["split"]
    shares = ", ".join(f"{side} {round(split[side] * 100)} %" for side in SPLITS if side in split)
    ties = "ties in both orders" if settings["ties"] == "both" else "ties dropped"
    # Releases from before there were clusters lack the key.
    together = ", near duplicates together" if split.get("clusters") == "near" else ""
    return f"{settings['labels'].replace('_', ' ')}, {ties}, {shares}{together}"
