"""Fetching the files of a release: resumed where they broke off, checked, and only then named."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from exporters.checksums import sha256_of
from exporters.cli.client import TRIES, Client, checked
from exporters.cli.errors import CommandError

BLOCK = 1 << 20
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
DATA_NAME = re.compile(r"[a-z]+-\d{5}-of-\d{5}\.(parquet|jsonl(\.gz)?)")
SUMS = "SHA256SUMS"
Advance = Callable[[int], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a release: `name` in the API, `path` in the folder; `kind` is parquet, jsonl or text."""

    name: str
    path: str
    kind: str
    size: int
    sha256: str


def remote_files(manifest: dict[str, Any], export_format: str, kinds: Sequence[str]) -> list[RemoteFile]:
    """The files of one format that belong in the folder, SHA256SUMS last. Raises when the format is not there."""
    entries = [entry for entry in manifest["files"] if entry["format"] == export_format]
    if not entries:
        there_are = sorted({entry["format"] for entry in manifest["files"]})
        raise CommandError(
            f"Release {manifest['release']} has no format {export_format!r}, only {', '.join(there_are)}. "
            "Cut one with --cut."
        )
    files = [
        RemoteFile(entry["name"], entry["path"], entry["type"], int(entry["bytes"]), entry["sha256"])
        for entry in entries
        if not entry.get("split") or entry["type"] in kinds
    ]
    for file in files:
        plain_name(file.path, "file")
        for part in file.name.split("/"):
            plain_name(part, "file")
    return sorted(files, key=lambda file: (file.path == SUMS, file.kind == "text", file.path))


def plain_name(name: str, what: str) -> str:
    """`name` itself. It comes from a server and becomes part of a path, so it may not lead out of the folder."""
    if not PLAIN_NAME.fullmatch(name):
        raise CommandError(f"The server names a {what} {name!r}; refused.")
    return name


def prepare_folder(folder: Path, files: Sequence[RemoteFile]) -> None:
    """Make the folder, and take away what an earlier pull of another release left there.

    Raises for a data file that no pull of ours has listed: a pattern such as train-*.parquet would load it too.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {file.path for file in files}
        for name in listed_names(folder / SUMS) - wanted:
            if PLAIN_NAME.fullmatch(name):
                (folder / name).unlink(missing_ok=True)
        strangers = sorted(
            path.name
            for path in folder.iterdir()
            if DATA_NAME.fullmatch(path.name) and path.name not in wanted
        )
    except OSError as error:
        raise CommandError(f"Cannot use the folder {folder}: {error.strerror}.") from error
    if strangers:
        raise CommandError(
            f"{folder} holds {strangers[0]}, which is not of this release; choose another folder."
        )


def listed_names(sums: Path) -> set[str]:
    if not sums.exists():
        return set()
    return {line.split("  ", 1)[-1] for line in sums.read_text().splitlines() if "  " in line}


def fetch_file(client: Client, address: str, file: RemoteFile, folder: Path, advance: Advance) -> str:
    """Have `file` in the folder with the right bytes. Returns kept, fetched, resumed or repaired.

    `advance` is told the bytes as they come, also those that were there already.
    """
    target = folder / file.path
    part = folder / f".{file.path}.part"
    try:
        if target.exists():
            if sha256_of(target) == file.sha256:
                advance(file.size)
                return "kept"
            # A file that was cut off is as good as a part; its beginning is checked with the whole. Texts are
            # short, and those of a folder of one type differ from the server's: they come anew.
            if file.kind != "text":
                target.replace(part)
        start = part.stat().st_size if part.exists() else 0
        if start > file.size:
            start = 0
        done = "resumed" if start else "fetched"
        advance(start)
        if start < file.size or not start:
            receive(client, address, file, part, start, advance)
        if sha256_of(part) != file.sha256 and start:
            # What was there before was not the beginning of this file: once more, from the start.
            done = "repaired"
            advance(-part.stat().st_size)
            receive(client, address, file, part, 0, advance)
        if sha256_of(part) != file.sha256:
            part.unlink()
            raise CommandError(
                f"{file.path} does not match its checksum; what the server sent is damaged. Nothing was kept of it."
            )
        part.replace(target)
        return done
    except OSError as error:
        raise CommandError(f"Cannot write {target}: {error.strerror or error}.") from error


def receive(client: Client, address: str, file: RemoteFile, part: Path, start: int, advance: Advance) -> None:
    """Download into `part` from byte `start` on, going on where the connection breaks.

    Raises CommandError once more comes than the announced size: a server must not fill the disk.
    """
    have, broken = start, 0
    with part.open("r+b" if start else "wb") as out:
        out.truncate(start)
        while True:
            out.seek(have)
            headers = {"Accept-Encoding": "identity"}
            if have:
                headers |= {"Range": f"bytes={have}-", "If-Range": f'"{file.sha256}"'}
            before = have
            try:
                with client.http.stream("GET", address, headers=headers) as response:
                    checked(response)
                    if have and response.status_code != httpx.codes.PARTIAL_CONTENT:
                        advance(-have)
                        have = 0
                        out.seek(0)
                        out.truncate()
                    for block in response.iter_bytes(BLOCK):
                        if have + len(block) > file.size:
                            raise CommandError(
                                f"The server sends more than the {file.size:,} bytes of {file.path}; refused."
                            )
                        out.write(block)
                        have += len(block)
                        advance(len(block))
                return
            except httpx.ConnectError as error:
                raise CommandError(
                    f"Lost {client.url} while fetching {file.path}; run the same command again to go on."
                ) from error
            except httpx.TransportError as error:
                broken = 0 if have > before else broken + 1
                if broken >= TRIES:
                    raise CommandError(
                        f"The connection broke while fetching {file.path}: {error}. "
                        "Run the same command again to go on."
                    ) from error
                time.sleep(0.2 * 2**broken)
