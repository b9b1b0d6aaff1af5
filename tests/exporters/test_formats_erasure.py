"""Erasing what a person wrote reaches the files of releases in every format."""

import gzip
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage

from annotation.jobs import run_claimed
from annotation.models import AuditEvent, Membership
from comparisons.erasure import erase_texts
from exporters.erasure import erase_released_texts
from exporters.formats import export_formats
from exporters.models import Release
from exporters.services.releases import start_release
from exporters.settings import release_settings
from tests.exporters.format_worlds import CUTTABLE, KINDS, agreed, lease_in, world_of_all_kinds
from tests.exporters.format_worlds import some_answer as said
from tests.exporters.releases import contents, cut
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = {"split": {"train": 1}, "formats": CUTTABLE}
FORGOTTEN = NOW + timedelta(days=2)
SWEPT = NOW + timedelta(days=3)
HOLDING = sorted(key for key in CUTTABLE if export_formats.get(key).holds_words)


def written_world(kinds: list[str], note: str = "") -> tuple[World, Membership, Membership]:
    """Two people judge one item of each of `kinds`; the first one is to be forgotten, and notes something."""
    world, batches = world_of_all_kinds(items=2)
    first, second = agreed(world), agreed(world)
    for kind in KINDS:
        people = [first, second] if kind in kinds else [second]
        for person in people:
            lease = lease_in(batches[kind], person)
            world.submit(lease, said(lease), note=note if person == first else "")
    return world, first, second


def erased_formats(release: Release) -> list[str]:
    return sorted(set(release.files.filter(erased_at__isnull=False).values_list("format", flat=True)))


def test_a_format_says_truly_whether_it_holds_what_people_wrote() -> None:
    world, _, _ = written_world(list(KINDS), note="Written as a note.")
    files = contents(cut(world, EVERYTHING)[0])
    found = {
        name.split("/")[0]
        for name, data in files.items()
        if name.endswith(".jsonl.gz") and b"Written" in gzip.decompress(data)
    }
    assert sorted(found) == HOLDING
    assert not [name for name, data in files.items() if "/train" not in name and b"Written for" in data]


def test_erased_texts_leave_every_file_that_may_hold_them() -> None:
    world, first, _ = written_world(list(KINDS))
    release, _ = cut(world, EVERYTHING)
    data = list(
        release.files.filter(format__in=HOLDING).exclude(split="").values_list("storage_name", flat=True)
    )
    erase_released_texts(SWEPT)
    assert erased_formats(release) == []
    erase_texts(annotator=first, actor=world.lead, now=FORGOTTEN)
    erase_released_texts(SWEPT)
    assert erased_formats(release) == HOLDING
    assert data and not [name for name in data if default_storage.exists(name)]
    kept = release.files.filter(erased_at__isnull=True)
    assert all(default_storage.exists(file.storage_name) for file in kept)
    assert kept.filter(format="preference").count() == 5
    assert AuditEvent.objects.filter(action="release.erased").count() == 1
    erase_released_texts(SWEPT + timedelta(days=1))
    assert set(release.files.values_list("erased_at", flat=True)) == {None, SWEPT}
    assert AuditEvent.objects.filter(action="release.erased").count() == 1


def test_erased_files_point_at_the_release_that_was_cut_since() -> None:
    world, first, _ = written_world(list(KINDS))
    release, _ = cut(world, EVERYTHING)
    erase_texts(annotator=first, actor=world.lead, now=NOW + timedelta(days=1))
    erase_released_texts(NOW + timedelta(days=1))
    # `cut` starts a release one day after NOW: this one is not after the erasure, and is searched like the other.
    same_moment, _ = cut(world, EVERYTHING)
    erase_released_texts(SWEPT)
    assert erased_formats(same_moment) == HOLDING
    assert set(release.files.values_list("successor", flat=True)) == {None}
    since, job = start_release(
        project=world.project, actor=world.lead, settings=release_settings(EVERYTHING), now=FORGOTTEN
    )
    run_claimed(str(job.pk), FORGOTTEN)
    erase_released_texts(SWEPT)
    assert erased_formats(since) == []
    successors = release.files.filter(erased_at__isnull=False).values_list("successor", flat=True)
    assert set(successors) == {since.pk}


def test_of_a_release_without_their_texts_the_notes_go_and_nothing_else() -> None:
    world, first, _ = written_world(["pairwise", "demonstration"], note="I know the author.")
    body = {"split": {"train": 1}, "formats": ["preference", "reward", "judgments"]}
    with_notes, _ = cut(world, body | {"filters": {"batches": [1]}})
    without, _ = cut(world, body | {"filters": {"batches": [2]}})
    erase_texts(annotator=first, actor=world.lead, now=FORGOTTEN)
    erase_released_texts(SWEPT)
    assert erased_formats(with_notes) == ["judgments"]
    assert erased_formats(without) == []
