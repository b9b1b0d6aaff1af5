"""An instance that can be hurt: `manage.py up` in a folder of its own, its processes by name, its database."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest

from annotation.invariants import invariants
from annotation.runtime import roles
from annotation.runtime.instance import INSTANCE_FILE, ROOT
from annotation.runtime.postgres import SUPERUSER, Cluster
from annotation.runtime.processes import spawn, stop
from annotation.runtime.supervisor import web
from annotation.runtime.up import CLUSTER_FILE
from tests.faults.calls import Caller, Lost
from tests.faults.wires import DatabaseWire
from tests.instance import Instance, clean_environment, free_port

T = TypeVar("T")
LEAD = "lead@example.org"
PATIENCE_SECONDS = 120.0
SWEEP_PATIENCE = timedelta(minutes=1)
PREPARED_PROJECTS, PREPARED_PEOPLE = 24, 12
PREPARE = """
import json
from django.utils import timezone
from annotation.models import Project
from annotation.simulation.accounts import simulated_tokens
print(json.dumps({{
    slug: list(simulated_tokens(project=Project.objects.get(slug=slug), count={1}, now=timezone.now()).values())
    for slug in {0}
}}))
"""
"""One process makes the people of many projects: starting one costs seconds."""


def wait_for(what: str, ready: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS) -> T:
    """The first true answer of `ready`; fails the test, naming `what`, when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {seconds:.0f} s")
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Workplace:
    """A project of an instance with one imported batch, and the tokens of its annotators."""

    project: str
    batch: int
    items: int
    overlap: int
    tokens: Sequence[str]


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str


class Running(Instance):
    """A running instance whose processes, tables and queue a test may touch."""

    lead_token = ""
    projects = 0
    _prepared: dict[str, list[str]]

    def begin(self) -> None:
        """Start it, with one person who may make projects."""
        self.start(demo=False)
        self.manage("create_user", LEAD, "--can-create-projects")
        self.lead_token = self.manage("create_token", LEAD).strip()
        slugs = [self._new_project() for _ in range(PREPARED_PROJECTS)]
        self._prepared = json.loads(
            self.manage("shell", "-v", "0", "-c", PREPARE.format(slugs, PREPARED_PEOPLE))
        )

    def _new_project(self) -> str:
        self.projects += 1
        slug = f"faults-{self.projects}"
        with self.lead() as lead:
            lead.must(
                "/projects", {"slug": slug, "name": slug, "protocol": {"kind": "pairwise", "points": 7}}
            )
        return slug

    def _people(self, annotators: int) -> tuple[str, list[str]]:
        """A new project and the tokens of its annotators: one made beforehand while there are any."""
        if annotators <= PREPARED_PEOPLE and self._prepared:
            slug, tokens = self._prepared.popitem()
            return slug, tokens[:annotators]
        slug = self._new_project()
        file = self.var / f"{slug}.tokens"
        self.manage("create_annotators", slug, "--count", str(annotators), "--tokens", str(file))
        return slug, [json.loads(line)["token"] for line in file.read_text().splitlines()]

    def lead(self) -> Caller:
        """A connection of the person who leads every project."""
        return Caller(self.url, self.lead_token)

    # Its work

    def workplace(self, *, items: int, overlap: int, annotators: int, lease_seconds: int = 1800) -> Workplace:
        """A new project, `items` imported by the worker, and `annotators` people with tokens."""
        slug, tokens = self._people(annotators)
        job = self.start_import(slug, items=items, overlap=overlap, lease_seconds=lease_seconds)
        self.finished(job)
        return Workplace(slug, 1, items, overlap, tokens)

    def start_import(self, project: str, *, items: int, at: str | None = None, **settings: Any) -> str:
        """Ask for an import, of another web server `at` its address; answers the id of its job."""
        fields = {"format": "jsonl", "name": "faults"} | settings
        with Caller(at or self.url, self.lead_token) as lead:
            answer = lead.upload(f"/projects/{project}/batches", rows(items), fields)
        assert answer.status == 202, answer.body
        return str(json.loads(answer.body)["job"])

    def start_flushed_import(self, project: str, **settings: Any) -> str:
        """Ask for an import and empty the queue before a worker has read of it; answers the id of its job."""
        readers = self.worker()
        self.stop_at_rest(readers)
        try:
            job = self.start_import(project, **settings)
            flushed = self.sql(
                "WITH seen AS (SELECT msg_id FROM pgmq.q_concord FOR UPDATE SKIP LOCKED)"
                " DELETE FROM pgmq.q_concord q USING seen WHERE q.msg_id = seen.msg_id RETURNING q.message::text"
            )
        finally:
            signal_all(readers, signal.SIGCONT)
        assert any(job in message for (message,) in flushed), "the message was there to be lost"
        return job

    def stop_at_rest(self, processes: Any) -> None:
        """Stop them between two transactions: one that is stopped inside would keep its locks, and the web server
        would wait for those."""
        for _ in range(200):
            signal_all(processes, signal.SIGSTOP)
            time.sleep(0.02)
            busy = "SELECT 1 FROM pg_stat_activity WHERE usename = 'concord' AND state <> 'idle'"
            if not self.sql(busy):
                return
            signal_all(processes, signal.SIGCONT)
            time.sleep(0.03)
        raise AssertionError("the worker is never at rest")

    def finished(self, job: str) -> dict[str, Any]:
        """The job at its end, as its owner sees it; fails the test unless it succeeded."""

        def ended() -> dict[str, Any] | None:
            try:
                with self.lead() as lead:
                    answer = lead.call("GET", f"/jobs/{job}")
            except Lost:
                return None
            found: dict[str, Any] = json.loads(answer.body) if answer.status == 200 else {}
            return found if found.get("state") in ("succeeded", "failed", "cancelled") else None

        found = wait_for(f"end of job {job}", ended, seconds=180)
        assert found["state"] == "succeeded", found
        return found

    def broken_invariants(self) -> list[str]:
        """What `manage.py check_invariants` would say, asked by the same SQL without starting a process."""
        return broken_invariants(
            self.superuser_url, swept_before=(datetime.now(UTC) - SWEEP_PATIENCE).isoformat()
        )

    @contextmanager
    def imports_held(self) -> Iterator[None]:
        """No import gets past its first row until the block ends."""
        with psycopg.connect(self.superuser_url) as session:
            session.execute("LOCK TABLE annotation_item IN SHARE MODE")
            yield

    # Its database

    @property
    def cluster(self) -> Cluster:
        """How to reach the cluster. It is the instance that starts and stops it."""
        passwords = json.loads((self.var / CLUSTER_FILE).read_text())
        return Cluster(home=self.var, password=passwords["superuser"])

    @property
    def superuser_url(self) -> str:
        cluster = self.cluster
        return cluster.url(SUPERUSER, cluster.password, roles.DATABASE)

    @property
    def owner_url(self) -> str:
        passwords = json.loads((self.var / CLUSTER_FILE).read_text())
        return self.cluster.url(roles.OWNER, passwords["owner"], roles.DATABASE)

    @property
    def application_url(self) -> str:
        return str(json.loads((self.var / INSTANCE_FILE).read_text())["database_url"])

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, in a transaction of its own."""
        with psycopg.connect(self.superuser_url, autocommit=True) as session:
            cursor = session.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    # Its processes

    def processes(self) -> list[Process]:
        """All below the supervisor, parents before children."""
        assert self.process is not None
        said = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,command=", "-ww"], capture_output=True, text=True, check=True
        ).stdout
        fields = [line.split(maxsplit=2) for line in said.splitlines()]
        table = [
            Process(int(f[0]), int(f[1]), f[2]) for f in fields if len(f) == 3 and "<defunct>" not in f[2]
        ]
        above, found = [self.process.pid], list[Process]()
        for parent in above:
            children = [process for process in table if process.parent == parent]
            found += children
            above += [child.pid for child in children]
        return found

    def family(self, words: str) -> list[int]:
        """A service's first process, then those below it; empty when it does not run."""
        assert self.process is not None
        everything = self.processes()
        heads = [p.pid for p in everything if p.parent == self.process.pid and words in p.command]
        for head in heads:
            heads += [p.pid for p in everything if p.parent == head]
        return heads

    def postgres(self) -> list[int]:
        return self.family(f"-D {self.cluster.data}")

    def web(self) -> list[int]:
        return self.family("granian")

    def worker(self) -> list[int]:
        return self.family("annotation.config.celery worker")

    def beat(self) -> list[int]:
        return self.family("annotation.config.celery beat")

    @contextmanager
    def no_sweep(self) -> Iterator[None]:
        """The clock of the sweep stands still, and what it sent before is gone."""
        clock = self.beat()
        signal_all(clock, signal.SIGSTOP)
        try:
            self.sql("DELETE FROM pgmq.q_concord WHERE message::text LIKE '%annotation.tasks.sweep%'")
            yield
        finally:
            signal_all(clock, signal.SIGCONT)


def broken_invariants(database_url: str, *, swept_before: str) -> list[str]:
    """The first rows that break an invariant. Leases that ended before `swept_before` should have been swept."""
    found = []
    with psycopg.connect(database_url) as session:
        for _, invariant in invariants:
            rows = session.execute(f"{invariant.sql} LIMIT 5", {"swept_before": swept_before}).fetchall()
            found += [f"{invariant.code} {row[0]}" for row in rows]
    return found


def kill(pids: Sequence[int]) -> float:
    """SIGKILL, in this order; answers when (monotonic seconds)."""
    at = time.monotonic()
    signal_all(pids, signal.SIGKILL)
    return at


def signal_all(pids: Sequence[int], number: int) -> None:
    """Who is gone already is no matter."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def through(running: Running, wire: DatabaseWire, *, scheme: str = "postgresql") -> str:
    """The address of the instance's database by way of `wire`."""
    parts = urlsplit(running.application_url)
    where = f"{parts.username}:{parts.password}@127.0.0.1:{wire.port}"
    return parts._replace(scheme=scheme, netloc=where).geturl()


def seconds_since(at: float) -> float:
    """From a moment on the monotonic clock until now."""
    return time.monotonic() - at


def state_of(running: Running, job: str) -> str:
    """The job's state in its row."""
    return str(running.sql("SELECT state FROM annotation_job WHERE id = %s", job)[0][0])


def rows(items: int) -> bytes:
    """A batch file of `items` pairs."""
    lines = (
        {
            "id": f"row-{number}",
            "prompt": f"Question {number}?",
            "completions": [{"content": f"Answer {number}.0"}, {"content": f"Answer {number}.1"}],
        }
        for number in range(items)
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@contextmanager
def web_server(
    var: Path,
    *,
    application: str = "annotation.config.wsgi:application",
    threads: int = 2,
    **environment: str,
) -> Iterator[str]:
    """Another web server, as an instance starts it, on a database of the caller's choice; yields its address.

    `threads` are those of each of its two workers.
    """
    port = free_port()
    command = [*web(port).command[:-1], "--blocking-threads", str(threads), application]
    var.mkdir(parents=True, exist_ok=True)
    with (var / "web.log").open("ab") as log:
        child = spawn(command, log=log, environment=clean_environment(var, **environment), directory=ROOT)
    try:
        wait_for("web server", lambda: is_up(f"http://127.0.0.1:{port}"), seconds=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(child)


def is_up(url: str) -> bool:
    """Whether the web server at `url` and its database answer."""
    try:
        with Caller(url, "") as caller:
            return caller.call("GET", "/readyz", prefix="").status == 200
    except Lost:
        return False
