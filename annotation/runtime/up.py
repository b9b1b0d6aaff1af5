"""`manage.py up`: from an empty folder, or a full one, to an instance that serves.

The order: one instance per folder (lock), a free port, PostgreSQL with its roles and queue, migrations and
static files where they are due, the processes, the demo, and then a line that says it is ready.
"""

import argparse
import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import psycopg

from annotation.runtime import roles
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.instance import INSTANCE_FILE, LOGINS_FILE, ROOT, read_json, var_folder, write_json
from annotation.runtime.postgres import Cluster
from annotation.runtime.prepared import Preparation, collect_static_files, migrations
from annotation.runtime.supervisor import Supervisor, background, web

CLUSTER_FILE = "cluster.json"
SMALLEST_FREE_BYTES = 300_000_000
SERVING_SECONDS = 60.0


class Stopped(BaseException):
    """Ctrl-C or SIGTERM came in."""


def main(arguments: list[str]) -> int:
    """The command: defaults come from the environment, as `make run` passes them. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="manage.py up", description="Run the whole instance until Ctrl-C or SIGTERM."
    )
    parser.add_argument(
        "--port", type=int, default=os.environ.get("PORT", "8000"), help="on 127.0.0.1 (PORT, 8000)"
    )
    parser.add_argument("--var", type=Path, default=var_folder(), help="folder of the instance (VAR, ./var)")
    parser.add_argument("--no-demo", action="store_true", help="load no demo projects (CONCORD_DEMO=0)")
    options = parser.parse_args(arguments)
    demo = not options.no_demo and os.environ.get("CONCORD_DEMO", "1") != "0"
    return up(var=options.var.absolute(), port=options.port, demo=demo)


def up(*, var: Path, port: int, demo: bool) -> int:
    """Run an instance in `var` on `port` until Ctrl-C or SIGTERM; return the exit code."""
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGINT, _on_signal)
    try:
        with one_line_for_faults(var), locked(var):
            _check_port(port)
            _serve(var=var, port=port, demo=demo)
    except RuntimeFault as fault:
        print(fault, file=sys.stderr, flush=True)
        return 1
    except Stopped:
        return 0
    return 0


def _on_signal(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # asked once is asked: stopping takes a moment
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Stopped


@contextlib.contextmanager
def one_line_for_faults(var: Path, *, what: str = "Starting", log: str = "up.log") -> Iterator[None]:
    """Say what the system refused in one line; keep the trace of what we did not foresee in a log."""
    try:
        yield
    except RuntimeFault:
        raise
    except OSError as error:
        raise RuntimeFault(_system_refusal(error, var)) from error
    except Exception as error:
        trace = var / "logs" / log
        trace.parent.mkdir(parents=True, exist_ok=True)
        trace.write_text(traceback.format_exc(), encoding="utf-8")
        raise RuntimeFault(
            f"{what} failed: {type(error).__name__}: {error} (whole trace in {trace})"
        ) from error


def _system_refusal(error: OSError, var: Path) -> str:
    place = error.filename or var
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return f"{place} cannot be written: choose another folder, as in `make run VAR=/some/folder`."
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{place} is no folder: choose another, as in `make run VAR=/some/folder`."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk that holds {place} is full: make room, or choose another folder with VAR=."
    return f"{place}: {error.strerror or error}."


@contextlib.contextmanager
def locked(var: Path) -> Iterator[None]:
    """Hold the folder for this process alone. The kernel lets go of the lock however the process ends."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (var / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            url = read_json(var / INSTANCE_FILE).get("url", "another address")
            raise RuntimeFault(
                f"An instance already runs in {var}, at {url}: use that one, or another VAR=."
            ) from None
        free = shutil.disk_usage(var).free
        if free < SMALLEST_FREE_BYTES:
            raise RuntimeFault(
                f"The disk that holds {var} has {free // 1_000_000} MB left, and "
                f"{SMALLEST_FREE_BYTES // 1_000_000} MB are needed: make room, or choose another folder with VAR=."
            )
        yield


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                raise RuntimeFault(
                    f"Port {port} is taken: choose another, as in `make run PORT={port + 1}`."
                ) from error
            raise RuntimeFault(
                f"Port {port} cannot be used ({error}): choose one above 1023 with PORT=."
            ) from error


def _serve(*, var: Path, port: int, demo: bool) -> None:
    url = f"http://127.0.0.1:{port}"
    logs = var / "logs"
    for folder in (logs, var / "files"):
        folder.mkdir(mode=0o700, exist_ok=True)
    cluster, database_url, owner_url = database_of(var)
    supervisor = Supervisor(logs, os.environ, cluster)
    try:
        _write_instance(var, url=url, database_url=database_url)
        os.environ["VAR"] = str(var)
        _count_anew(var)
        preparation = Preparation(var, database_url)
        _prepare(preparation, owner_url)
        supervisor.start(web(port))
        _wait_until_it_serves(supervisor, url)
        supervisor.start(*background())  # only now, so that the first page does not wait for them
        first_logins = not (var / LOGINS_FILE).exists()
        if demo and not preparation.has_demo:
            print("Loading the demo projects …", flush=True)
            _manage("demo", "--url", url)
            preparation.remember_demo()
        _greet(var, url, with_passwords=first_logins)
        while True:
            for name in supervisor.tend():
                print(f"{name} had ended and was started again", file=sys.stderr, flush=True)
            time.sleep(0.2)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        supervisor.stop()


def database_of(var: Path) -> tuple[Cluster | None, str, str]:
    """The cluster of ours if there is one, the application's address and the owner's.

    With DATABASE_URL in the environment there is no cluster; migrations then use DATABASE_OWNER_URL, or the
    same address when there is no other role.
    """
    outside = os.environ.get("DATABASE_URL")
    if outside:
        owner_url = os.environ.get("DATABASE_OWNER_URL", outside)
        try:
            user = psycopg.conninfo.conninfo_to_dict(outside).get("user")
            roles.install_queue(owner_url, user=str(user) if user else None)
        except psycopg.Error as error:
            raise RuntimeFault(f"The database of DATABASE_URL cannot be used: {_one_line(error)}") from error
        return None, outside, owner_url
    passwords = read_json(var / CLUSTER_FILE)
    if not passwords:
        passwords = {role: secrets.token_urlsafe(32) for role in ("superuser", "owner", "application")}
        write_json(var / CLUSTER_FILE, passwords)
    cluster = Cluster(home=var, password=passwords["superuser"])
    cluster.start()
    try:
        roles.create_roles(
            cluster.superuser_url,
            owner_password=passwords["owner"],
            application_password=passwords["application"],
        )
        owner_url = cluster.url(roles.OWNER, passwords["owner"], roles.DATABASE)
        roles.install_queue(owner_url, user=roles.APPLICATION)
        roles.grant_rows(owner_url)
    except BaseException:
        cluster.stop()
        raise
    return cluster, cluster.url(roles.APPLICATION, passwords["application"], roles.DATABASE), owner_url


def _count_anew(var: Path) -> None:
    """Give the processes an empty folder to count in, before any of them loads the metrics.

    Files of processes that die meanwhile stay: what they counted did happen, and a sum must not fall.
    """
    folder = var / "metrics"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _write_instance(var: Path, *, url: str, database_url: str) -> None:
    """Leave for every other command what it needs to find this instance."""
    path = var / INSTANCE_FILE
    kept = read_json(path)
    write_json(
        path,
        {
            "url": url,
            "database_url": database_url,
            "broker_url": os.environ.get("BROKER_URL", "pgmq://"),
            "secret_key": kept.get("secret_key") or secrets.token_urlsafe(48),
            "metrics_token": kept.get("metrics_token") or secrets.token_urlsafe(32),
        },
    )


def _prepare(preparation: Preparation, owner_url: str) -> None:
    """Migrate and collect static files, unless both were done for this very state."""
    if preparation.is_current():
        return
    print("Preparing the database and the static files …", flush=True)
    set_up_django()
    found, due = migrations()
    if due:
        _manage("migrate", "--noinput", "--verbosity", "0", DATABASE_URL=owner_url)
    collect_static_files()
    preparation.remember(found)


def set_up_django() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotation.config.settings")
    django.setup()


def _manage(*arguments: str, **environment: str) -> None:
    """Run another management command to its end in a process of its own."""
    result = subprocess.run(
        [sys.executable, ROOT / "manage.py", *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if result.returncode != 0:
        last = (result.stdout.strip().splitlines() or ["it said nothing"])[-1].removeprefix("CommandError: ")
        raise RuntimeFault(f"`manage.py {arguments[0]}` failed: {last}")


def _wait_until_it_serves(supervisor: Supervisor, url: str) -> None:
    deadline = time.monotonic() + SERVING_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass  # not yet
        if "web" not in supervisor.pids() or time.monotonic() > deadline:
            log = supervisor.log_file("web")
            last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise RuntimeFault(f"The web server does not serve: {last[:300]} (whole log: {log})")
        time.sleep(0.05)


def _greet(var: Path, url: str, *, with_passwords: bool) -> None:
    logins = read_json(var / LOGINS_FILE)
    print(f"\nConcord runs at {url}")
    if logins and with_passwords:
        print(f"Logins, shown only now and kept in {var / LOGINS_FILE}:")
        for role, login in logins.items():
            print(f"  {role:<10} {login['email']:<28} {login['password']}")
    elif logins:
        print(f"Logins: {var / LOGINS_FILE}")
    print(f"Logs:   {var / 'logs'}    Ctrl-C stops everything\n")
    print(f"ready {url}", flush=True)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
