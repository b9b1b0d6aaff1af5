"""A real instance for tests that need all of it: `manage.py up` in a folder of its own, stopped at the end."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(var: Path, **extra: str) -> dict[str, str]:
    """The environment of a person's shell: nothing of this test run's database or settings."""
    ours = ("DATABASE_URL", "BROKER_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "VAR")
    kept = {key: value for key, value in os.environ.items() if key not in ours}
    return kept | {"VAR": str(var)} | extra


@dataclass
class Instance:
    """One running instance. `manage` runs an operator's command against it and answers what it printed."""

    var: Path
    port: int
    process: subprocess.Popen[str] | None = None
    output: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, demo: bool) -> None:
        """Start and wait for the line `ready`. Fails the test with what was printed when it does not come."""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port)],
            cwd=ROOT,
            env=clean_environment(self.var, CONCORD_DEMO="1" if demo else "0"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if line.strip() == f"ready {self.url}":
                return
        pytest.fail(f"the instance did not start:\n{self.output}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def manage(self, *arguments: str) -> str:
        return run([sys.executable, "manage.py", *arguments], self.var)

    def concord(self, *arguments: str, **environment: str) -> str:
        """The engineer's command, with a configuration of its own below the instance's folder."""
        config = str(self.var / "concord-config")
        return run(
            [sys.executable, "-m", "exporters.cli", *arguments],
            self.var,
            CONCORD_CONFIG=config,
            **environment,
        )


def run(command: list[Any], var: Path, **environment: str) -> str:
    """Standard output of a command that must succeed; fails the test with all it said otherwise."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(var, **environment),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))} answered {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout
