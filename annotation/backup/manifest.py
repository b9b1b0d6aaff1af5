"""What a backup holds, and the check that it still holds that. Knows nothing of Django.

DIR/manifest.json    written last: without it there is no backup
DIR/database.dump    pg_dump's custom format, of one snapshot
DIR/files/…          the stored files that rows of that snapshot name
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from annotation.runtime.errors import RuntimeFault
from annotation.runtime.instance import ROOT, read_json

FORMAT = 1
MANIFEST, DUMP, FILES = "manifest.json", "database.dump", "files"


@dataclass(frozen=True)
class StoredFile:
    """`name` is a path with `/` below the folder it lies in; `size` in bytes, `sha256` in hex."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Table:
    """What a table held: the digest is the same for the same rows, in whatever order they lie."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Manifest:
    begun_at: str
    """ISO 8601, of the snapshot: what was acknowledged before is in the backup."""
    transaction: int
    """The next transaction id of the server at the snapshot."""
    dump: StoredFile
    tables: tuple[Table, ...]
    migrations: tuple[tuple[str, str], ...]
    """(app, name) of every migration that the database had."""
    files: tuple[StoredFile, ...]

    def as_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the backup in `folder`. Raises RuntimeFault where there is none that can be used."""
    if not (folder / MANIFEST).is_file():
        raise RuntimeFault(f"{folder} is no backup: it has no {MANIFEST}.")
    try:
        found = read_json(folder / MANIFEST)
    except RuntimeFault as fault:
        raise RuntimeFault(f"{folder / MANIFEST} is damaged: use another backup.") from fault
    if found.get("format") != FORMAT:
        raise RuntimeFault(
            f"{folder} is a backup of format {found.get('format')!r}, and this Concord reads {FORMAT}: "
            "restore it with the version that made it."
        )
    try:
        manifest = Manifest(
            begun_at=str(found["begun_at"]),
            transaction=int(found["transaction"]),
            dump=StoredFile(**found["dump"]),
            tables=tuple(Table(**table) for table in found["tables"]),
            migrations=tuple((str(app), str(name)) for app, name in found["migrations"]),
            files=tuple(StoredFile(**file) for file in found["files"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RuntimeFault(f"{folder / MANIFEST} is damaged ({error!r}): use another backup.") from error
    for file in (manifest.dump, *manifest.files):
        parts = PurePosixPath(file.name)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts:
            raise RuntimeFault(f"{folder / MANIFEST} names a file outside of the backup: {file.name!r}.")
    return manifest


def check_content(folder: Path, manifest: Manifest) -> None:
    """Read every byte of the backup. Raises RuntimeFault naming the first file that is not what was written."""
    listed = [(folder / manifest.dump.name, manifest.dump)]
    listed += [(folder / FILES / file.name, file) for file in manifest.files]
    for path, file in listed:
        if not path.is_file():
            raise RuntimeFault(f"The backup is not whole: {path} is missing. Use another backup.")
        size = path.stat().st_size
        if size != file.size:
            raise RuntimeFault(
                f"The backup is damaged: {path} has {size} bytes of {file.size}. Use another backup."
            )
        if sha256_of(path) != file.sha256:
            raise RuntimeFault(
                f"The backup is damaged: {path} has another content than was written. Use another backup."
            )


def check_version(manifest: Manifest) -> None:
    """Raises RuntimeFault when the backup has migrations of ours that this code does not know: it is from later."""
    known = {(path.parents[1].name, path.stem) for path in ROOT.glob("*/migrations/*.py")}
    rooms = {app for app, _ in known}
    unknown = [
        f"{app}.{name}" for app, name in manifest.migrations if app in rooms and (app, name) not in known
    ]
    if unknown:
        raise RuntimeFault(
            f"The backup is from a newer Concord ({unknown[0]} is not known here): restore it with that version."
        )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Have the disk hold `folder` and everything below it."""
    for path in (*_below(folder), folder):
        sync(path)


def sync(path: Path) -> None:
    """Have the disk hold a file's bytes, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _below(path)
        yield path
