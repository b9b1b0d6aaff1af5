"""Making a backup while people work: one snapshot for the rows and for the list of files that belong to them."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import IO

import psycopg

from annotation.backup import database
from annotation.backup.manifest import (
    DUMP,
    FILES,
    MANIFEST,
    Manifest,
    StoredFile,
    sha256_of,
    sync,
    sync_folder,
)
from annotation.registry import Registry
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.instance import write_json

CHUNK_BYTES = 1 << 20

stored_files: Registry[str] = Registry("stored files")
"""Queries for (name in the storage, sha256, size) of files that rows rest on; a higher room registers its own.

Without a hash a file is one that may be gone by now: it is taken along if it is there.
"""
stored_files.register(
    "uploads",
    # A dead letter may yet be tried again, and then reads its file.
    "SELECT arguments->>'path', NULL, NULL FROM annotation_job WHERE arguments ? 'path'"
    " AND (state IN ('queued', 'running') OR is_dead_letter)",
)

OpenFile = Callable[[str], AbstractContextManager[IO[bytes]]]


def back_up(folder: Path, *, url: str, open_file: OpenFile, now: datetime) -> Manifest:
    """Write a backup of the database at `url` to the new folder `folder`, which is there whole or not at all."""
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RuntimeFault(f"{folder} is there already: give each backup a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        manifest = _write(draft, url=url, open_file=open_file, now=now)
        draft.rename(folder)
        sync(folder.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifest


def _write(draft: Path, *, url: str, open_file: OpenFile, now: datetime) -> Manifest:
    with psycopg.connect(url) as session:
        snapshot = database.export_snapshot(session)
        transaction = database.next_transaction(session)
        database.dump(url, snapshot=snapshot, to=draft / DUMP)
        content = database.contents(session)
        migrations = session.execute("SELECT app, name FROM django_migrations ORDER BY app, name").fetchall()
        wanted = {row[0]: row for _, query in stored_files for row in session.execute(query).fetchall()}
    files = list(_copies(draft / FILES, wanted.values(), open_file))
    manifest = Manifest(
        begun_at=now.isoformat(),
        transaction=transaction,
        dump=StoredFile(DUMP, sha256_of(draft / DUMP), (draft / DUMP).stat().st_size),
        tables=content,
        migrations=tuple((app, name) for app, name in migrations),
        files=tuple(files),
    )
    write_json(draft / MANIFEST, manifest.as_json())
    sync_folder(draft)
    return manifest


def _copies(
    folder: Path, wanted: Iterable[tuple[str, str | None, int | None]], open_file: OpenFile
) -> Iterable[StoredFile]:
    """Copy each file, and see that it still is what its row says."""
    folder.mkdir(mode=0o700)
    for name, sha256, size in wanted:
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            copied = _copy(name, path, open_file)
        except FileNotFoundError as error:
            if sha256 is None:
                continue
            raise RuntimeFault(
                f"The file {name} of a release is missing. If it was erased this very moment, back up again; else "
                "bring it back from an earlier backup first."
            ) from error
        if sha256 is not None and (copied.sha256, copied.size) != (sha256, size):
            raise RuntimeFault(
                f"The file {name} of a release is damaged: it has {copied.size} bytes of {size}, or others than were "
                "written. Bring it back from an earlier backup first."
            )
        yield copied


def _copy(name: str, path: Path, open_file: OpenFile) -> StoredFile:
    digest, size = hashlib.sha256(), 0
    with open_file(name) as source, path.open("xb") as target:
        while piece := source.read(CHUNK_BYTES):
            digest.update(piece)
            size += target.write(piece)
    return StoredFile(name, digest.hexdigest(), size)
