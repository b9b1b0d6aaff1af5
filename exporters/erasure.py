"""What a person wrote leaves the files of releases, too, once it was erased (I12, I14)."""

from datetime import datetime

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from annotation.audit import record_audit
from annotation.models import AuditEvent, Judgment, Membership
from exporters.formats import export_formats
from exporters.models import Release, ReleaseFile
from exporters.services.webhooks import announce_release

WROTE = Q(demonstration_answer__isnull=False) | Q(critique_answer__isnull=False)


def erase_released_texts(now: datetime) -> None:
    """Delete the data files that may hold texts of people whose texts were erased; hashes, manifest and card stay.

    A sweep: it finds what there is to do by itself, so nothing is lost by a crash, and doing it twice is doing it
    once. Releases that were started before the erasure are looked at, also those that were frozen after it. When
    in doubt a file goes: a release that covers the batch of any text of the person counts as holding it.
    """
    events = AuditEvent.objects.filter(action="texts.erased", object_type=Membership._meta.model_name)
    for event in events.order_by("pk"):
        releases = Release.objects.filter(
            project=event.project_id, state=Release.State.FROZEN, created_at__lte=event.created_at
        )
        kept = ReleaseFile.objects.filter(release__in=releases, erased_at__isnull=True).exclude(split="")
        for release in releases.filter(pk__in=kept.values("release")):
            formats = formats_with_words(release, int(event.object_id))
            erase_files(release, formats, successor_of(release, event.created_at), now)
    name_successors()


def formats_with_words(release: Release, annotator: int) -> list[str]:
    """The formats of `release` that may hold what this person wrote before it was frozen."""
    judgments = Judgment.objects.filter(annotator=annotator, created_at__lte=release.frozen_at)
    if batches := release.settings["filters"]["batches"]:
        judgments = judgments.filter(batch__number__in=batches)
    holding = [(key, each.reads_judgments) for key, each in export_formats if each.holds_words]
    if judgments.filter(WROTE).exists():
        return [key for key, _ in holding]
    # Notes stand in whole judgments only.
    if judgments.exclude(note="", erased_at__isnull=True).exists():
        return [key for key, reads_judgments in holding if reads_judgments]
    return []


def erase_files(release: Release, formats: list[str], successor: Release | None, now: datetime) -> None:
    files = release.files.filter(format__in=formats, erased_at__isnull=True).exclude(split="")
    names = list(files.values_list("storage_name", flat=True))
    if not names:
        return
    # Bytes first: after a crash in between the sweep comes back for the rows. The other way round nobody would.
    for name in names:
        default_storage.delete(name)
    with transaction.atomic():
        erased = files.filter(storage_name__in=names).update(erased_at=now, successor=successor)
        record_audit(
            project=release.project,
            actor=None,
            action="release.erased",
            obj=release,
            now=now,
            data={"version": release.version, "files": erased},
        )
        announce_release(release, "release.erased", now)


def successor_of(release: Release, erased_at: datetime) -> Release | None:
    """The first release of the project that was started after the erasure."""
    later = release.project.releases.filter(state=Release.State.FROZEN, created_at__gt=erased_at)
    return later.order_by("number").first()


def name_successors() -> None:
    """Point erased files at a release that was cut since."""
    waiting = Release.objects.filter(files__erased_at__isnull=False, files__successor__isnull=True).distinct()
    for release in waiting:
        files = release.files.filter(erased_at__isnull=False, successor__isnull=True)
        erased_at = files.order_by("erased_at").values_list("erased_at", flat=True)[0]
        if erased_at is not None and (successor := successor_of(release, erased_at)):
            files.update(successor=successor)
