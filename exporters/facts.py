"""What a release knows about itself, for card, manifest, datasheet and Croissant. Pure; no Django."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from exporters.settings import ReleaseSettings


@dataclass(frozen=True)
class ProtocolFacts:
    """One protocol version that judged items of the release, and the batches under it."""

    version: int
    kind: str
    points: int | None
    questions: tuple[str, ...]
    batches: tuple[int, ...]


class Told(NamedTuple):
    """A text that annotators were shown: the guideline, or what they agreed to."""

    number: int
    text: str


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's ordinal α of one criterion on one scale; `value`, `low` and `high` are None where `reason` says
    why. `raw` is the share of pairs of judgments that say exactly the same."""

    criterion: str
    kind: str
    value: float | None
    low: float | None
    high: float | None
    raw: float | None
    items: int
    judgments: int
    reason: str


@dataclass(frozen=True)
class Leaning:
    """By how many percentage points a trait moves the overall preference (`comparisons.bias`)."""

    trait: str
    value: float | None
    low: float | None
    high: float | None
    items: int
    reason: str


@dataclass(frozen=True)
class Figures:
    """`items`: how many items they rest on, of `of` that were judged and that the filters let through."""

    items: int
    of: int
    agreement: tuple[Agreement, ...]
    leanings: tuple[Leaning, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Changes:
    """What is another than in `before`: the newest release that was cut from an earlier state of the judgments.

    Rows are counted; `settings` are (name, before, now) for those that differ.
    """

    before: str
    same: int
    added: int
    gone: int
    relabelled: int
    moved: int
    settings: tuple[tuple[str, Any, Any], ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "settings": [{"setting": name, "before": one, "now": other} for name, one, other in self.settings]
        }


@dataclass(frozen=True)
class ReleaseFacts:
    """Everything the card and the manifest tell; a function of the snapshot and the settings.

    `splits` are (side, rows, prompts) for every side of the settings, also the empty ones; `dropped` are
    (reason, pairs) for pairs of completions that gave no row. Items that lie on one side together are a
    cluster; the largest is given by its items. `audit_hash` is hexadecimal: the audit chain up
    to the last event about a judgment of this project. `warnings` are sentences about records that a trainer may
    stumble over, or that a format could not hold. `guideline_texts` are those that judgments of the release were made
    under, `consent_texts` those that its people have agreed to.
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
    leaning: int = 0
    """People left out for their lean to a place."""
    sources: tuple[tuple[str, int], ...] = ()
    """Of adjudicated labels: ("decision", rows) and ("majority", rows), where there are any."""
    warnings: tuple[str, ...] = ()
    figures: Figures | None = None
    guideline_texts: tuple[Told, ...] = ()
    consent_texts: tuple[Told, ...] = ()
    changes: Changes | None = None

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
            "leaning_annotators": self.leaning,
            "label_sources": dict(self.sources),
            "warnings": list(self.warnings),
            "figures": self.figures.as_json() if self.figures else None,
            "changes": self.changes.as_json() if self.changes else None,
            "audit_head": {"position": self.audit_position, "hash": self.audit_hash},
        }
