"""Cutting releases: asked for in a request, done by a job, frozen in one transaction."""

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import CharField, Exists, OuterRef, Q
from django.db.models.functions import Cast
from django.utils import timezone

from annotation.audit import record_audit, seal_audit
from annotation.errors import Refused
from annotation.jobs import JobFailed, JobSuperseded, Progress, enqueue_job
from annotation.models import AuditEvent, Criterion, Job, Project, User
from comparisons.kinds.criteria import CHOICE
from exporters.ahead import thread_within
from exporters.changes import changes_since, predecessor
from exporters.content import SelectedContent
from exporters.facts import ReleaseFacts, Told
from exporters.models import Release, ReleaseFile, ReleaseRow
from exporters.obstacles import obstacle
from exporters.selection import Selection
from exporters.services.webhooks import announce_release
from exporters.settings import OVERALL, ReleaseSettings, stored_settings
from exporters.snapshot import select_rows
from exporters.writing import store_file, write_format

JOB_KIND = "cut_release"
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,31}")
ROWS_AT_ONCE = 5_000
SEAL_SECONDS = 30
BEAT_SECONDS = 15.0


def start_release(
    *, project: Project, actor: User, settings: ReleaseSettings, version: str | None = None, now: datetime
) -> tuple[Release, Job]:
    """Queue the cut of a new release; without a `version` it is called by the next free number.

    Raises Refused for a name that is taken or not allowed, and for a batch that does not exist.
    """
    if version is not None and (not VERSION.fullmatch(version) or version == "latest"):
        raise Refused(
            "A version has at most 32 letters, digits, dots, hyphens and underscores, starts with a letter or "
            "digit, and is not 'latest'.",
            field="version",
        )
    refuse_unknown(project, settings)
    with transaction.atomic():
        # Race: two cuts at once would take the same number. They take turns on the project's row.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        taken = set(project.releases.exclude(state=Release.State.FAILED).values_list("version", flat=True))
        if version in taken:
            raise Refused(
                f"There is a release {version} already; releases never change, so choose another name.",
                code="taken",
                field="version",
            )
        number = (project.releases.order_by("-number").values_list("number", flat=True).first() or 0) + 1
        release = Release.objects.create(
            project=project,
            number=number,
            version=version or next_version(taken),
            settings=settings.as_json(),
            created_at=now,
            created_by=actor,
        )
        record_audit(
            project=project,
            actor=actor,
            action="release.started",
            obj=release,
            now=now,
            data={"version": release.version, "settings": release.settings},
        )
        job = enqueue_job(
            kind=JOB_KIND,
            key=str(release.pk),
            project=project,
            actor=actor,
            now=now,
            arguments={"release": release.pk},
        )
    return release, job


def refuse_unknown(project: Project, settings: ReleaseSettings) -> None:
    """Raises Refused for a batch, a guideline version or a criterion that the project does not have."""
    batches = set(project.batches.exclude(state="failed").values_list("number", flat=True))
    guidelines = set(project.guidelines.values_list("number", flat=True))
    for missing in sorted(set(settings.batches) - batches):
        raise Refused(
            f"There is no batch {missing} in this project.", code="unknown", field="filters.batches"
        )
    for missing in sorted(set(settings.guidelines) - guidelines):
        raise Refused(
            f"There is no guideline version {missing} in this project.",
            code="unknown",
            field="filters.guideline_versions",
        )
    criteria = Criterion.objects.filter(protocol__project=project).order_by("key")
    keys = list(criteria.values_list("key", flat=True).distinct())
    if settings.criterion not in {*keys, OVERALL, CHOICE}:
        raise Refused(
            f"The project asks no criterion {settings.criterion!r}; there are: {', '.join(keys)}.",
            code="unknown",
            field="criterion",
        )


def next_version(taken: set[str]) -> str:
    """The number after the highest one in use: "1", "2", …"""
    return str(
        max((int(version) for version in taken if version.isascii() and version.isdigit()), default=0) + 1
    )


def cut_release(job: Job, progress: Progress) -> dict[str, Any]:
    """Handler of the job: snapshot, files, freeze. A second run starts afresh and leaves no trace of the first."""
    release = Release.objects.select_related("project").get(pk=job.arguments["release"])
    if release.state == Release.State.FROZEN:
        return release_result(release)
    try:
        return build(release, job, progress)
    except JobFailed:
        # Any other exception is a crash, after which the job comes back for this release.
        fail_release(release, job.created_by, timezone.now(), run=job)
        raise


def build(release: Release, job: Job, progress: Progress) -> dict[str, Any]:
    project = release.project
    settings = stored_settings(release.settings)
    seal_audit()
    progress(0.01)
    with beating(progress, 0.01):
        selection = select_rows(project, settings, with_figures=True)
    if detail := obstacle(selection, settings):
        raise JobFailed(detail)
    progress(0.2)
    position, digest = sealed_head(selection, progress)
    facts = release_facts(project, settings, selection, position, digest)
    stored: list[str] = []
    warnings = [*selection.notes]
    try:
        files: list[ReleaseFile] = []
        with TemporaryDirectory(prefix="concord-release-") as folder, freezing(release, selection) as freezer:
            for number, key in enumerate(settings.formats):
                place = Path(folder) / key
                place.mkdir()
                part = part_of(progress, number, len(settings.formats))
                content = SelectedContent(selection, part)
                for written in write_format(place, key, facts, content):
                    prefix = f"{key}/" if len(settings.formats) > 1 else ""
                    files.append(store_file(release, job, key, place, written, prefix))
                    stored.append(files[-1].storage_name)
                warnings += [f"{key}: {warning}" for warning in content.warnings()]
            with beating(progress, 0.85):
                freezer.wait()
            freezer.freeze(job, replace(facts, warnings=tuple(warnings)), files, progress)
    except BaseException:
        for name in stored:
            default_storage.delete(name)
        raise
    return release_result(release)


@contextmanager
def beating(progress: Progress, share: float, seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """Keep the job's heartbeat going from a thread: the snapshot's own transaction may write nothing.

    A run that was taken over notices at its next own report.
    """
    stop = threading.Event()

    def beat() -> None:
        try:
            while not stop.wait(seconds):
                progress(share)
        except JobSuperseded:
            pass
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def part_of(progress: Progress, number: int, formats: int) -> Callable[[float], None]:
    """Progress of writing format `number`: its share of the stretch from 0.25 to 0.85 of the job."""
    return lambda share: progress(0.25 + 0.6 * (number + share) / formats)


def sealed_head(selection: Selection, progress: Progress) -> tuple[int, bytes]:
    """(position, hash) of the chain at the last event about a judgment in the snapshot; (0, zeros) if none.

    Events of the snapshot that were not chained yet are waited for, so that cutting again gives the same head.
    """
    waiting = AuditEvent.objects.filter(pk__in=selection.audit_waiting)
    deadline = time.monotonic() + SEAL_SECONDS
    while waiting.filter(chain_position__isnull=True).exists():
        if time.monotonic() > deadline:
            raise JobFailed("The audit log could not be sealed in time; please cut the release again.")
        if not seal_audit():
            progress(0.2)
            time.sleep(0.1)
    positions = [selection.audit_position, *waiting.values_list("chain_position", flat=True)]
    position = max(value for value in positions if value is not None)
    if not position:
        return 0, bytes(32)
    return position, bytes(AuditEvent.objects.get(chain_position=position).chain_hash or b"")


def release_facts(
    project: Project, settings: ReleaseSettings, selection: Selection, position: int, digest: bytes
) -> ReleaseFacts:
    before = predecessor(project, position)
    return ReleaseFacts(
        project=project.slug,
        name=project.name,
        description=project.description,
        settings=settings,
        protocols=selection.protocols,
        guidelines=tuple(sorted(selection.guidelines)),
        languages=tuple(sorted(selection.languages)),
        items=selection.items,
        annotators=len(selection.annotators),
        judgments=selection.judgments,
        simulated_judgments=selection.simulated_judgments,
        splits=selection.splits(settings),
        clusters=selection.clusters[0],
        largest_cluster=selection.largest_cluster(),
        dropped=tuple(sorted(selection.dropped.items())),
        audit_position=position,
        audit_hash=digest.hex(),
        leaning=selection.leaning,
        sources=tuple(sorted(selection.sources.items())),
        figures=selection.figures,
        guideline_texts=guideline_texts(project, selection.guidelines),
        consent_texts=selection.consent_texts,
        changes=changes_since(before, selection.rows, settings) if before else None,
    )


def guideline_texts(project: Project, numbers: Collection[int]) -> tuple[Told, ...]:
    """They never change, so they are what they were at the snapshot."""
    texts = project.guidelines.filter(number__in=numbers).order_by("number")
    return tuple(Told(*row) for row in texts.values_list("number", "text"))


class Freezer(NamedTuple):
    """The transaction in which a release is frozen, in a thread of its own."""

    release: Release
    thread: ThreadPoolExecutor
    copied: Future[None]

    def wait(self) -> None:
        """Until all rows are there. Raises what kept them out."""
        self.copied.result()

    def freeze(self, job: Job, facts: ReleaseFacts, files: list[ReleaseFile], progress: Progress) -> None:
        self.thread.submit(freeze, self.release, job, facts, files, progress).result()


@contextmanager
def freezing(release: Release, selection: Selection) -> Iterator[Freezer]:
    """Rows, files and the frozen state in one transaction, which ends with the block: a release is there whole, or not
    at all. The rows are copied while the block writes the files: PostgreSQL has little else to do then.
    """
    given_up = threading.Event()
    with thread_within(transaction.atomic) as thread:
        try:
            yield Freezer(release, thread, thread.submit(copy_rows, release, selection, given_up))
        except BaseException:
            given_up.set()
            raise


ROW_COLUMNS = (
    "release_id, number, item_id, chosen_id, rejected_id, strength, is_tie, split, judgment_ids, content_hash"
)


def copy_rows(release: Release, selection: Selection, given_up: threading.Event) -> None:
    """Insert the rows, numbered from 1 on. Triggers and keys hold for COPY as for any insert."""
    with connection.cursor() as cursor:
        # Keys checked at the commit would be remembered until then, and with each one that is remembered the query
        # of the trigger takes longer: a million rows would take days.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    number = 0
    for rows in selection.rows.chunks(ROWS_AT_ONCE):
        if given_up.is_set():
            return
        copying = f"COPY {ReleaseRow._meta.db_table} ({ROW_COLUMNS}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(copying) as copy:
            for number, row in enumerate(rows, start=number + 1):  # noqa: B020 (goes on from the chunk before)
                made = (row.item, row.chosen, row.rejected, row.strength, row.is_tie, row.split)
                judgments = f"{{{','.join(map(str, row.judgment_ids))}}}"
                copy.write_row((release.pk, number, *made, judgments, row.content_hash))


def freeze(
    release: Release, job: Job, facts: ReleaseFacts, files: list[ReleaseFile], progress: Progress
) -> None:
    """What follows the rows, in their transaction."""
    # Also the fence: the job's row stays locked, so a run that took this job over waits or ends this one.
    progress(0.9)
    ReleaseFile.objects.bulk_create(files)
    now = timezone.now()
    release.state = Release.State.FROZEN
    release.frozen_at = now
    release.manifest = facts.as_json()
    release.judgments = facts.judgments
    release.audit_position = facts.audit_position
    release.audit_hash = bytes.fromhex(facts.audit_hash)
    release.save(
        update_fields=["state", "frozen_at", "manifest", "judgments", "audit_position", "audit_hash"]
    )
    record_audit(
        project=release.project,
        actor=job.created_by,
        action="release.frozen",
        obj=release,
        now=now,
        data={
            "version": release.version,
            "rows": facts.rows,
            "sha256": {f.name: f.sha256 for f in files if f.path == "SHA256SUMS"},
        },
    )
    announce_release(release, "release.frozen", now)


def release_result(release: Release) -> dict[str, Any]:
    return {
        "release": release.version,
        "rows": release.manifest["rows"],
        "splits": release.manifest["splits"],
        "warnings": release.manifest.get("warnings", []),
    }


def fail_abandoned_releases(now: datetime) -> None:
    """Mark releases whose job has ended without them. A dead letter has not: a lead may try it again."""
    working = Job.objects.filter(
        Q(state__in=[Job.State.QUEUED, Job.State.RUNNING]) | Q(is_dead_letter=True),
        kind=JOB_KIND,
        key=Cast(OuterRef("pk"), CharField()),
    )
    abandoned = Release.objects.filter(~Exists(working), state=Release.State.BUILDING)
    for release in abandoned.select_related("project"):
        fail_release(release, None, now)


def fail_release(release: Release, actor: User | None, now: datetime, run: Job | None = None) -> None:
    """Mark a release that is still building as failed; its name is free again.

    A `run` that was taken over changes nothing: the release is another worker's.
    """
    with transaction.atomic():
        if run is not None and not holds_job(run):
            return
        building = Release.objects.filter(pk=release.pk, state=Release.State.BUILDING)
        if building.update(state=Release.State.FAILED):
            record_audit(
                project=release.project,
                actor=actor,
                action="release.failed",
                obj=release,
                now=now,
                data={"version": release.version},
            )
            release.state = Release.State.FAILED
            announce_release(release, "release.failed", now)


def holds_job(run: Job) -> bool:
    """Whether the job is still this run's; locks its row, so that nobody takes it over before the commit."""
    ours = Job.objects.filter(pk=run.pk, state=Job.State.RUNNING, attempts=run.attempts)
    return ours.select_for_update(no_key=True).first() is not None
