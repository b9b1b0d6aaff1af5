"""Keeps an instance's processes running: starts them, restarts what dies, stops them all in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotation.runtime.instance import ROOT
from annotation.runtime.postgres import Cluster
from annotation.runtime.processes import spawn, stop

LOG_LIMIT_BYTES = 20_000_000
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # having run this long, a process has earned a quick restart again


@dataclass(frozen=True)
class Service:
    """One long-running command. `death_signal` ends it and its own children should the supervisor be killed."""

    name: str
    command: Sequence[str]
    death_signal: int = signal.SIGTERM
    grace: float = 10.0


def web(port: int) -> Service:
    """The web server, on the loopback only."""
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--workers", "2", "--blocking-threads", "2", "--no-ws", "--respawn-failed-workers"]
    # An idle thread takes its connection to PostgreSQL along, and people read for longer than the default of 30 s.
    command += ["--blocking-threads-idle-timeout", "600"]
    command += ["--respawn-interval", "0.5", "--workers-kill-timeout", "5", "--log-level", "warning"]
    return Service("web", [*command, "annotation.config.wsgi:application"])


def background() -> list[Service]:
    """The worker and the clock."""
    celery = [sys.executable, "-m", "celery", "-A", "annotation.config.celery"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        # Without its supervisor the worker would wait for a database that is gone; what was under way is
        # delivered again. Its pool dies with it, see `annotation.config.celery`.
        Service("worker", [*celery, "worker", "--concurrency", "2", *quiet], signal.SIGKILL),
        Service("beat", [*celery, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile="], grace=5.0),
    ]


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE_SECONDS
    not_before: float = 0.0


@dataclass
class Supervisor:
    """Runs services with `environment`, and the cluster below them if there is one.

    Use from the main thread only (see `processes.spawn`). `cluster` must have been started already.
    """

    log_folder: Path
    environment: Mapping[str, str]
    cluster: Cluster | None = None
    _children: list[_Child] = field(default_factory=list)

    def start(self, *services: Service) -> None:
        """Start services and look after them from now on. Returns at once, whether or not they serve yet."""
        for service in services:
            child = _Child(service)
            self._children.append(child)
            self._start(child)

    def log_file(self, name: str) -> Path:
        """Where the output of a service goes."""
        return self.log_folder / f"{name}.log"

    def pids(self) -> dict[str, int]:
        """The process ids of what runs at the moment, by service."""
        return {
            child.service.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def tend(self) -> list[str]:
        """Restart what has died, each service after its own growing pause. Returns the names restarted."""
        restarted: list[str] = []
        if self.cluster is not None and self.cluster.pid is None:
            self.cluster.start()
            restarted.append("postgres")
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                stop(child.process)  # the rest of its session
                child.process = None
                if now - child.started > STEADY_SECONDS:
                    child.pause = FIRST_PAUSE_SECONDS
                child.not_before = now + child.pause
                child.pause = min(child.pause * 2, LONGEST_PAUSE_SECONDS)
            if child.process is None and now >= child.not_before:
                self._start(child)
                restarted.append(child.service.name)
        return restarted

    def stop(self) -> None:
        """Stop the services, last started first, then the cluster."""
        living = [child for child in reversed(self._children) if child.process is not None]
        for child in living:  # all are asked at once, so that the longest grace is all we wait
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        for child in living:
            if child.process is not None:
                _wait_or_kill(child.process, child.service.grace)
        self._children.clear()
        if self.cluster is not None:
            self.cluster.stop()

    def _start(self, child: _Child) -> None:
        path = self.log_file(child.service.name)
        _make_room(path)
        with path.open("ab") as log:
            child.process = spawn(
                child.service.command,
                log=log,
                environment=self.environment,
                directory=ROOT,
                death_signal=child.service.death_signal,
            )
        child.started = time.monotonic()


def _wait_or_kill(process: subprocess.Popen[bytes], grace: float) -> None:
    try:
        process.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    stop(process)  # the rest of its session


def _make_room(log: Path) -> None:
    """Keep one earlier log beside a full one."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        os.replace(log, log.with_suffix(".log.1"))
