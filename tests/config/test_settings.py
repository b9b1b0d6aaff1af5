"""Settings: no secret by default, weak ones refused, addresses understood."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from annotation.runtime.errors import RuntimeFault
from annotation.runtime.instance import django_database, queue_conninfo, read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
STRONG = secrets.token_urlsafe(48)
DATABASE = "postgresql://someone:secret@db.example:5433/people"


READY = {"DATABASE_URL": DATABASE, "SECRET_KEY": STRONG}


def _load(var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process of their own and print what matters here."""
    code = (
        "import json; from annotation.config import settings as s; o = s.CELERY_BROKER_TRANSPORT_OPTIONS;"
        "print(json.dumps({'mail': [getattr(s, f'EMAIL_{n}', None) for n in ('HOST', 'PORT', 'USE_TLS', 'USE_SSL',"
        " 'HOST_USER', 'HOST_PASSWORD')], 'host': s.DATABASES['default']['HOST'], 'secure': s.SESSION_COOKIE_SECURE,"
        " 'broker': s.CELERY_BROKER_URL, 'queue': o.get('conn_string'), 'patience': o.get('pool_timeout')}))"
    )
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | {"VAR": str(var)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"DATABASE_URL": DATABASE}, "There is no SECRET_KEY"),
        ({"DATABASE_URL": DATABASE, "SECRET_KEY": "short"}, "too weak"),
        ({"DATABASE_URL": DATABASE, "SECRET_KEY": "ab" * 40}, "too weak"),
        ({"DATABASE_URL": DATABASE, "SECRET_KEY": "django-insecure-" + STRONG}, "too weak"),
        ({"SECRET_KEY": STRONG}, "There is no DATABASE_URL"),
        ({"SECRET_KEY": STRONG, "DATABASE_URL": "sqlite:///x"}, "PostgreSQL only"),
        (READY | {"CONCORD_MAIL_URL": "mail.example.org"}, "CONCORD_MAIL_URL is smtp://"),
        (READY | {"CONCORD_MAIL_URL": "smtp://mail.example.org:many"}, "CONCORD_MAIL_URL is smtp://"),
        (READY | {"CONCORD_MAIL_URL": "smtp://mail.example.org"}, "needs CONCORD_MAIL_FROM"),
        (
            READY | {"CONCORD_MAIL_URL": "smtp://mail.example.org", "CONCORD_MAIL_FROM": "a@b.example"},
            "needs CONCORD_URL",
        ),
    ],
)
def test_it_does_not_start_without_what_keeps_it_safe(
    tmp_path: Path, environment: dict[str, str], complaint: str
) -> None:
    result = _load(tmp_path, **environment)
    assert result.returncode != 0
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://concord:p%40ss@mail.example.org", ["mail.example.org", 587, True, False, "concord", "p@ss"]),
        ("smtps://mail.example.org", ["mail.example.org", 465, False, True, "", ""]),
        ("smtp://127.0.0.1:2525", ["127.0.0.1", 2525, False, False, "", ""]),
    ],
)
def test_mail_goes_encrypted_unless_to_this_machine(
    tmp_path: Path, url: str, expected: list[str | int | bool]
) -> None:
    sender = {"CONCORD_MAIL_FROM": "concord@example.org", "CONCORD_URL": "https://concord.example.org"}
    found = json.loads(_load(tmp_path, **READY, **sender, CONCORD_MAIL_URL=url).stdout)
    assert found["mail"] == expected


def test_the_instance_file_fills_in_what_the_environment_leaves_out(tmp_path: Path) -> None:
    write_json(tmp_path / "instance.json", {"database_url": DATABASE, "secret_key": STRONG})
    found = json.loads(_load(tmp_path).stdout)
    assert found["host"] == "db.example"
    assert found["secure"] is False, "plain http on the loopback"
    assert conninfo_to_dict(found["queue"])["host"] == "db.example", "the queue is in the same database"
    assert found["patience"] < 5, "a request waits no longer for a queue that is away"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    write_json(tmp_path / "instance.json", {"database_url": DATABASE, "secret_key": STRONG})
    found = json.loads(
        _load(
            tmp_path,
            DATABASE_URL="postgresql://other.example/x",
            BROKER_URL="redis://queue.example/0",
            CONCORD_HTTPS="1",
        ).stdout
    )
    assert found == {
        "mail": [None] * 6,
        "host": "other.example",
        "secure": True,
        "broker": "redis://queue.example/0",
        "queue": None,
        "patience": None,
    }


def test_a_socket_folder_with_odd_letters_is_understood() -> None:
    entry = django_database("postgresql://me:p%40ss@%2Ftmp%2Fa%20b/concord?sslmode=disable")
    assert (entry["HOST"], entry["PASSWORD"], entry["NAME"]) == ("/tmp/a b", "p@ss", "concord")
    assert entry["OPTIONS"] == {"sslmode": "disable"}
    assert conninfo_to_dict(queue_conninfo("pgmq://me:p%40ss@%2Ftmp%2Fa%20b/concord")) == {
        "host": "/tmp/a b",
        "port": "5432",
        "dbname": "concord",
        "user": "me",
        "password": "p@ss",
    }


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_file_is_said_and_not_taken_for_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "instance.json").write_text(content)
    with pytest.raises(RuntimeFault, match=r"instance\.json"):
        read_json(tmp_path / "instance.json")


def test_files_with_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    path.chmod(0o644)
    write_json(path, {"secret": "s"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_json(path) == {"secret": "s"}


def test_a_web_process_begins_without_scipy(tmp_path: Path) -> None:
    """Its modules take as long to load as all the rest, and after a crash people wait for it."""
    code = (
        "import sys, annotation.config.wsgi;"
        "print(sorted({'scipy.special', 'scipy.stats', 'comparisons.views'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "annotation.config.offline", "VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[0] == "['comparisons.views']"
