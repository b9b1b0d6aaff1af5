"""The whole loop on real data: pairs in, three judgments of each over HTTP, a release out, TRL trains on it.

`make trl` takes the first 300 pairs, `make trl-long` all 2,312 (6,936 judgments).
"""

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import httpx
import pytest

from tests.instance import ROOT, Instance, free_port

PAIRS = 2312 if os.environ.get("CONCORD_TRL") == "long" else 300
OVERLAP = 3

pytestmark = [pytest.mark.trl, pytest.mark.data]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(var=tmp_path / "var", port=free_port())
    instance.start(demo=False)
    yield instance
    instance.stop()


@pytest.fixture
def token(instance: Instance) -> str:
    instance.manage("create_user", "lead@example.org", "--can-create-projects")
    return instance.manage("create_token", "lead@example.org").split()[-1]


@pytest.fixture
def api(instance: Instance, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{instance.url}/api/v1", headers=headers, timeout=60) as client:
        yield client


def first_pairs(source: Path, to: Path) -> Path:
    """The first PAIRS lines of the set, as a file of its own."""
    with gzip.open(source, "rt", encoding="utf-8") as whole, gzip.open(to, "wt", encoding="utf-8") as part:
        part.writelines(islice(whole, PAIRS))
    return to


def test_real_pairs_go_round_the_loop(
    instance: Instance, api: httpx.Client, token: str, shared_data: Path, tmp_path: Path
) -> None:
    protocol = {"kind": "pairwise", "points": 7, "overlap": OVERLAP}
    body = {"slug": "hh", "name": "HH harmless", "protocol": protocol}
    assert api.post("/projects", json=body).status_code == 201
    engineer = {"email": "lead@example.org", "role": "engineer"}
    assert api.post("/projects/hh/members", json=engineer).status_code == 201

    instance.concord("login", instance.url, CONCORD_TOKEN=token)
    file = first_pairs(shared_data / "hh_harmless" / "test.jsonl.gz", tmp_path / "pairs.jsonl.gz")
    instance.concord("push", str(file), "--project", "hh", "--format", "hh", CONCORD_TOKEN=token)
    assert api.get("/projects/hh").json()["progress"]["items"] == PAIRS

    print(instance.manage("simulate", "hh", "--annotators", "6", "--seed", "1"))
    progress = api.get("/projects/hh").json()["progress"]
    assert progress == {"items": PAIRS, "slots": PAIRS * OVERLAP, "submitted": PAIRS * OVERLAP}
    print(instance.manage("check_invariants"))

    folder = tmp_path / "hh-data"
    instance.concord(
        "pull", "hh", "--cut", "--format", "preference", "--to", str(folder), CONCORD_TOKEN=token
    )
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    trained = subprocess.run(
        [ROOT / ".venv-trl/bin/python", ROOT / "tests/trl/train_two_steps.py", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    print(trained.stdout)

    said = instance.concord("train", "hh", CONCORD_TOKEN=token)
    print(said)
    assert re.search(r"longer", said)
    release = api.get("/projects/hh/releases/latest").json()
    print(json.dumps({"version": release["version"], "rows": release.get("rows")}))
