"""Whole judgments of a release that is being cut, with everything they were about.

Which ones is settled by the snapshot. Judgments, items and protocols never change, so what is read here later says
what it said then, whatever was corrected or voided meanwhile. Erasure alone takes something away.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from django.db.models import TextField
from django.db.models.functions import Cast

from annotation.ids import among
from annotation.jobs import JobFailed
from annotation.models import AuditEvent, Completion, Criterion, Item, Judgment, Membership
from exporters.formats import Candidate, Judged, Messages, Named, Scale
from exporters.selection import SelectedJudgment
from exporters.stream import answers_of

ERASED_MEANWHILE = "A text was erased while the release was being cut; please cut it again."


class Said(NamedTuple):
    """A judgment without its answers. `batch`, `protocol_version` and `guideline_version` are numbers."""

    pk: int
    supersedes: int | None
    item: int
    batch: int
    annotator: int
    pseudonym: str
    is_simulated: bool
    protocol: int
    kind: str
    points: int | None
    protocol_version: int
    guideline_version: int
    display_order: list[int]
    active_seconds: float | None
    confidence: int | None
    note: str
    read_to_end: list[str]
    created_at: datetime
    origin: int | None
    origin_batch: int
    origin_number: int
    origin_item: str
    origin_judgment: int
    origin_supersedes: int | None
    origin_protocol: int
    origin_guideline: int
    """The last seven are null where `origin` is."""


COLUMNS = (
    "pk",
    "supersedes_id",
    "item_id",
    "batch__number",
    "annotator_id",
    "annotator__pseudonym",
    "annotator__is_simulated",
    "protocol_id",
    "protocol__kind",
    "protocol__points",
    "protocol__number",
    "guideline__number",
    "display_order",
    "active_seconds",
    "confidence",
    "note",
    "read_to_end",
    "created_at",
    "origin_id",
    "origin__batch",
    "origin__item_number",
    "origin__item",
    "origin__judgment",
    "origin__supersedes",
    "origin__protocol_version",
    "origin__guideline_version",
)
"""Where the fields of `Said` come from."""


def judged(chunk: Sequence[SelectedJudgment], scales: dict[int, list[Scale]]) -> Iterator[Judged]:
    """The judgments of `chunk` in its order. `scales` keeps the criteria of the protocols seen so far, by protocol.

    Raises JobFailed when a text was erased since the snapshot.
    """
    found = Judgment.objects.filter(among("pk", [selected.judgment for selected in chunk]))
    rows = {row[0]: Said._make(row) for row in found.values_list(*COLUMNS)}
    answers = answers_of(rows, {said.kind for said in rows.values()})
    items = asked_of({selected.item for selected in chunk})
    erased = last_erasures({said.annotator for said in rows.values()})
    for selected in chunk:
        said = rows[selected.judgment]
        if any(isinstance(part, dict) and part.get("erased") for part in answers[said.pk].values()):
            raise JobFailed(ERASED_MEANWHILE)
        if said.protocol not in scales:
            scales[said.protocol] = scales_of(said.protocol)
        item = items[said.item]
        group = f"{said.batch}-{item.number}"
        is_forgotten = said.created_at <= erased.get(said.annotator, NEVER)
        yield Judged(
            id=f"{group}-{said.pk}",
            group=group,
            judgment=said.pk,
            supersedes=said.supersedes,
            split=selected.split,
            batch=said.batch,
            item=item.external_id,
            language=item.language,
            category=item.category,
            reference=item.reference,
            metadata=item.metadata,
            prompt=item.prompt,
            completions=item.completions,
            annotator=said.pseudonym,
            is_simulated=said.is_simulated,
            kind=said.kind,
            points=said.points,
            protocol_version=said.protocol_version,
            guideline_version=said.guideline_version,
            criteria=scales[said.protocol],
            answers=answers[said.pk],
            display_order=said.display_order,
            active_seconds=said.active_seconds,
            confidence=said.confidence,
            note="" if is_forgotten else said.note,
            read_to_end=said.read_to_end,
            created_at=said.created_at,
            origin=origin_of(said),
        )


def origin_of(said: Said) -> Named | None:
    """The names and numbers that an imported judgment came with."""
    if said.origin is None:
        return None
    return Named(
        id=f"{said.origin_batch}-{said.origin_number}-{said.origin_judgment}",
        judgment=said.origin_judgment,
        supersedes=said.origin_supersedes,
        batch=said.origin_batch,
        item=said.origin_item,
        protocol_version=said.origin_protocol,
        guideline_version=said.origin_guideline,
    )


NEVER = datetime.min.replace(tzinfo=UTC)


def last_erasures(annotators: Collection[int]) -> dict[int, datetime]:
    """When the texts of a person were last erased; without those whose texts never were.

    A note is a column of the judgment, which nobody may blank. So what was noted before is left out here.
    """
    events = AuditEvent.objects.filter(
        action="texts.erased",
        object_type=Membership._meta.model_name,
        object_id__in=[str(annotator) for annotator in annotators],
    )
    return {int(pk): at for pk, at in events.order_by("created_at").values_list("object_id", "created_at")}


class Asked(NamedTuple):
    """An item with its completions, in the order of import."""

    number: int
    external_id: str
    language: str
    category: str
    reference: int | None
    metadata: dict[str, Any]
    prompt: Messages
    completions: list[Candidate]


def asked_of(items: Collection[int]) -> dict[int, Asked]:
    """By id what was asked about."""
    candidates: dict[int, list[Candidate]] = defaultdict(list)
    completions = Completion.objects.filter(among("item", items)).order_by("item", "position")
    for item, position, model, settings, messages in completions.values_list(
        "item_id", "position", "model", "settings", Cast("messages", TextField())
    ):
        candidates[item].append(Candidate(position, model, settings, orjson.loads(messages)))
    columns = ("pk", "number", "external_id", "language", "category", "reference", "metadata")
    rows = Item.objects.filter(among("pk", items)).values_list(*columns, Cast("prompt", TextField()))
    return {row[0]: Asked._make((*row[1:-1], orjson.loads(row[-1]), candidates[row[0]])) for row in rows}


def scales_of(protocol: int) -> list[Scale]:
    columns = ("key", "name", "question", "low", "high", "ties_allowed", "anchors")
    rows = Criterion.objects.filter(protocol=protocol).order_by("position")
    return [Scale(*row) for row in rows.values_list(*columns)]
