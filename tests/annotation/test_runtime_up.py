"""`manage.py up` from outside, as a person and as a script meet it. One instance serves most of this module."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from annotation.config.celery import AUTOGROUP, NICENESS
from annotation.runtime import up
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.processes import is_alive, wait_until_gone
from tests.instance import ROOT, Instance, clean_environment, free_port


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = Instance(var=tmp_path_factory.mktemp("up") / "var", port=free_port())
    yield made
    made.stop()


@pytest.fixture
def instance(kept: Instance) -> Instance:
    """The module's instance, running (tests come in any order, and one of them stops it)."""
    if kept.process is None or kept.process.poll() is not None:
        kept.start(demo=False)
    return kept


def _ends_cleanly(instance: Instance, number: int) -> None:
    """Send a signal; the run must end with code 0 and take every child along."""
    assert instance.process is not None
    children = _descendants(instance.process.pid)
    assert len(children) >= 4, "PostgreSQL, web, worker, clock"
    instance.process.send_signal(number)
    assert instance.process.wait(timeout=30) == 0
    assert not [child for child in children if is_alive(child)]
    instance.stop()


def _refused(var: Path, port: int, **environment: str) -> str:
    """What a start says that must not succeed: one line, no trace, exit code 1."""
    done = subprocess.run(
        [sys.executable, "manage.py", "up", "--no-demo"],
        cwd=ROOT,
        env=clean_environment(var, PORT=str(port), **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def _descendants(pid: int) -> list[int]:
    """Every process below one, children before grandchildren."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = [pid]
    for parent in found:
        found += [child for child, above in pairs if above == parent]
    return found[1:]


def _open(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


def test_it_serves_and_tells_others_how_to_find_it(instance: Instance) -> None:
    assert _open(f"{instance.url}/readyz") == 200
    assert _open(f"{instance.url}/") == 200
    found = json.loads((instance.var / "instance.json").read_text())
    assert found["url"] == instance.url
    assert len(found["secret_key"]) >= 50
    for name in ("instance.json", "cluster.json", "prepared.json"):
        assert (instance.var / name).stat().st_mode & 0o777 == 0o600
    for name in ("files", "logs"):
        assert (instance.var / name).stat().st_mode & 0o777 == 0o700


def test_jobs_give_way_to_people(instance: Instance) -> None:
    """Both processes of the worker's pool are nicer than those of the web, and so is their session where Linux shares
    out by session."""
    wanted = NICENESS, NICENESS if AUTOGROUP.exists() else 0
    deadline = time.monotonic() + 30
    while (found := _extra_niceness(instance)) and found["celery"].count(wanted) < 2:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert set(found["granian"]) == {(0, 0)}


def _extra_niceness(instance: Instance) -> dict[str, list[tuple[int, int]]]:
    """By name of what serves and works: what each process adds to the niceness of this one, and that of its session."""
    assert instance.process is not None
    found: dict[str, list[tuple[int, int]]] = {"celery": [], "granian": []}
    for pid in _descendants(instance.process.pid):
        with suppress(ProcessLookupError, FileNotFoundError):
            words = Path(f"/proc/{pid}/cmdline").read_text()
            extra = os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0)
            group = Path(f"/proc/{pid}/autogroup")
            session = int(group.read_text().split()[-1]) if AUTOGROUP.exists() else 0
            for name in found:
                if name in words:
                    found[name].append((extra, session))
    return found


def test_a_second_start_in_the_same_folder_names_the_first(instance: Instance) -> None:
    assert instance.url in _refused(instance.var, free_port())


def test_a_taken_port_is_one_line(instance: Instance, tmp_path: Path) -> None:
    line = _refused(tmp_path / "other", instance.port)
    assert f"Port {instance.port} is taken" in line
    assert not (tmp_path / "other" / "pgdata").exists(), "nothing was started for it"


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    assert "no folder" in _refused(tmp_path / "var", free_port())


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    line = _refused(
        tmp_path / "var", free_port(), DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/x"
    )
    assert "DATABASE_URL cannot be used" in line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(30, "Read-only file system", "/somewhere"), "/somewhere cannot be written"),
        (PermissionError(13, "Permission denied", "/somewhere"), "/somewhere cannot be written"),
        (OSError(28, "No space left on device", "/somewhere"), "is full"),
    ],
)
def test_what_the_system_refuses_becomes_advice(error: OSError, words: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match=words), up.one_line_for_faults(tmp_path):
        raise error


def test_what_nobody_foresaw_keeps_its_trace_in_a_log(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match="KeyError: 'surprise'"), up.one_line_for_faults(tmp_path):
        raise KeyError("surprise")
    assert "Traceback" in (tmp_path / "logs" / "up.log").read_text()


def test_doctor_finds_nothing_wrong(instance: Instance) -> None:
    said = instance.manage("doctor")
    assert "All is well." in said
    assert "is no superuser" in said


def test_two_instances_run_side_by_side_with_data_of_their_own(instance: Instance, tmp_path: Path) -> None:
    other = Instance(var=tmp_path / "var", port=free_port())
    try:
        other.start(demo=False)
        assert _open(f"{other.url}/readyz") == _open(f"{instance.url}/readyz") == 200
        cookies = []
        for url in (instance.url, other.url):
            with urllib.request.urlopen(f"{url}/", timeout=10) as answer:
                cookies.append(answer.headers["Set-Cookie"].partition("=")[0])
        assert cookies[0] != cookies[1], "a browser keeps cookies for both ports together"
        _ends_cleanly(other, signal.SIGTERM)
    finally:
        other.stop()


def test_a_killed_run_leaves_nothing_in_the_way_and_a_warm_start_has_all_data(instance: Instance) -> None:
    url = json.loads((instance.var / "instance.json").read_text())["database_url"]
    with psycopg.connect(url) as session:
        session.execute("INSERT INTO django_session VALUES ('kept', 'data', now())")
    assert instance.process is not None
    children = _descendants(instance.process.pid)
    os.kill(instance.process.pid, signal.SIGKILL)
    instance.stop()
    assert all(wait_until_gone(child, timeout=20) for child in children)

    instance.output = ""
    instance.start(demo=False)
    assert "Preparing" not in instance.output, "nothing was due"
    with psycopg.connect(url) as session:
        found = session.execute(
            "SELECT session_data FROM django_session WHERE session_key = 'kept'"
        ).fetchone()
    assert found == ("data",)
    _ends_cleanly(instance, signal.SIGINT)
