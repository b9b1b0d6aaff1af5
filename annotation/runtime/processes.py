"""How children are started and told apart: they die with their parent, and never catch its Ctrl-C."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000

# Loaded before any fork: a child between fork and exec must not import or allocate much.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class RunAs:
    """Who a child runs as. `user` and `group` are ids, or None for ourselves.

    `new_user_namespace` leaves root's powers behind without changing the owner of files: inside the
    namespace the process is `nobody`, which satisfies programs that refuse to run as root.
    """

    user: int | None = None
    group: int | None = None
    new_user_namespace: bool = False


MYSELF = RunAs()


def die_with_parent(death_signal: int) -> None:
    """Have this process be sent `death_signal` when its parent ends (Linux; elsewhere nothing happens)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)


def _prepare(parent: int, death_signal: int, run_as: RunAs) -> Callable[[], None] | None:
    if _libc is None:  # macOS has neither call; children then end by the supervisor's own signals only
        return None

    def in_child() -> None:
        # The order matters: entering a user namespace clears the death signal.
        if run_as.new_user_namespace and _libc.unshare(CLONE_NEWUSER) != 0:
            os._exit(126)
        die_with_parent(death_signal)
        if os.getppid() != parent:  # the parent went away before the line above
            os._exit(125)

    return in_child


def spawn(
    command: Sequence[str | Path],
    *,
    log: IO[bytes],
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    death_signal: int = signal.SIGTERM,
    run_as: RunAs = MYSELF,
) -> subprocess.Popen[bytes]:
    """Start a child in its own session; it gets `death_signal` when this process ends, however it ends.

    Call it from the main thread: Linux sends the signal when the *thread* that started the child ends.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=dict(environment) if environment is not None else None,
        cwd=directory,
        start_new_session=True,
        user=run_as.user,
        group=run_as.group,
        extra_groups=[] if run_as.user is not None else None,
        preexec_fn=_prepare(os.getpid(), death_signal, run_as),
    )


def run(command: Sequence[str | Path], *, run_as: RunAs = MYSELF) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end and return what it printed (standard output and error together)."""
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        user=run_as.user,
        group=run_as.group,
        extra_groups=[] if run_as.user is not None else None,
        preexec_fn=_prepare(os.getpid(), signal.SIGKILL, run_as),
    )


def stop(child: subprocess.Popen[bytes], *, first: int = signal.SIGTERM, grace: float = 10.0) -> None:
    """Ask a child to end, wait `grace` seconds, then kill it together with whatever it left in its session."""
    if child.poll() is None:
        child.send_signal(first)
        try:
            child.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    with suppress(ProcessLookupError, PermissionError):  # nothing is left of the group
        os.killpg(child.pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists (zombies count as gone where /proc can tell)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def command_line(pid: int) -> str:
    """The command a process was started with, or an empty string when it is gone."""
    result = run(["ps", "-o", "command=", "-ww", "-p", str(pid)])
    return result.stdout.strip() if result.returncode == 0 else ""


def wait_until_gone(pid: int, *, timeout: float) -> bool:
    """Wait for a process that is not our child. False when it is still there after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
