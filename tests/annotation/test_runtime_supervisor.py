"""The supervisor: what dies comes back, what is stopped is gone, and nothing outlives a killed supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotation.runtime.processes import is_alive, wait_until_gone
from annotation.runtime.supervisor import Service, Supervisor

ROOT = Path(__file__).resolve().parents[2]
# A parent with a child of its own in the same session, whose id it writes down.
FAMILY = (
    "import subprocess, sys, time; c = subprocess.Popen(['sleep', '600']); print(c.pid, flush=True); c.wait()"
)
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, os.environ)
    yield made
    made.stop()


def _python(name: str, code: str, grace: float = 5.0) -> Service:
    return Service(name, [sys.executable, "-c", code], grace=grace)


def test_what_died_is_started_again_after_a_pause_that_grows(supervisor: Supervisor) -> None:
    supervisor.start(Service("sleeper", ["sleep", "600"]))
    pauses = []
    for _ in range(2):
        killed = supervisor.pids()["sleeper"]
        os.kill(killed, signal.SIGKILL)
        _until(lambda: "sleeper" not in supervisor.pids())
        assert supervisor.tend() == [], "not at once: a broken service must not spin"
        started = time.monotonic()
        _until(lambda: supervisor.tend() == ["sleeper"])
        pauses.append(time.monotonic() - started)
        assert supervisor.pids()["sleeper"] != killed
    assert pauses[1] > pauses[0]


def test_stopping_ends_children_and_theirs(supervisor: Supervisor) -> None:
    supervisor.start(_python("family", FAMILY))
    log = supervisor.log_file("family")
    _until(lambda: log.read_text().endswith("\n"))
    parent, grandchild = supervisor.pids()["family"], int(log.read_text())
    supervisor.stop()
    assert not is_alive(parent)
    assert wait_until_gone(grandchild, timeout=5)


def test_a_child_that_does_not_listen_is_killed_after_its_grace(supervisor: Supervisor) -> None:
    supervisor.start(_python("stubborn", STUBBORN, grace=0.3))
    _until(lambda: supervisor.log_file("stubborn").read_text() == "deaf\n")
    pid = supervisor.pids()["stubborn"]
    started = time.monotonic()
    supervisor.stop()
    assert not is_alive(pid)
    assert 0.3 <= time.monotonic() - started < 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_nothing_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, time\n"
        "from annotation.runtime.supervisor import Service, Supervisor\n"
        f"s = Supervisor(pathlib.Path({str(tmp_path)!r}), os.environ)\n"
        "s.start(Service('sleeper', ['sleep', '600']))\n"
        "print(s.pids()['sleeper'], flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        sleeper = int(process.stdout.readline())
        assert is_alive(sleeper)
        process.kill()
        assert wait_until_gone(sleeper, timeout=5)


def test_a_full_log_is_put_aside(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.runtime.supervisor.LOG_LIMIT_BYTES", 10)
    supervisor.log_file("sleeper").write_text("more than ten bytes")
    supervisor.start(Service("sleeper", ["sleep", "600"]))
    assert supervisor.log_file("sleeper").stat().st_size == 0
    assert (supervisor.log_folder / "sleeper.log.1").read_text() == "more than ten bytes"
