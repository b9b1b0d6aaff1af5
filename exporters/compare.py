"""What changed from one release to a later one, row by row, and why where that is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef

from annotation.models import Judgment
from comparisons.models import Adjudication
from exporters.models import Release, ReleaseRow
from exporters.rows import row_id
from exporters.settings import ReleaseSettings, stored_settings

ROWS_SHOWN = 50
ROWS_AT_ONCE = 5000
CORRECTED, ERASED, VOIDED = "judgment corrected", "judgment erased", "judgment voided"
MORE_JUDGMENTS = "more judgments"
DECIDED = "decided by a reviewer"
CLUSTER_JOINED = "cluster joined"
MAY_KEEP_OUT = (
    "criterion",
    "ranking_pairs",
    "debias.both_orders",
    "debias.length_balanced",
    "debias.max_lean",
    "filters.before",
    "filters.guideline_versions",
    "filters.min_agreement",
    "filters.paused",
    "filters.since",
)
"""Settings of which a row does not tell whether they keep it out; one that differs is named as a reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """A released row. `id` is its stable name; `chosen` and `rejected` are positions of completions."""

    id: str
    batch: int
    item: int
    external_id: str
    language: str
    chosen: int
    rejected: int
    strength: float | None
    is_tie: bool
    split: str
    judgments: tuple[int, ...]

    @property
    def label(self) -> tuple[int, int, bool, float | None]:
        return self.chosen, self.rejected, self.is_tie, self.strength


Both = tuple[Row, Row]


@dataclass
class Changes:
    """Rows that only the later release has, that only the earlier has, and those of both (before, after) whose
    label or side is another one; in the order of the releases."""

    added: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)
    relabelled: list[Both] = field(default_factory=list)
    moved: list[Both] = field(default_factory=list)
    same: int = 0


def changes(before: Mapping[str, Row], after: Mapping[str, Row]) -> Changes:
    """Rows are the same row where their ids are; one may both be labelled anew and move."""
    found = Changes(gone=[row for pk, row in before.items() if pk not in after])
    for pk, row in after.items():
        earlier = before.get(pk)
        if earlier is None:
            found.added.append(row)
            continue
        if row.label != earlier.label:
            found.relabelled.append((earlier, row))
        if row.split != earlier.split:
            found.moved.append((earlier, row))
        found.same += row.label == earlier.label and row.split == earlier.split
    return found


def rows_of(release: Release) -> Iterator[Row]:
    rows = ReleaseRow.objects.filter(release=release).order_by("number")
    by_judgment, ties = release.settings["labels"] == "every", release.settings["ties"]
    columns = (
        "item__batch__number",
        "item__number",
        "item_id",
        "item__external_id",
        "item__language",
        "chosen__position",
        "rejected__position",
        "strength",
        "is_tie",
        "split",
        "judgment_ids",
    )
    for row in rows.values_list(*columns).iterator(chunk_size=ROWS_AT_ONCE):
        batch, number, item, external_id, language, chosen, rejected, strength, is_tie, split, judgments = row
        is_second_of_two = is_tie and ties == "both"
        positions = (chosen, rejected) if is_second_of_two or chosen < rejected else (rejected, chosen)
        yield Row(
            id=row_id(batch, number, positions, judgments[0] if by_judgment else None),
            batch=batch,
            item=item,
            external_id=external_id,
            language=language,
            chosen=chosen,
            rejected=rejected,
            strength=strength,
            is_tie=is_tie,
            split=split,
            judgments=tuple(judgments),
        )


def comparison(before: Release, after: Release) -> dict[str, Any]:
    """Counts, and the first ROWS_SHOWN rows of each change with their reasons; both releases are frozen.

    `other_records` are records that are no pair of completions (texts that people wrote, whole judgments). They
    are in the files only and are not compared.
    """
    old = {row.id: row for row in rows_of(before)}
    new = {row.id: row for row in rows_of(after)}
    found = changes(old, new)
    reasons = Reasons(before, after, found)
    return {
        "before": before.version,
        "after": after.version,
        "settings": [
            {"setting": name, "before": one, "after": other} for name, one, other in reasons.settings
        ],
        "rows": {"before": len(old), "after": len(new), "same": found.same},
        "other_records": {
            "before": max(before.manifest["rows"] - len(old), 0),
            "after": max(after.manifest["rows"] - len(new), 0),
        },
        "added": {
            "count": len(found.added),
            "rows": [
                named(row) | {"split": row.split, "reasons": reasons.of_added(row)}
                for row in found.added[:ROWS_SHOWN]
            ],
        },
        "gone": {
            "count": len(found.gone),
            "rows": [
                named(row) | {"split": row.split, "reasons": reasons.of_gone(row)}
                for row in found.gone[:ROWS_SHOWN]
            ],
        },
        "relabelled": {
            "count": len(found.relabelled),
            "rows": [
                named(row)
                | {
                    "before": label_json(earlier),
                    "after": label_json(row),
                    "reasons": reasons.of_label(earlier, row),
                }
                for earlier, row in found.relabelled[:ROWS_SHOWN]
            ],
        },
        "moved": {
            "count": len(found.moved),
            "rows": [
                named(row) | {"before": earlier.split, "after": row.split, "reasons": reasons.of_move()}
                for earlier, row in found.moved[:ROWS_SHOWN]
            ],
        },
    }


def named(row: Row) -> dict[str, Any]:
    return {"id": row.id, "batch": row.batch, "item": row.external_id}


def label_json(row: Row) -> dict[str, Any]:
    return {
        "chosen": row.chosen,
        "rejected": row.rejected,
        "is_tie": row.is_tie,
        "strength": row.strength,
    }


class Reasons:
    """Why rows differ, read for the rows that are shown: a few queries, however many there are.

    A judgment is told by what became of it until today, so a cause may be younger than the later release; that
    happens only where a row changed for a reason that is not known here, such as a consent.
    """

    def __init__(self, before: Release, after: Release, found: Changes) -> None:
        settings = [stored_settings(release.settings) for release in (before, after)]
        self.before, self.after = (flat(each.as_json()) for each in settings)
        self.settings = differing(*settings)
        self.differing = {name for name, _, _ in self.settings}
        batches = before.project.batches.filter(created_at__gt=before.created_at)
        self.new_batches = set(batches.values_list("number", flat=True))
        shown = [*found.added[:ROWS_SHOWN], *found.gone[:ROWS_SHOWN]]
        for pair in found.relabelled[:ROWS_SHOWN]:
            shown += pair
        self.fates = fates(pk for row in shown for pk in row.judgments)
        since = {"item__in": {row.item for row in shown}, "created_at__gt": before.created_at}
        newer = Judgment.objects.current().filter(**since)
        self.items_judged_since = set(newer.values_list("item_id", flat=True))
        # Other labels than these are made without decisions.
        reads_decisions = settings[1].labels == "adjudicated"
        decisions = Adjudication.objects.filter(**since) if reads_decisions else Adjudication.objects.none()
        self.items_decided_since = set(decisions.values_list("item_id", flat=True))

    def of_added(self, row: Row) -> list[str]:
        if row.batch in self.new_batches:
            return [f"new batch {row.batch}"]
        return self.chosen_out(row, self.before, self.after) or self.settled_since(row)

    def of_gone(self, row: Row) -> list[str]:
        return (
            self.chosen_out(row, self.after, self.before)
            or self.lost(row.judgments)
            or self.settled_since(row)
        )

    def of_label(self, earlier: Row, row: Row) -> list[str]:
        changed = [setting(name) for name in ("criterion", "labels") if name in self.differing]
        if changed:
            return changed
        found = self.lost(set(earlier.judgments) - set(row.judgments))
        found += [MORE_JUDGMENTS] * bool(set(row.judgments) - set(earlier.judgments) and not found)
        return found + [DECIDED] * (row.item in self.items_decided_since)

    def of_move(self) -> list[str]:
        """With equal settings only the cluster's oldest item can be another one than before."""
        found = [setting(name) for name in sorted(self.differing) if name.startswith("split.")]
        return found or [CLUSTER_JOINED] * (self.after["split.clusters"] == "near")

    def chosen_out(self, row: Row, lacking: Mapping[str, Any], holding: Mapping[str, Any]) -> list[str]:
        """The settings of the release without the row that keep it out, where the other's let it in."""
        batches, languages = lacking["filters.batches"], lacking["filters.languages"]
        keeps_out = {
            "filters.batches": bool(batches) and row.batch not in batches,
            "filters.languages": bool(languages) and row.language not in languages,
            "filters.min_judgments": len(row.judgments) < lacking["filters.min_judgments"],
            "labels": lacking["labels"] != holding["labels"],
            "ties": row.is_tie and lacking["ties"] == "drop",
        } | dict.fromkeys(MAY_KEEP_OUT, True)
        return [setting(name) for name, out in keeps_out.items() if out and name in self.differing]

    def lost(self, judgments: Iterable[int]) -> list[str]:
        """What became of those that do not count any more."""
        return sorted({fate for pk in judgments if (fate := self.fates[pk])})

    def settled_since(self, row: Row) -> list[str]:
        found = [MORE_JUDGMENTS] * (row.item in self.items_judged_since)
        return found + [DECIDED] * (row.item in self.items_decided_since)


def setting(name: str) -> str:
    return f"setting {name}"


def differing(before: ReleaseSettings, after: ReleaseSettings) -> list[tuple[str, Any, Any]]:
    """(dotted name, before, after) of every setting that is another, by name."""
    old, new = flat(before.as_json()), flat(after.as_json())
    return [
        (name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{part}": inner for part, inner in value.items()}
        else:
            found[name] = value
    return found


def fates(judgments: Iterable[int]) -> dict[int, str]:
    """By judgment, what became of it; empty while it counts."""
    wanted = set(judgments)
    later = Judgment.objects.filter(supersedes=OuterRef("pk"))
    rows = Judgment.objects.filter(pk__in=wanted).annotate(is_corrected=Exists(later))
    found = dict.fromkeys(wanted, ERASED)
    for pk, state, is_corrected in rows.values_list("pk", "assignment__state", "is_corrected"):
        found[pk] = VOIDED if state == "void" else CORRECTED if is_corrected else ""
    return found
