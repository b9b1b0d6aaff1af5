"""The job behind an import: check the whole file, then store it in one transaction.

Pass 1 reads every row and stores nothing. Pass 2 reads the same file again and copies items,
completions, gold answers and open slots in bounded chunks; the batch opens in the same transaction, and
so does the job's result. Delivered twice or taken over after a crash, it finds that result and stops.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO, cast

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from annotation.audit import record_audit
from annotation.importers import FILE_CODES, ItemRow, Limits, RowError, check_rows, importers
from annotation.jobs import JobFailed, JobSuperseded, Progress
from annotation.kinds import judgment_kinds
from annotation.models import Assignment, Batch, Completion, Criterion, GoldAnswer, Item, Job, ProtocolVersion
from annotation.services.batches import JOB_KIND
from annotation.services.copying import copy_rows, json_text, new_ids
from annotation.services.imported_judgments import ProjectCheck, store_judgments
from annotation.services.notices import announce_batch
from annotation.services.overlap import pool_of

ERRORS_KEPT = 200
CHUNK_ROWS = 1_000
CHUNK_CHARACTERS = 4_000_000
"""A chunk ends with whichever comes first, so that long texts cost no more memory than short ones."""
JUDGMENT_CHARACTERS = 1_000
"""What a judgment weighs beside its texts: its criteria above all."""
REPORT_SECONDS = 1.0

ITEM_FIELDS = [
    "id",
    "batch",
    "project",
    "number",
    "external_id",
    "prompt",
    "prompt_hash",
    "content_hash",
    "language",
    "category",
    "reference",
    "metadata",
    "target_overlap",
]
COMPLETION_FIELDS = ["item", "position", "messages", "model", "settings", "content_hash", "source_line"]
SLOT_FIELDS = ["item", "batch", "pool", "number", "purpose", "state", "attempt", "void_reason"]
GOLD_FIELDS = ["item", "criterion", "preference", "tolerance", "why"]

Report = Callable[[float], None]


@dataclass
class Findings:
    """What a pass over the file found. `rows` are those that are not blank, `items` and `judgments` the good ones."""

    rows: int = 0
    items: int = 0
    judgments: int = 0
    error_count: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    has_file_error: bool = False
    last_line: int = 0

    def add(self, result: ItemRow | RowError) -> None:
        if isinstance(result, ItemRow) and result.judgments:
            self.rows += len(result.judgments)
            self.items += 1
            self.judgments += len(result.judgments)
            return
        is_file_error = isinstance(result, RowError) and result.code in FILE_CODES
        self.rows += result.line != self.last_line and not is_file_error
        self.last_line = result.line
        if isinstance(result, ItemRow):
            self.items += 1
            return
        self.error_count += 1
        self.has_file_error |= is_file_error
        if len(self.errors) < ERRORS_KEPT:
            self.errors.append(result.as_dict())

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "items": self.items,
            "error_count": self.error_count,
            "errors": self.errors,
        } | ({"judgments": self.judgments} if self.judgments else {})


def run_import(job: Job, progress: Progress) -> dict[str, Any]:
    """The handler of `import_batch`. Raises JobFailed with the first errors when the file is refused."""
    if job.result is None and job.error is None:
        _import(job, progress)
    # Only now: a run that dies before this line leaves the file for the next one.
    default_storage.delete(job.arguments["path"])
    result: dict[str, Any] | None = job.result
    if result is None:
        refusal = cast(dict[str, Any], job.error)
        raise JobFailed(refusal["detail"], refusal["errors"])
    return result


def _import(job: Job, progress: Progress) -> None:
    batch = Batch.objects.filter(pk=job.arguments["batch"]).select_related("project").first()
    protocol = ProtocolVersion.objects.get(pk=job.arguments["protocol"])
    with _reporting(progress) as report:
        found = Findings()
        for result in _results(job, protocol, lambda share: report(share / 2)):
            found.add(result)
        if batch is None:
            _conclude(job, result=found.as_dict())
            return
        refusal = _refusal(found, skip_bad_rows=job.arguments["skip_bad_rows"])
        if refusal is not None:
            _fail(job, batch, refusal, found)
            return
        with transaction.atomic():
            # Race: two workers on one job. The second waits here and then finds that it was superseded.
            Batch.objects.select_for_update(no_key=True).get(pk=batch.pk, state=Batch.State.IMPORTING)
            now = timezone.now()
            results = _results(job, protocol, lambda share: report(0.5 + share / 2))
            stored = _store(batch, protocol, results, now)
            if stored != (found.items, found.judgments):
                raise RuntimeError(f"the file held {found.items}, {found.judgments} good rows, then {stored}")
            if importers.get(job.arguments["format"]).holds_judgments:
                # Nobody is to judge here, so there is nothing that a lead would close.
                Batch.objects.filter(pk=batch.pk).update(state=Batch.State.CLOSED, closed_at=now)
                _audit(job, batch, "batch.judgments_imported", now, found)
            else:
                Batch.objects.filter(pk=batch.pk).update(state=Batch.State.OPEN)
                _audit(job, batch, "batch.opened", now, found)
                announce_batch(batch=batch, actor=job.created_by, now=now)
            _conclude(job, result=found.as_dict() | {"batch": batch.number})


def _results(job: Job, protocol: ProtocolVersion, report: Report) -> Iterator[ItemRow | RowError]:
    path = job.arguments["path"]
    size = max(default_storage.size(path), 1)
    with default_storage.open(path) as stream:
        limits = limits_for(protocol, gold_required=job.arguments.get("purpose") == Batch.Purpose.TRAINING)
        format = job.arguments["format"]
        check = None
        if importers.get(format).holds_judgments:
            check = ProjectCheck(protocol.project, protocol)
        for result in check_rows(cast(BinaryIO, stream), format, limits, check):
            yield result
            report(min(stream.tell() / size, 1))


def limits_for(protocol: ProtocolVersion, *, gold_required: bool = False) -> Limits:
    """What the protocol wants of a file. A signed scale (pairwise) takes gold answers, others none."""
    kind = judgment_kinds.get(protocol.kind)
    overall = protocol.criteria.get(key=Criterion.OVERALL)
    is_signed = overall.low is not None and overall.low < 0
    return Limits(
        completions_min=kind.completions_min,
        completions_max=kind.completions_max,
        preference_max=overall.high if is_signed else None,
        ties_allowed=overall.ties_allowed,
        gold_required=gold_required,
    )


def _refusal(found: Findings, *, skip_bad_rows: bool) -> str | None:
    """Why nothing may be stored, as a sentence; None when something may."""
    if found.error_count == 0 or (skip_bad_rows and found.items and not found.has_file_error):
        return None
    errors = "1 error" if found.error_count == 1 else f"{found.error_count:,} errors"
    rows = "1 row" if found.rows == 1 else f"{found.rows:,} rows"
    return f"The file has {errors} in {rows}, so nothing was stored."


def _store(
    batch: Batch, protocol: ProtocolVersion, results: Iterator[ItemRow | RowError], now: datetime
) -> tuple[int, int]:
    """Insert every good row with its open slots and the judgments it came with; returns how many items and judgments.

    Caller holds the transaction.
    """
    overall = protocol.criteria.get(key=Criterion.OVERALL)
    pools: dict[tuple[str, str], int] = {}
    number = judgments = 0
    for chunk in _chunks(result for result in results if isinstance(result, ItemRow)):
        ids = new_ids(Item, len(chunk))
        copy_rows(
            Item,
            ITEM_FIELDS,
            (
                (pk, batch.pk, batch.project_id, number + index, *_item_values(row), _overlap(batch, row))
                for index, (pk, row) in enumerate(zip(ids, chunk, strict=True), start=1)
            ),
        )
        copy_rows(
            Completion,
            COMPLETION_FIELDS,
            (
                (
                    pk,
                    position,
                    json_text(one.messages),
                    one.model,
                    json_text(one.settings),
                    one.content_hash,
                    row.line,
                )
                for pk, row in zip(ids, chunk, strict=True)
                for position, one in enumerate(row.completions)
            ),
        )
        for row in chunk if batch.overlap else ():
            if (row.language, row.category) not in pools:
                pool = pool_of(batch, language=row.language, category=row.category)
                pools[row.language, row.category] = pool.pk
        copy_rows(
            Assignment,
            SLOT_FIELDS,
            (
                (
                    pk,
                    batch.pk,
                    pools[row.language, row.category],
                    slot,
                    Assignment.Purpose.WORK.value,
                    Assignment.State.OPEN.value,
                    0,
                    "",
                )
                for pk, row in zip(ids, chunk, strict=True)
                for slot in range(1, _overlap(batch, row) + 1)
            ),
        )
        copy_rows(
            GoldAnswer,
            GOLD_FIELDS,
            (
                (pk, overall.pk, row.gold.preference, row.gold.tolerance, row.gold.why)
                for pk, row in zip(ids, chunk, strict=True)
                if row.gold is not None
            ),
        )
        judgments += store_judgments(batch, protocol, dict(zip(ids, chunk, strict=True)), now)
        number += len(chunk)
    return number, judgments


def _item_values(row: ItemRow) -> tuple[Any, ...]:
    return (
        row.external_id,
        json_text(row.prompt),
        row.prompt_hash,
        row.content_hash,
        row.language,
        row.category,
        row.reference,
        json_text(row.metadata),
    )


def _overlap(batch: Batch, row: ItemRow) -> int:
    """Work slots of a new item. A gold item of a batch that mixes gold in, or trains, has none: its answer is
    known, and it is shown to check people. Nor has one that was judged elsewhere."""
    is_check = row.gold is not None and (batch.gold_share > 0 or batch.purpose == Batch.Purpose.TRAINING)
    return 0 if is_check or row.judgments else batch.overlap


def _chunks(rows: Iterator[ItemRow]) -> Iterator[list[ItemRow]]:
    chunk: list[ItemRow] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += _characters(row)
        if len(chunk) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _characters(row: ItemRow) -> int:
    """About the size of a row: its text, its free objects as JSON, and what was answered."""
    conversations = [row.prompt, *(one.messages for one in row.completions)]
    text = sum(len(message["content"]) for messages in conversations for message in messages)
    free = [row.metadata, *(one.settings for one in row.completions)]
    judged = sum(JUDGMENT_CHARACTERS + one.size for one in row.judgments)
    return text + sum(len(json_text(value)) for value in free if value) + judged


def _fail(job: Job, batch: Batch, detail: str, found: Findings) -> None:
    """Mark the batch as failed; the file may then be sent again."""
    with transaction.atomic():
        Batch.objects.filter(pk=batch.pk).update(state=Batch.State.FAILED)
        _audit(job, batch, "batch.failed", timezone.now(), found)
        _conclude(job, error={"detail": detail, "errors": found.errors})


def _audit(job: Job, batch: Batch, action: str, now: datetime, found: Findings) -> None:
    record_audit(
        project=batch.project,
        actor=job.created_by,
        action=action,
        obj=batch,
        now=now,
        data={"number": batch.number, "items": found.items, "errors": found.error_count}
        | ({"judgments": found.judgments} if found.judgments else {}),
    )


def _conclude(job: Job, *, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None) -> None:
    """Keep the outcome with the change it belongs to; raises JobSuperseded when the job is not ours."""
    is_ours = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, attempts=job.attempts).update(
        result=result, error=error
    )
    if not is_ours:
        raise JobSuperseded(str(job.pk))
    job.result, job.error = result, error


@contextmanager
def _reporting(progress: Progress) -> Iterator[Report]:
    """A report of progress at most once a second, over a connection of its own.

    Inside the import's transaction nobody would see the heartbeat, and the row would stay locked.
    A caller's transaction is the exception: there the job may be visible to nobody else.
    """
    last = time.monotonic()
    is_nested = connection.in_atomic_block

    def report(share: float) -> None:
        nonlocal last
        if time.monotonic() - last < REPORT_SECONDS:
            return
        last = time.monotonic()
        if is_nested:
            progress(share)
        else:
            other.submit(progress, share).result()

    def hang_up() -> None:
        connection.close()  # the one of the thread that runs this

    with ThreadPoolExecutor(1, thread_name_prefix="import-progress") as other:
        try:
            yield report
        finally:
            other.submit(hang_up).result()


def fail_abandoned_imports(now: datetime) -> None:
    """Give up batches whose job has ended without them. A dead letter has not: a lead may try it again.

    Uploads of cancelled dry runs, which have no batch, go too.
    """
    dry = Job.objects.filter(
        kind=JOB_KIND,
        state=Job.State.CANCELLED,
        arguments__batch=None,
        finished_at__gt=now - timedelta(days=1),
    )
    for job in dry:
        default_storage.delete(job.arguments["path"])
    paths = {
        job.arguments["batch"]: job.arguments["path"]
        for job in Job.objects.filter(
            kind=JOB_KIND,
            state__in=[Job.State.FAILED, Job.State.CANCELLED],
            is_dead_letter=False,
            arguments__batch__in=list(
                Batch.objects.filter(state=Batch.State.IMPORTING).values_list("pk", flat=True)
            ),
        )
    }
    for batch in Batch.objects.filter(pk__in=paths).select_related("project"):
        with transaction.atomic():
            failed = Batch.objects.filter(pk=batch.pk, state=Batch.State.IMPORTING).update(
                state=Batch.State.FAILED
            )
            if failed:
                record_audit(
                    project=batch.project,
                    actor=None,
                    action="batch.failed",
                    obj=batch,
                    now=now,
                    data={"number": batch.number},
                )
        default_storage.delete(paths[batch.pk])
