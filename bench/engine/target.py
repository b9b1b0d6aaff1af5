"""The instance under measurement: `manage.py up` in a folder of its own, and the load against it."""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.runtime import postgres, roles
from annotation.runtime.instance import read_json
from annotation.runtime.up import CLUSTER_FILE
from bench.engine import cpu
from bench.engine.load import Figures, Plan
from tests.instance import ROOT, Instance, free_port

LEAD = "lead@bench.invalid"
PROMPT_CHARACTERS = 300
COMPLETION_CHARACTERS = 1_200
TEXT = "preference data is made by people who read both answers to their end and say which one helps more "


@dataclass
class Site:
    """A running instance with one lead; `token` is theirs."""

    instance: Instance
    token: str

    @property
    def supervisor(self) -> int:
        assert self.instance.process is not None
        return self.instance.process.pid

    def url(self, user: str, database: str) -> str:
        """PostgreSQL's address for the superuser or the owner of the tables."""
        passwords = read_json(self.instance.var / CLUSTER_FILE)
        cluster = postgres.Cluster(home=self.instance.var, password=passwords["superuser"])
        role = {"superuser": postgres.SUPERUSER, "owner": roles.OWNER}[user]
        return cluster.url(role, passwords[user], database)

    def create_project(self, slug: str, overlap: int) -> None:
        body = {"slug": slug, "name": slug, "protocol": {"kind": "pairwise", "overlap": overlap}}
        request = urllib.request.Request(
            f"{self.instance.url}/api/v1/projects",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    def import_items(self, slug: str, items: int) -> None:
        path = self.instance.var / f"{slug}.jsonl"
        write_items(path, items)
        self.instance.manage("import_batch", slug, str(path))
        path.unlink()

    def create_annotators(self, slug: str, count: int) -> dict[str, str]:
        """{email: token} of new annotators."""
        path = self.instance.var / f"{slug}-tokens.jsonl"
        self.instance.manage("create_annotators", slug, "--count", str(count), "--tokens", str(path))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.unlink()
        return {line["email"]: line["token"] for line in lines}


@contextmanager
def running_site() -> Iterator[Site]:
    """A site with durability on and production settings, removed with all it holds afterwards.

    Django's settings of this process name its database from here on.
    """
    with tempfile.TemporaryDirectory(prefix="ccd-bench-") as folder:
        instance = Instance(var=Path(folder), port=free_port())
        try:
            instance.start(demo=False)
            instance.manage("create_user", LEAD, "--can-create-projects")
            token = instance.manage("create_token", LEAD).strip()
            for name in ("DATABASE_URL", "SECRET_KEY", "BROKER_URL"):
                os.environ.pop(name, None)
            os.environ |= {"VAR": folder, "DJANGO_SETTINGS_MODULE": "annotation.config.settings"}
            yield Site(instance, token)
        finally:
            instance.stop()


def write_items(path: Path, items: int) -> None:
    """Pairs as the peer was measured with: prompts of about 300 characters, answers of about 1,200."""
    prompt = (TEXT * (PROMPT_CHARACTERS // len(TEXT) + 1))[:PROMPT_CHARACTERS]
    completion = (TEXT * (COMPLETION_CHARACTERS // len(TEXT) + 1))[:COMPLETION_CHARACTERS]
    with path.open("w", encoding="utf-8") as file:
        for number in range(items):
            row = {
                "id": f"row-{number}",
                "prompt": f"{number} {prompt}",
                "completions": [
                    {"content": f"A {number} {completion}", "model": "m1"},
                    {"content": f"B {number} {completion}", "model": "m2"},
                ],
            }
            file.write(json.dumps(row) + "\n")


@dataclass(frozen=True)
class Measured:
    """What one load run gave."""

    figures: Figures
    cpu: cpu.Usage

    @property
    def rate(self) -> float:
        """Judgments a second, or fetches."""
        return len(self.figures.submit or self.figures.get) / self.figures.seconds

    def cores(self) -> dict[str, float]:
        """Cores in use by group; `others` is what ran on this machine that is not of the run."""
        shares = {name: used / self.figures.seconds for name, used in self.cpu.groups.items()}
        shares["generator"] = self.figures.cpu_seconds / self.figures.seconds
        return shares | {"others": max(self.cpu.machine / self.figures.seconds - sum(shares.values()), 0.0)}


def run_load(site: Site, **plan: Any) -> Measured:
    """Run the generator to its end, and meter the instance's CPU between its `go` and its `end`."""
    words = json.dumps(vars(Plan(port=site.instance.port, **plan)))
    generator = subprocess.Popen(
        [sys.executable, "-m", "bench.engine.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert generator.stdin is not None and generator.stdout is not None
    generator.stdin.write(words)
    generator.stdin.close()
    usages = []
    for word in ("go", "end"):
        line = generator.stdout.readline().strip()
        if line != word:
            raise SystemExit(f"the generator said {line!r} where {word!r} was due")
        usages.append(cpu.usage(site.supervisor))
    figures = Figures(**json.loads(generator.stdout.readline()))
    generator.wait()
    return Measured(figures, usages[1].since(usages[0]))


def percentile(milliseconds: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all are not above; not a number when there is none."""
    if not milliseconds:
        return math.nan
    return sorted(milliseconds)[max(math.ceil(share * len(milliseconds)), 1) - 1]


def sync_milliseconds(folder: Path) -> float:
    """The median time of fdatasync after a write of 8 kB: what a durable commit waits for here."""
    taken = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(8192))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - start) * 1000)
    (folder / "sync").unlink()
    return statistics.median(taken)
