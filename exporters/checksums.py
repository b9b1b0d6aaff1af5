"""SHA-256 of files, for those who write a release and those who pull one. No Django, nothing to install."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(files: Iterable[tuple[str, str]]) -> str:
    """SHA256SUMS of (name, hex digest) pairs, in the form that `sha256sum -c` reads."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(files))
