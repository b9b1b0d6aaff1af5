"""The files of a running instance under VAR, and how an address of PostgreSQL becomes Django's settings."""

import getpass
import json
import os
from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from annotation.runtime.errors import RuntimeFault

ROOT = Path(__file__).resolve().parents[2]
INSTANCE_FILE = "instance.json"
LOGINS_FILE = "logins.json"


def var_folder() -> Path:
    """The instance's folder: the environment's VAR, else `var` beside `manage.py`."""
    return Path(os.environ.get("VAR") or ROOT / "var").absolute()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when there is no file.

    Raises `RuntimeFault` when the file is there but cannot be read as an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise RuntimeFault(f"{path} cannot be read: it belongs to another user.") from error
    except ValueError as error:
        raise RuntimeFault(
            f"{path} is no JSON: remove it to start anew, or restore it from a backup."
        ) from error
    if not isinstance(content, dict):
        raise RuntimeFault(f"{path} holds no JSON object: remove it to start anew.")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a file in one step, readable by its owner only."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def django_database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry for a libpq address (`postgresql://…`, percent-encoded socket folders too).

    Raises `RuntimeFault` for what is no PostgreSQL address.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise RuntimeFault("DATABASE_URL must begin with postgresql://; Concord runs on PostgreSQL only.")
    parts = _parts("DATABASE_URL", url)
    return {
        "ENGINE": "annotation.config.postgresql",
        "NAME": parts.pop("dbname", "concord"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }


def queue_conninfo(url: str) -> str:
    """The key=value form of a `pgmq://` or `postgresql://` address, for kombu's `conn_string`.

    Always given: without it the pgmq client would take DATABASE_URL from the environment, whatever BROKER_URL
    says, and it reads percent-encoded socket folders wrongly. It knows these five values only (no sslmode: use
    libpq's PGSSLMODE).
    """
    parts = _parts("BROKER_URL", "postgresql:" + url.partition(":")[2])
    return make_conninfo(
        host=parts.get("host", "localhost"),
        port=parts.get("port", "5432"),
        dbname=parts.get("dbname", "concord"),
        user=parts.get("user") or getpass.getuser(),
        password=parts.get("password", ""),
    )


def _parts(name: str, url: str) -> dict[str, str]:
    try:
        return {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except ProgrammingError as error:
        raise RuntimeFault(f"{name} is no PostgreSQL address: {str(error).strip()}") from error
