"""What a release is cut with: read from a request, checked, and kept in one canonical form. No Django."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annotation.errors import Refused
from exporters.chat_template import refuse_bad_template
from exporters.formats import export_formats
from exporters.labels import LABELS

TIES = ("drop", "soft", "both")
SPLITS = ("train", "validation", "test")
"""The sides of a split in the order in which they are cut from [0, 1)."""
CLUSTERS = ("near", "exact")
"""Which prompts go to one side together: those that are nearly the same, or only equal ones."""
JUDGMENTS_MAX = 1000
OVERALL = "overall"
LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")


RANKING_PAIRS = ("all", "adjacent", "best_worst")
"""Which two completions of a ranking make a row."""
PAUSED = ("include", "exclude")


@dataclass(frozen=True)
class ReleaseSettings:
    """Together with a snapshot of the project these decide every byte of a release (I14).

    `batches`, `languages` and `guidelines` empty: all of them; `since` (inclusive) and `before` (exclusive) are
    moments in ISO 8601, empty: no limit. `shares` are (side, share) in the order of `SPLITS`; they add up to 1 and
    none is 0.
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
    license: str = ""
    """Identifier of a licence as Hugging Face writes them ("cc-by-4.0"); empty: not stated."""
    since: str = ""
    before: str = ""
    guidelines: tuple[int, ...] = ()
    """Versions of the guideline under which a judgment was made."""
    min_agreement: float = 0.0
    """Share of a pair's judgments that must be on one side, or ties, in [0, 1]."""
    paused: str = "include"
    """Whether judgments of people count who are paused at the snapshot."""
    criterion: str = OVERALL
    """Key of the question whose answers make the labels."""
    ranking_pairs: str = "all"
    max_lean: float | None = None
    """How far a person may lean to the first place or away from it, as a share around one half; in (0, 0.5)."""
    in_both_orders: bool = False
    """Keep a pair's label only where those who saw it the one way and those who saw it the other say the same."""
    is_length_balanced: bool = False
    """Keep as many rows with the longer completion chosen as with the shorter."""

    def as_json(self) -> dict[str, Any]:
        """The settings in full, in the shape in which a request sends them."""
        return {
            "filters": {
                "batches": list(self.batches),
                "languages": list(self.languages),
                "guideline_versions": list(self.guidelines),
                "since": self.since,
                "before": self.before,
                "min_judgments": self.min_judgments,
                "min_agreement": self.min_agreement,
                "paused": self.paused,
            },
            "labels": self.labels,
            "criterion": self.criterion,
            "ranking_pairs": self.ranking_pairs,
            "ties": self.ties,
            "debias": {
                "max_lean": self.max_lean,
                "both_orders": self.in_both_orders,
                "length_balanced": self.is_length_balanced,
            },
            "split": dict(self.shares) | {"seed": self.seed, "clusters": self.clusters},
            "formats": list(self.formats),
            "chat_template": self.chat_template,
            "license": self.license,
        }


SETTINGS = (
    "filters",
    "labels",
    "criterion",
    "ranking_pairs",
    "ties",
    "debias",
    "split",
    "formats",
    "chat_template",
    "license",
)


def release_settings(body: Mapping[str, Any]) -> ReleaseSettings:
    """Read the settings of a request and fill in the defaults. Raises Refused naming the dotted field."""
    known(body, SETTINGS, "")
    labels = one_of(body.get("labels", "majority"), tuple(LABELS), "labels")
    split = mapping(body.get("split", {}), "split")
    shares, seed = split_of(split)
    settings = ReleaseSettings(
        **filters_of(mapping(body.get("filters", {}), "filters"), labels),
        **debiasing_of(mapping(body.get("debias", {}), "debias")),
        labels=labels,
        criterion=criterion_key(body.get("criterion", OVERALL)),
        ranking_pairs=one_of(body.get("ranking_pairs", "all"), RANKING_PAIRS, "ranking_pairs"),
        ties=one_of(body.get("ties", "drop"), TIES, "ties"),
        shares=shares,
        seed=seed,
        clusters=one_of(split.get("clusters", "near"), CLUSTERS, "split.clusters"),
        formats=format_names(body.get("formats", ["preference"])),
        chat_template=template_text(body.get("chat_template", "")),
        license=license_id(body.get("license", "")),
    )
    refuse_what_cannot_go_together(settings)
    return settings


def filters_of(filters: Mapping[str, Any], labels: str) -> dict[str, Any]:
    """The fields of `ReleaseSettings` that choose items and judgments."""
    names = ("batches", "languages", "guideline_versions", "since", "before", "min_judgments")
    known(filters, (*names, "min_agreement", "paused"), "filters.")
    since, before = (moment(filters.get(name, ""), f"filters.{name}") for name in ("since", "before"))
    if since and before and since >= before:
        raise Refused("This must be later than filters.since.", field="filters.before")
    return {
        "batches": tuple(sorted(set(integers(filters.get("batches") or [], "filters.batches")))),
        "languages": tuple(sorted(set(strings(filters.get("languages") or [], "filters.languages")))),
        "guidelines": tuple(
            sorted(set(integers(filters.get("guideline_versions") or [], "filters.guideline_versions")))
        ),
        "since": since,
        "before": before,
        # A label that came with the data needs nobody's judgment.
        "min_judgments": min_judgments(
            filters.get("min_judgments", 0 if labels == "reference" else 1), labels
        ),
        "min_agreement": share(filters.get("min_agreement", 0), "filters.min_agreement"),
        "paused": one_of(filters.get("paused", "include"), PAUSED, "filters.paused"),
    }


def debiasing_of(debias: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `ReleaseSettings` that take leanings out of the rows."""
    known(debias, ("max_lean", "both_orders", "length_balanced"), "debias.")
    lean = debias.get("max_lean")
    if lean is not None and not (is_number(lean) and 0 < lean < 0.5):
        raise Refused("Use a number between 0 and 0.5, or leave it out.", field="debias.max_lean")
    return {
        "max_lean": None if lean is None else float(lean),
        "in_both_orders": yes_or_no(debias.get("both_orders", False), "debias.both_orders"),
        "is_length_balanced": yes_or_no(debias.get("length_balanced", False), "debias.length_balanced"),
    }


def yes_or_no(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise Refused("Send true or false.", field=field)
    return value


def refuse_what_cannot_go_together(settings: ReleaseSettings) -> None:
    """A setting that would change nothing, or that a format would hide, must not pass in silence."""
    if settings.ties == "soft":
        for key in settings.formats:
            each = export_formats.get(key)
            if not each.reads_judgments and "soft_label" not in each.columns:
                raise Refused(
                    f"The format {key} has no column for a soft label, so a tie would read as a preference. Drop "
                    "ties, or choose the formats preference, preference-implicit or reward.",
                    field="ties",
                )
    if settings.labels != "reference":
        return
    about_judgments = {
        "filters.min_agreement": settings.min_agreement > 0,
        "criterion": settings.criterion != OVERALL,
        "debias.max_lean": settings.max_lean is not None,
        "debias.both_orders": settings.in_both_orders,
    }
    for field, is_given in about_judgments.items():
        if is_given:
            raise Refused("Labels that came with the data rest on no judgments; leave this out.", field=field)


def stored_settings(body: Mapping[str, Any]) -> ReleaseSettings:
    """The settings of a release as it stored them. Releases from before near duplicates went together lack the key."""
    return release_settings({**body, "split": {"clusters": "exact", **body.get("split", {})}})


def one_of(value: Any, names: Sequence[str], field: str) -> str:
    if not isinstance(value, str) or value not in names:
        raise Refused(f"Choose one of: {', '.join(names)}.", field=field)
    return value


def criterion_key(value: Any) -> str:
    """Whether the project asks it is looked up when a release starts."""
    if not isinstance(value, str) or not value:
        raise Refused("Name the key of a criterion.", field="criterion")
    return value


def moment(value: Any, field: str) -> str:
    """A date or a time with its zone, as a moment of UTC; empty stays empty."""
    if value == "":
        return ""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or (found.tzinfo is None and len(value) != len("2026-01-31")):
        raise Refused(
            "Write a date (2026-01-31, from midnight UTC) or a time with its zone (2026-01-31T09:00:00Z).",
            field=field,
        )
    return (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


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


def license_id(value: Any) -> str:
    if not isinstance(value, str) or (value and not LICENSE.fullmatch(value)):
        raise Refused(
            "Name a licence by its identifier, such as cc-by-4.0, apache-2.0 or other.", field="license"
        )
    return value


def min_judgments(value: Any, labels: str) -> int:
    lowest = 0 if labels == "reference" else 1
    if not is_integer(value) or not lowest <= value <= JUDGMENTS_MAX:
        raise Refused(
            f"Use a whole number between {lowest} and {JUDGMENTS_MAX}.", field="filters.min_judgments"
        )
    return int(value)


def share(value: Any, field: str) -> float:
    if not is_number(value) or not 0 <= value <= 1:
        raise Refused("A share is a number between 0 and 1.", field=field)
    return float(value)


def split_of(split: Mapping[str, Any]) -> tuple[tuple[tuple[str, float], ...], int]:
    """((side, share), …) and the seed. Shares are above 0 and add up to 1."""
    known(split, (*SPLITS, "seed", "clusters"), "split.")
    seed = split.get("seed", 0)
    if not is_integer(seed) or not 0 <= seed < 2**63:
        raise Refused("Use a whole number of 0 or more.", field="split.seed")
    shares = []
    for side in SPLITS:
        if part := share(split.get(side, 0), f"split.{side}"):
            shares.append((side, part))
    if not shares:
        shares = [("train", 0.8), ("test", 0.2)]
    total = math.fsum(part for _, part in shares)
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


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def integers(value: Any, field: str) -> list[int]:
    if not isinstance(value, list | tuple) or not all(is_integer(n) and 0 < n < 2**31 for n in value):
        raise Refused("Send a list of whole numbers from 1 on.", field=field)
    return list(value)


def strings(value: Any, field: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise Refused("Send a list of texts.", field=field)
    return list(value)
