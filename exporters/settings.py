"""What a release is cut with: read from a request, checked, and kept in one canonical form. No Django."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.errors import Refused
from exporters.chat_template import refuse_bad_template
from exporters.formats import export_formats
from exporters.labels import LABELS, LABELS_TO_COME

TIES = ("drop", "both")
SPLITS = ("train", "validation", "test")
"""The sides of a split in the order in which they are cut from [0, 1)."""
CLUSTERS = ("near", "exact")
"""Which prompts go to one side together: those that are nearly the same, or only equal ones."""
JUDGMENTS_MAX = 1000


@dataclass(frozen=True)
class ReleaseSettings:
    """Together with a snapshot of the project these decide every byte of a release (I14).

    `batches` and `languages` empty: all of them. `shares` are (side, share) in the order of `SPLITS`; they
    add up to 1 and none is 0.
    """

    batches: tuple[int, ...]
    languages: tuple[str, ...]
    min_judgments: int
    labels: str
    ties: str
    shares: tuple[tuple[str, float], ...]
    seed: int
    clusters: str
    formats: tuple[str, ...]
    chat_template: str = ""
    """Jinja, as a tokenizer has it; the rows are rendered with it for the warnings. Empty: they are not."""

    def as_json(self) -> dict[str, Any]:
        """The settings in full, in the shape in which a request sends them."""
        return {
            "filters": {
                "batches": list(self.batches),
                "languages": list(self.languages),
                "min_judgments": self.min_judgments,
            },
            "labels": self.labels,
            "ties": self.ties,
            "split": dict(self.shares) | {"seed": self.seed, "clusters": self.clusters},
            "formats": list(self.formats),
            "chat_template": self.chat_template,
        }


def release_settings(body: Mapping[str, Any]) -> ReleaseSettings:
    """Read the settings of a request and fill in the defaults. Raises Refused naming the dotted field."""
    known(body, ("filters", "labels", "ties", "split", "formats", "chat_template"), "")
    filters = mapping(body.get("filters", {}), "filters")
    known(filters, ("batches", "languages", "min_judgments"), "filters.")
    labels = label_name(body.get("labels", "majority"))
    split = mapping(body.get("split", {}), "split")
    shares, seed = split_of(split)
    return ReleaseSettings(
        batches=tuple(sorted(set(integers(filters.get("batches") or [], "filters.batches")))),
        languages=tuple(sorted(set(strings(filters.get("languages") or [], "filters.languages")))),
        # A label that came with the data needs nobody's judgment.
        min_judgments=min_judgments(filters.get("min_judgments", 0 if labels == "reference" else 1), labels),
        labels=labels,
        ties=ties_name(body.get("ties", "drop")),
        shares=shares,
        seed=seed,
        clusters=clusters_name(split.get("clusters", "near")),
        formats=format_names(body.get("formats", ["preference"])),
        chat_template=template_text(body.get("chat_template", "")),
    )


def stored_settings(body: Mapping[str, Any]) -> ReleaseSettings:
    """The settings of a release as it stored them. Releases from before near duplicates went together lack the key."""
    return release_settings({**body, "split": {"clusters": "exact", **body.get("split", {})}})


def label_name(value: Any) -> str:
    if value in LABELS_TO_COME:
        raise Refused(
            f"Labels {value!r} are not available yet; there are: {', '.join(LABELS)}.",
            code="not_available",
            field="labels",
        )
    if not isinstance(value, str) or value not in LABELS:
        raise Refused(f"The labels are {', '.join(LABELS)}.", field="labels")
    return value


def ties_name(value: Any) -> str:
    if value == "soft":
        raise Refused(
            "Soft labels for ties are not available yet; drop ties, or keep them in both orders with 'both'.",
            code="not_available",
            field="ties",
        )
    if not isinstance(value, str) or value not in TIES:
        raise Refused(f"Ties can be {' or '.join(TIES)}.", field="ties")
    return value


def clusters_name(value: Any) -> str:
    if not isinstance(value, str) or value not in CLUSTERS:
        raise Refused(f"Clusters can be {' or '.join(CLUSTERS)}.", field="split.clusters")
    return value


def format_names(value: Any) -> tuple[str, ...]:
    names = strings(value, "formats")
    there_are = [key for key, _ in export_formats]
    for name in names:
        if name not in export_formats:
            raise Refused(
                f"No format is called {name!r}; there are: {', '.join(there_are)}.", field="formats"
            )
        if refusal := export_formats.get(name).refusal:
            raise Refused(refusal, code="not_available", field="formats")
    if not names:
        raise Refused(f"Name one format or more; there are: {', '.join(there_are)}.", field="formats")
    return tuple(dict.fromkeys(names))


def template_text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused("A chat template is a text.", field="chat_template")
    try:
        refuse_bad_template(value)
    except ValueError as error:
        raise Refused(str(error), field="chat_template") from error
    return value if value.strip() else ""


def min_judgments(value: Any, labels: str) -> int:
    lowest = 0 if labels == "reference" else 1
    if not is_integer(value) or not lowest <= value <= JUDGMENTS_MAX:
        raise Refused(
            f"Use a whole number between {lowest} and {JUDGMENTS_MAX}.", field="filters.min_judgments"
        )
    return int(value)


def split_of(split: Mapping[str, Any]) -> tuple[tuple[tuple[str, float], ...], int]:
    """((side, share), …) and the seed. Shares are above 0 and add up to 1."""
    known(split, (*SPLITS, "seed", "clusters"), "split.")
    seed = split.get("seed", 0)
    if not is_integer(seed) or not 0 <= seed < 2**63:
        raise Refused("Use a whole number of 0 or more.", field="split.seed")
    shares = []
    for side in SPLITS:
        share = split.get(side, 0)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise Refused("A share is a number between 0 and 1.", field=f"split.{side}")
        if share:
            shares.append((side, float(share)))
    if not shares:
        shares = [("train", 0.8), ("test", 0.2)]
    total = math.fsum(share for _, share in shares)
    if not math.isclose(total, 1.0, abs_tol=1e-6):
        raise Refused(f"The shares add up to {total:g}; make them 1.", field="split")
    return tuple(shares), int(seed)


def known(given: Mapping[str, Any], names: Sequence[str], prefix: str) -> None:
    """A setting that is misspelt must not pass in silence."""
    unknown = sorted(set(map(str, given)) - set(names))
    if unknown:
        raise Refused(
            f"Unknown setting {unknown[0]!r}; there are: {', '.join(sorted(names))}.",
            code="unknown",
            field=f"{prefix}{unknown[0]}",
        )


def mapping(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Refused("Send an object.", field=field)
    return value


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def integers(value: Any, field: str) -> list[int]:
    if not isinstance(value, list | tuple) or not all(is_integer(n) and 0 < n < 2**31 for n in value):
        raise Refused("Send a list of whole numbers from 1 on.", field=field)
    return list(value)


def strings(value: Any, field: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise Refused("Send a list of texts.", field=field)
    return list(value)
