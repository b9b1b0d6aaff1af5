"""Whole judgments of a release that is being cut, with everything they were about.

Which ones is settled by the snapshot. Judgments, items and protocols never change, so what is read here later says
what it said then, whatever was corrected or voided meanwhile. Erasure alone takes something away.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

from annotation.jobs import JobFailed
from annotation.models import AuditEvent, Completion, Criterion, Judgment, Membership, Origin
from exporters.formats import Candidate, Judged, Named, Scale
from exporters.snapshot import SelectedJudgment
from exporters.stream import answers_of

ERASED_MEANWHILE = "A text was erased while the release was being cut; please cut it again."


def judged(chunk: Sequence[SelectedJudgment], scales: dict[int, list[Scale]]) -> Iterator[Judged]:
    """The judgments of `chunk` in its order. `scales` keeps the criteria of the protocols seen so far, by protocol.

    Raises JobFailed when a text was erased since the snapshot.
    """
    rows = (
        Judgment.objects.filter(pk__in=[selected.judgment for selected in chunk])
        .select_related("annotator", "batch", "guideline", "item", "origin", "protocol")
        .defer("guideline__text")
        .in_bulk()
    )
    answers = answers_of(list(rows.values()))
    candidates = candidates_of({judgment.item_id for judgment in rows.values()})
    erased = last_erasures({judgment.annotator_id for judgment in rows.values()})
    for selected in chunk:
        judgment = rows[selected.judgment]
        if any(isinstance(said, dict) and said.get("erased") for said in answers[judgment.pk].values()):
            raise JobFailed(ERASED_MEANWHILE)
        if judgment.protocol_id not in scales:
            scales[judgment.protocol_id] = scales_of(judgment.protocol_id)
        item, batch = judgment.item, judgment.batch
        is_forgotten = judgment.created_at <= erased.get(judgment.annotator_id, NEVER)
        yield Judged(
            id=f"{batch.number}-{item.number}-{judgment.pk}",
            group=f"{batch.number}-{item.number}",
            judgment=judgment.pk,
            supersedes=judgment.supersedes_id,
            split=selected.split,
            batch=batch.number,
            item=item.external_id,
            language=item.language,
            category=item.category,
            reference=item.reference,
            metadata=item.metadata,
            prompt=item.prompt,
            completions=candidates[item.pk],
            annotator=judgment.annotator.pseudonym,
            is_simulated=judgment.annotator.is_simulated,
            kind=judgment.protocol.kind,
            points=judgment.protocol.points,
            protocol_version=judgment.protocol.number,
            guideline_version=judgment.guideline.number,
            criteria=scales[judgment.protocol_id],
            answers=answers[judgment.pk],
            display_order=judgment.display_order,
            active_seconds=judgment.active_seconds,
            confidence=judgment.confidence,
            note="" if is_forgotten else judgment.note,
            read_to_end=judgment.read_to_end,
            created_at=judgment.created_at,
            origin=origin_of(judgment.origin) if judgment.origin else None,
        )


def origin_of(origin: Origin) -> Named:
    return Named(
        id=origin.record,
        judgment=origin.judgment,
        supersedes=origin.supersedes,
        batch=origin.batch,
        item=origin.item,
        protocol_version=origin.protocol_version,
        guideline_version=origin.guideline_version,
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


def candidates_of(items: Collection[int]) -> dict[int, list[Candidate]]:
    """By item its completions, in the order of import."""
    found: dict[int, list[Candidate]] = defaultdict(list)
    rows = Completion.objects.filter(item__in=items).order_by("item", "position")
    for item, *columns in rows.values_list("item_id", "position", "model", "settings", "messages"):
        found[item].append(Candidate(*columns))
    return found


def scales_of(protocol: int) -> list[Scale]:
    columns = ("key", "name", "question", "low", "high", "ties_allowed", "anchors")
    rows = Criterion.objects.filter(protocol=protocol).order_by("position")
    return [Scale(*row) for row in rows.values_list(*columns)]
