"""What a release says about itself: the dataset card (README.md) and manifest.json. Pure; no Django.

Neither holds the version's name or a date: the same snapshot cut again under another name gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from exporters.card_figures import change_list, judgment_figures, texts_shown
from exporters.card_labels import label_story
from exporters.facts import ReleaseFacts
from exporters.files import WrittenFile
from exporters.formats import ExportFormat
from exporters.settings import SPLITS
from exporters.words import counted, one_line

MANIFEST_VERSION = 1
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


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
        judgment_figures(facts),
        change_list(facts.changes),
        warning_list(facts),
        f"## Columns\n\nFormat `{export_format.key}`, read by {export_format.trainers}.\n\n"
        + "".join(f"- `{name}`: {meaning}\n" for name, meaning in export_format.columns.items()),
        f"## Use\n\n{usage(facts, export_format.sample_column)}\n",
        texts_shown(facts),
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
        f"license: {facts.settings.license or 'unknown'}",
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
        last = "judgment or decision" if facts.settings.labels == "adjudicated" else "judgment"
        text += (
            f"\nAudit log of the server at the last {last}: entry {facts.audit_position}, "
            f"hash `{facts.audit_hash}`.\n"
        )
    return text


def filled_sides(facts: ReleaseFacts) -> list[str]:
    filled = {side for side, rows, _ in facts.splits if rows}
    return [side for side in SPLITS if side in filled]


def size_category(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), "1M<n<10M")


def settings_words(settings: Mapping[str, Any]) -> str:
    """The settings on one line, for a list of releases: "majority, ties dropped, train 80 %, test 20 %"."""
    split = settings["split"]
    shares = ", ".join(f"{side} {round(split[side] * 100)} %" for side in SPLITS if side in split)
    ties = {"both": "ties in both orders", "soft": "ties soft", "drop": "ties dropped"}[settings["ties"]]
    # Releases from before there were clusters lack the key.
    together = ", near duplicates together" if split.get("clusters") == "near" else ""
    return f"{settings['labels'].replace('_', ' ')}, {ties}, {shares}{together}"
