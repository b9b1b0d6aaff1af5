"""Sending a pulled folder to a repository of Hugging Face, with their own library (the extra `concord[hub]`)."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import typer

from exporters.cli.download import SUMS
from exporters.cli.errors import CommandError

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
OURS = [".concord.json"]
"""Names the server that a folder was pulled from: nothing for others to read."""
DATA = ["train-*", "validation-*", "test-*"]
"""Data of an earlier release with more files would be loaded with those of this one, so it goes in the same step."""


def hub_token() -> str:
    """HF_TOKEN, else asked for; it is kept nowhere."""
    return (os.environ.get("HF_TOKEN") or typer.prompt("Token of Hugging Face", hide_input=True)).strip()


def verify(folder: Path) -> int:
    """How many files SHA256SUMS lists. Raises CommandError for one that is missing or does not match."""
    lines = (folder / SUMS).read_text("utf-8").splitlines()
    for line in lines:
        digest, name = line.split("  ", 1)
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise CommandError(f"{name} does not match {SUMS}; nothing was sent.")
    return len(lines)


def need_library() -> None:
    """Raises CommandError, before anything is pulled, where the extra is missing."""
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise CommandError(
            "push-hub needs the package huggingface_hub: run `pip install 'concord[hub]'` first."
        ) from error


def send_folder(
    folder: Path, repository: str, *, token: str, endpoint: str, public: bool, message: str
) -> str:
    """Upload the folder as a dataset repository, made if it is not there; returns its address."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=endpoint or None, token=token, library_name="concord")
    try:
        address = api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            commit_message=message,
            ignore_patterns=list(OURS),
            delete_patterns=list(DATA),
        )
    except HfHubHTTPError as error:
        status = error.response.status_code
        why = "does not accept this token" if status == 401 else f"answered {status}"
        raise CommandError(f"{api.endpoint} {why}: {error.server_message or 'no reason given'}") from error
    except (HTTPError, OSError) as error:
        raise CommandError(f"The connection to {api.endpoint} broke ({type(error).__name__}).") from error
    return str(address)
