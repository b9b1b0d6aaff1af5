"""Batches: a file comes in, a batch opens, a lead closes it.

`start_import` stores the upload and queues the job; `annotation.services.import_job` does the rest.
"""

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.importers import importers
from annotation.jobs import enqueue_job
from annotation.models import Batch, Job, Membership, Project, ProtocolVersion, User
from annotation.services.overlap import overlap_policies
from annotation.services.projects import next_number

JOB_KIND = "import_batch"
NAME_LENGTH = 120
OVERLAP_MAX = 100
LEASE_SECONDS_MIN, LEASE_SECONDS_MAX = 60, 7 * 24 * 3600
PRIORITY_MAX = 2**31 - 1
CAP_MAX = 2**31 - 1
SKILL_LENGTH = 40
PAY_BELOW, PAY_PLACES = 100_000, 4


@dataclass(frozen=True)
class _Stored:
    """An upload in our storage."""

    path: str
    sha256: str


def start_import(
    *,
    project: Project,
    actor: User,
    now: datetime,
    upload: "File[bytes]",
    format: str,
    name: str = "",
    overlap: int | None = None,
    gold_share: float = 0,
    repeat_share: float = 0,
    priority: int = 0,
    lease_seconds: int = 1800,
    purpose: str = Batch.Purpose.WORK,
    pass_share: float = 0.8,
    skill: str = "",
    cap_per_annotator: int | None = None,
    overlap_policy: str = "",
    overlap_max: int | None = None,
    pay_per_item: Decimal | None = None,
    pay_currency: str = "",
    dry_run: bool = False,
    skip_bad_rows: bool = False,
) -> tuple[Batch | None, Job]:
    """Store the upload and queue its import; (None, job) for a dry run, which only reports.

    `name` defaults to the upload's file name, `overlap` to the protocol's (to 2 under an overlap policy, which may
    raise an item to `overlap_max`). With a `gold_share`, rows with gold become checks that are mixed in and get no
    work slots. A batch with the purpose training takes rows with gold only. Without `pay_per_item` no page shows
    money. The batch is `importing`
    until the job has checked the whole file, then `open` with all of its items, or `failed` with none. A file of
    judgments becomes a `closed` batch with an overlap of 0, whatever `overlap` says: nobody judges its items again.
    Raises Refused: 422 for a setting that does not fit, 413 for an upload above
    `settings.IMPORT_BYTES_MAX`, 409 for a file that this project holds already.
    """
    protocol = project.protocols.latest("number")
    if overlap is None:
        overlap = min(2, protocol.overlap) if overlap_policy else protocol.overlap
    file_name = (upload.name or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = name.strip() or file_name[:NAME_LENGTH] or "Batch"
    _check_settings(format, name, overlap, gold_share, repeat_share, priority, lease_seconds)
    _check_staffing(purpose, pass_share, skill, cap_per_annotator)
    _check_policy(protocol, overlap, overlap_policy, overlap_max)
    _check_pay(pay_per_item, pay_currency)
    if importers.get(format).holds_judgments:
        _refuse_work(purpose, gold_share, repeat_share, overlap_policy, pay_per_item)
        overlap = 0
    sha256 = upload_sha256(upload)
    if not dry_run:
        _refuse_known_file(project, sha256)
    stored = _Stored(default_storage.save(f"uploads/{uuid.uuid4().hex}", upload), sha256)
    try:
        with transaction.atomic():
            batch = None
            if not dry_run:
                batch = Batch.objects.create(
                    project=project,
                    number=next_number(project, "batches"),
                    name=name,
                    protocol=protocol,
                    priority=priority,
                    overlap=overlap,
                    lease_seconds=lease_seconds,
                    gold_share=gold_share,
                    repeat_share=repeat_share,
                    purpose=purpose,
                    pass_share=pass_share,
                    skill=skill.strip(),
                    cap_per_annotator=cap_per_annotator,
                    overlap_policy=overlap_policy,
                    overlap_max=overlap_max,
                    pay_per_item=pay_per_item,
                    pay_currency=pay_currency,
                    source_format=format,
                    source_name=file_name[:255],
                    source_sha256=sha256,
                    created_at=now,
                    created_by=actor,
                )
                record_audit(
                    project=project,
                    actor=actor,
                    action="batch.import_started",
                    obj=batch,
                    now=now,
                    data={"number": batch.number, "format": format, "sha256": sha256},
                )
            job = enqueue_job(
                kind=JOB_KIND,
                key=stored.path,
                project=project,
                actor=actor,
                now=now,
                arguments={
                    "batch": batch and batch.pk,
                    "protocol": protocol.pk,
                    "path": stored.path,
                    "format": format,
                    "purpose": purpose,
                    "skip_bad_rows": skip_bad_rows,
                },
            )
    except BaseException as error:
        default_storage.delete(stored.path)
        # Race: the same file twice at once. The constraint lets one in; the other is told its number.
        if isinstance(error, IntegrityError) and "batch_file_once_per_project" in str(error):
            _refuse_known_file(project, sha256)
        raise
    return batch, job


def close_batch(*, batch: Batch, actor: User, now: datetime) -> Batch:
    """Close an open batch: from now on only reviewers correct. Closing it again changes nothing.

    Raises Refused (409) for a batch that is still importing or has failed.
    """
    with transaction.atomic():
        batch = (
            Batch.objects.select_for_update(no_key=True, of=("self",))
            .select_related("project")
            .get(pk=batch.pk)
        )
        if batch.state == Batch.State.CLOSED:
            return batch
        if batch.state != Batch.State.OPEN:
            raise Refused(
                f"Batch {batch.number} is {batch.get_state_display().lower()}; only an open batch can be closed.",
                code="batch_not_open",
                status=409,
            )
        batch.state, batch.closed_at = Batch.State.CLOSED, now
        batch.save(update_fields=["state", "closed_at"])
        record_audit(
            project=batch.project,
            actor=actor,
            action="batch.closed",
            obj=batch,
            now=now,
            data={"number": batch.number},
        )
    return batch


def upload_sha256(upload: "File[bytes]") -> str:
    """SHA-256 of the bytes as they were sent. Raises Refused (413) above `settings.IMPORT_BYTES_MAX`."""
    digest, size = hashlib.sha256(), 0
    for chunk in upload.chunks():
        size += len(chunk)
        if size > settings.IMPORT_BYTES_MAX:
            raise too_large()
        digest.update(chunk)
    return digest.hexdigest()


def too_large() -> Refused:
    return Refused(
        f"The file has more than {settings.IMPORT_BYTES_MAX} bytes; split it, or compress it with gzip.",
        code="file_too_large",
        field="file",
        status=413,
    )


def _refuse_known_file(project: Project, sha256: str) -> None:
    known = project.batches.filter(source_sha256=sha256).exclude(state=Batch.State.FAILED).first()
    if known is None:
        return
    state = "is being" if known.state == Batch.State.IMPORTING else "was already"
    raise Refused(
        f"This file {state} imported as batch {known.number} ({known.name}).",
        code="already_imported",
        field="file",
        status=409,
    )


def _check_settings(
    format: str,
    name: str,
    overlap: int,
    gold_share: float,
    repeat_share: float,
    priority: int,
    lease_seconds: int,
) -> None:
    if format not in importers:
        known = ", ".join(key for key, _ in importers)
        raise Refused(
            f"There is no format {format!r}; there are: {known}.", code="unknown_format", field="format"
        )
    if len(name) > NAME_LENGTH or not name.isprintable():
        raise Refused(f"A name has at most {NAME_LENGTH} printable characters.", field="name")
    if not 1 <= overlap <= OVERLAP_MAX:
        raise Refused(f"The overlap is a number from 1 to {OVERLAP_MAX}.", field="overlap")
    for field, share in (("gold_share", gold_share), ("repeat_share", repeat_share)):
        if not 0 <= share < 1:
            raise Refused("A share is a number from 0 to below 1.", field=field)
    if gold_share + repeat_share >= 1:
        raise Refused("Gold and repeats together leave no room for work.", field="repeat_share")
    if not -PRIORITY_MAX <= priority <= PRIORITY_MAX:
        raise Refused("The priority is a whole number; higher comes first.", field="priority")
    if not LEASE_SECONDS_MIN <= lease_seconds <= LEASE_SECONDS_MAX:
        raise Refused(
            f"A lease lasts from {LEASE_SECONDS_MIN} to {LEASE_SECONDS_MAX} seconds.", field="lease_seconds"
        )


def _refuse_work(
    purpose: str, gold_share: float, repeat_share: float, overlap_policy: str, pay_per_item: Decimal | None
) -> None:
    """Settings that only mean something where people judge."""
    asked = {
        "purpose": purpose == Batch.Purpose.TRAINING,
        "gold_share": gold_share > 0,
        "repeat_share": repeat_share > 0,
        "overlap_policy": bool(overlap_policy),
        "pay_per_item": pay_per_item is not None,
    }
    for field, is_asked in asked.items():
        if is_asked:
            detail = "Nobody judges in a batch of imported judgments, so leave this out."
            raise Refused(detail, code="judged_already", field=field)


def _check_staffing(purpose: str, pass_share: float, skill: str, cap_per_annotator: int | None) -> None:
    if purpose not in Batch.Purpose.values:
        raise Refused(f"The purposes are {', '.join(Batch.Purpose.values)}.", field="purpose")
    if not 0 < pass_share <= 1:
        raise Refused("The share of right answers that passes is above 0 and at most 1.", field="pass_share")
    if len(skill) > SKILL_LENGTH or not skill.isprintable():
        raise Refused(f"A skill has at most {SKILL_LENGTH} printable characters.", field="skill")
    if cap_per_annotator is not None and not 1 <= cap_per_annotator <= CAP_MAX:
        raise Refused("A cap is a whole number from 1.", field="cap_per_annotator")


def _check_pay(per_item: Decimal | None, currency: str) -> None:
    """Neither, or an amount with the currency it is in."""
    if per_item is None:
        if currency:
            raise Refused("A currency belongs to an amount.", field="pay_per_item")
        return
    if not 0 < per_item < PAY_BELOW or per_item != round(per_item, PAY_PLACES):
        detail = f"Pay is above 0 and below {PAY_BELOW}, with at most {PAY_PLACES} decimal places."
        raise Refused(detail, field="pay_per_item")
    if not re.fullmatch("[A-Z]{3}", currency):
        raise Refused("A currency is three capital letters, such as GBP.", field="pay_currency")


def _check_policy(
    protocol: ProtocolVersion, overlap: int, overlap_policy: str, overlap_max: int | None
) -> None:
    """An overlap policy has a maximum, and judgments that it understands."""
    if not overlap_policy:
        if overlap_max is not None:
            raise Refused("A maximum belongs to an overlap policy.", field="overlap_max")
        return
    if overlap_policy not in overlap_policies:
        known = ", ".join(key for key, _ in overlap_policies)
        raise Refused(f"There is no policy {overlap_policy!r}; there are: {known}.", field="overlap_policy")
    if protocol.kind not in overlap_policies.get(overlap_policy).kinds:
        raise Refused(
            f"The policy {overlap_policy} does not work for {protocol.kind} judgments.",
            field="overlap_policy",
        )
    if overlap_max is None or not overlap <= overlap_max <= OVERLAP_MAX:
        raise Refused(f"A maximum lies between the overlap and {OVERLAP_MAX}.", field="overlap_max")


def staff_batch(*, batch: Batch, annotators: Sequence[Membership], actor: User, now: datetime) -> None:
    """Give a batch to these people alone; to everybody when nobody is named. What they hold stays theirs.

    Raises Refused when one of them is no annotator of the project.
    """
    for annotator in annotators:
        if annotator.project_id != batch.project_id or annotator.role != Membership.Role.ANNOTATOR:
            raise Refused("Only annotators of this project can be named.", field="annotators")
    with transaction.atomic():
        batch = Batch.objects.select_for_update(no_key=True).select_related("project").get(pk=batch.pk)
        batch.staff.set(annotators)
        record_audit(
            project=batch.project,
            actor=actor,
            action="batch.staffed",
            obj=batch,
            now=now,
            data={"annotators": sorted(annotator.pk for annotator in annotators)},
        )
