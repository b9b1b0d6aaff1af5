"""Where the command keeps the address and the token of its server."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import typer

from exporters.cli.errors import CommandError


@dataclass(frozen=True)
class Account:
    """The server (no slash at the end) and a token of it."""

    url: str
    token: str


def account_file() -> Path:
    """CONCORD_CONFIG, else `credentials.json` in the platform's folder for settings."""
    named = os.environ.get("CONCORD_CONFIG")
    return Path(named) if named else Path(typer.get_app_dir("concord")) / "credentials.json"


def save_account(account: Account) -> Path:
    """Keep the account, readable by its owner only."""
    path = account_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"url": account.url, "token": account.token}, file)
        fresh.replace(path)
    except OSError as error:
        raise CommandError(f"Cannot write {path}: {error.strerror}.") from error
    return path


def load_account() -> Account:
    """CONCORD_URL with CONCORD_TOKEN when both are set, else what `login` kept."""
    url, token = os.environ.get("CONCORD_URL"), os.environ.get("CONCORD_TOKEN")
    if url and token:
        return Account(url.rstrip("/"), token)
    path = account_file()
    try:
        stored = json.loads(path.read_text())
        return Account(stored["url"], stored["token"])
    except FileNotFoundError:
        raise CommandError("You are not signed in: run `concord login URL` first.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"Cannot read {path}: run `concord login URL` again.") from error
