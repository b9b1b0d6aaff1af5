"""`manage.py restore DIR`: from a backup to a database that is proved to hold the same.

The order: every byte of the backup is read and compared; a target is found or made, and refused when anything is in
it; files; rows, in one transaction; rows and files are compared with the manifest; migrations that are due; every
invariant. What fails before the end leaves the target as empty as it was found.
"""

import argparse
import os
import re
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from annotation.backup import database
from annotation.backup.manifest import (
    FILES,
    Manifest,
    StoredFile,
    check_content,
    check_version,
    read_manifest,
    sha256_of,
)
from annotation.runtime import roles
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.instance import INSTANCE_FILE, read_json, var_folder
from annotation.runtime.postgres import Cluster
from annotation.runtime.prepared import Preparation, migrations
from annotation.runtime.up import CLUSTER_FILE, database_of, locked, one_line_for_faults, set_up_django

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Target:
    """Where a backup goes: an empty database, by the addresses of two roles that may be one, and a folder."""

    owner_url: str
    application_url: str
    files: Path

    @property
    def user(self) -> str | None:
        """The role of the application, where it is not the owner."""
        owner, user = (conninfo_to_dict(url).get("user") for url in (self.owner_url, self.application_url))
        return None if user == owner or user is None else str(user)


def main(arguments: list[str]) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="manage.py restore",
        description="Restore a backup into an empty instance (VAR, or DATABASE_URL), and prove that it is whole.",
    )
    parser.add_argument("folder", type=Path, help="what `manage.py backup` made")
    parser.add_argument(
        "--into", metavar="NAME", help="make a new database of this name beside the instance's own"
    )
    parser.add_argument("--var", type=Path, default=var_folder(), help="folder of the instance (VAR, ./var)")
    options = parser.parse_args(arguments)
    var = options.var.absolute()
    signal.signal(signal.SIGTERM, _on_signal)  # as Ctrl-C: what was begun is taken back
    try:
        with one_line_for_faults(var, what="Restoring", log="restore.log"):
            restore(options.folder.absolute(), var=var, into=options.into)
    except RuntimeFault as fault:
        print(fault, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was restored.", file=sys.stderr, flush=True)
        return 1
    return 0


def _on_signal(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def restore(folder: Path, *, var: Path, into: str | None) -> None:
    """Read the backup in `folder` back and prove it. Raises RuntimeFault when anything is in the way."""
    if into is not None and not NAME.fullmatch(into):
        raise RuntimeFault(f"{into!r} is no name for a database: lower-case letters, digits and _ are.")
    manifest = read_manifest(folder)
    check_version(manifest)
    check_content(folder, manifest)
    is_embedded = not os.environ.get("DATABASE_URL")
    with _target(var, into) as target, _files(folder / FILES, manifest, target.files):
        database.load(target.owner_url, folder / manifest.dump.name)
        if target.user is not None:
            roles.grant_rows(target.owner_url, user=target.user)
        _prove_rows(manifest, target)
        is_streamed = database.pass_over_transactions(target.owner_url, manifest.transaction)
        _prove_meaning(manifest, target, var)
        if into is None and is_embedded:
            # The demo belongs to new instances; this one has people's own work.
            preparation = Preparation(var, target.application_url)
            preparation.note |= {"database": preparation.database}
            preparation.remember_demo()
    rows = sum(table.rows for table in manifest.tables)
    print(
        f"Restored the state of {manifest.begun_at}: {len(manifest.tables)} tables with {rows} rows and"
        f" {len(manifest.files)} files, all as they were backed up. Every invariant and the audit chain hold."
    )
    if not is_streamed:
        print(
            "The server's transaction ids are far behind: the stream of judgments is empty until they catch up."
        )
    if into is not None:
        print(f"It is the database {into}; its files are in {target.files}.")


@contextmanager
def _target(var: Path, into: str | None) -> Iterator[Target]:
    """An empty database, for the length of the block. When that fails, it is empty again, or gone if it was made."""
    with _server(var, is_beside=into is not None) as (admin_url, owner_url, application_url):
        if into is None:
            if not database.is_empty(owner_url):
                raise RuntimeFault(
                    "The database is not empty, and a restore replaces nothing: restore into a new instance (VAR=), or"
                    " beside it with --into NAME."
                )
            try:
                yield Target(owner_url, application_url, var / "files")
            except BaseException:
                database.empty_again(owner_url)
                raise
            return
        target = Target(_named(owner_url, into), _named(application_url, into), var / f"files-{into}")
        _create(admin_url, into, target)
        try:
            roles.install_queue(target.owner_url, user=target.user)
            yield target
        except BaseException:
            with psycopg.connect(admin_url, autocommit=True) as session:
                session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(into)))
            raise


@contextmanager
def _server(var: Path, *, is_beside: bool) -> Iterator[tuple[str, str, str]]:
    """A server that answers: addresses of who may make databases, of the owner, and of the application."""
    is_embedded = not os.environ.get("DATABASE_URL")
    if is_embedded and (var / INSTANCE_FILE).exists() and not (var / CLUSTER_FILE).exists():
        raise RuntimeFault(f"The instance of {var} uses a server of yours: name it in DATABASE_URL here too.")
    if is_embedded and is_beside and _is_served(var):
        passwords = read_json(var / CLUSTER_FILE)
        running = Cluster(home=var, password=passwords["superuser"])
        yield (
            running.superuser_url,
            running.url(roles.OWNER, passwords["owner"], roles.DATABASE),
            running.url(roles.APPLICATION, passwords["application"], roles.DATABASE),
        )
        return
    with locked(var) if is_embedded else nullcontext():
        cluster, application_url, owner_url = database_of(var)
        try:
            yield cluster.superuser_url if cluster else owner_url, owner_url, application_url
        finally:
            if cluster:
                cluster.stop()


def _is_served(var: Path) -> bool:
    """Whether an instance that runs in this folder has a database that answers."""
    url = read_json(var / INSTANCE_FILE).get("database_url")
    try:
        if url:
            psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return bool(url)


def _create(admin_url: str, name: str, target: Target) -> None:
    owner = str(conninfo_to_dict(target.owner_url)["user"])
    try:
        with psycopg.connect(admin_url, autocommit=True) as session:
            roles.create_database(session, name, owner=owner, user=target.user or owner)
    except psycopg.errors.DuplicateDatabase as error:
        raise RuntimeFault(f"There is a database {name} already: choose another name.") from error
    except psycopg.Error as error:
        raise RuntimeFault(f"The database {name} cannot be made: {' '.join(str(error).split())}") from error


def _named(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


@contextmanager
def _files(source: Path, manifest: Manifest, folder: Path) -> Iterator[None]:
    """Put the files where the application looks for them, and take them away again when the block fails.

    One that is there with the same content stays; with another content it is somebody's, and refused.
    """
    missing = [file for file in manifest.files if not (folder / file.name).exists()]
    for file in manifest.files:
        path = folder / file.name
        if file not in missing and not _is(path, file):
            raise RuntimeFault(
                f"{path} is there with another content: move it away, or restore into a new instance."
            )
    try:
        for file in missing:
            _put(source / file.name, folder / file.name)
            if not _is(folder / file.name, file):
                raise RuntimeFault(f"{folder / file.name} could not be written as it was: is the disk well?")
        yield
    except BaseException:
        for file in missing:
            (folder / file.name).unlink(missing_ok=True)
        raise


def _put(source: Path, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        source.open("rb") as from_file,
        os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as to_file,
    ):
        shutil.copyfileobj(from_file, to_file)
        to_file.flush()
        os.fsync(to_file.fileno())


def _is(path: Path, file: StoredFile) -> bool:
    return path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _prove_rows(manifest: Manifest, target: Target) -> None:
    """Every table has the rows that were backed up."""
    with psycopg.connect(target.owner_url) as session:
        found = database.differences(manifest.tables, database.contents(session))
    if found:
        raise RuntimeFault(f"The backup does not prove itself: {'; '.join(found[:3])}. Use another backup.")


def _prove_meaning(manifest: Manifest, target: Target, var: Path) -> None:
    """Migrate if that is due; then rows and files belong together, and what must always hold does."""
    os.environ |= {"DATABASE_URL": target.owner_url, "VAR": str(var)}
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))  # signs nothing here
    set_up_django()
    from django.core.management import call_command
    from django.db import connection

    from annotation.audit import verify_chain
    from annotation.backup.making import stored_files
    from annotation.invariants import violations
    from annotation.nightly import SWEEP_PATIENCE

    try:
        if migrations()[1]:
            call_command("migrate", interactive=False, verbosity=0)
        held = {(file.name, file.sha256) for file in manifest.files}
        with connection.cursor() as cursor:
            for _, query in stored_files:
                cursor.execute(query)
                for name, digest, _ in cursor.fetchall():
                    if digest is not None and (name, digest) not in held:
                        raise RuntimeFault(f"The backup does not hold the file {name}. Use another backup.")
        # Leases went on ending since then, and nobody has swept them.
        swept_before = datetime.fromisoformat(manifest.begun_at) - SWEEP_PATIENCE
        broken = [
            f"{found.code} {found.detail}" for found in violations(swept_before=swept_before.isoformat())
        ]
        position = verify_chain()
        if position is not None:
            broken.append(f"I11 the audit chain breaks at position {position}")
    finally:
        connection.close()
    if broken:
        raise RuntimeFault(f"What must always hold does not in this backup: {'; '.join(broken[:3])}.")
