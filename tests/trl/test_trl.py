"""A release trains as it was pulled: both trainers, both file types, no column renamed."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer
from typer.testing import CliRunner

from exporters.cli.main import app
from tests.exporters.releases import cut, judge_item, judged_world
from tests.factories import World, make_world

pytestmark = [pytest.mark.trl, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-trl" / "bin" / "python"


def pull(world: World, live_server: LiveServer, folder: Path, *options: str) -> None:
    environment = {
        "CONCORD_URL": live_server.url,
        "CONCORD_TOKEN": world.token(world.member("engineer").user),
    }
    words = ["pull", world.project.slug, "--to", str(folder), *options]
    done = CliRunner().invoke(app, words, env=environment)
    assert done.exit_code == 0, done.output


def train(folder: Path, home: Path) -> list[dict[str, Any]]:
    """The reports of the trainers; they run in the TRL environment and reach no network."""
    done = subprocess.run(
        [PYTHON, ROOT / "tests" / "trl" / "train_two_steps.py", folder],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    # Trainers print their own lines, as Python dicts; the reports are JSON.
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]


@pytest.mark.parametrize("kind", ["both", "jsonl"])
def test_a_pulled_release_trains_two_steps(live_server: LiveServer, tmp_path: Path, kind: str) -> None:
    world = judged_world([[-2, 2, 1, -1, 1, 3, -3, 1, 2, -1, 1, 2]])
    release, _ = cut(world, {"split": {"train": 0.5, "test": 0.5}})
    pull(world, live_server, tmp_path / "data", "--type", kind)
    reports = train(tmp_path / "data", tmp_path)
    assert [report["trainer"] for report in reports] == ["reward", "dpo"]
    rows = {side: split["rows"] for side, split in release.manifest["splits"].items()}
    for report in reports:
        assert report["splits"] == rows
        assert len(report["losses"]) == 2 and all(0 < loss < 5 for loss in report["losses"])


def test_system_and_many_turns_and_odd_text_train_too(live_server: LiveServer, tmp_path: Path) -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 1})
    batch = world.batch(items=0)
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "שלום 👋 $\\int x$"},
        {"role": "assistant", "content": "```python\nprint(1)\n```"},
        {"role": "user", "content": "And\u2028then?"},
    ]
    for number in range(1, 7):
        prompt = [*turns[:-1], {"role": "user", "content": f"And\u2028then {number}?"}]
        world.item(batch, number, [f"yes\x85{number}", f"no\t{number}"], prompt=prompt)
    annotator = world.member()
    for _ in range(6):
        judge_item(world, annotator, 1)
    cut(world, {"split": {"train": 1}, "ties": "both"})
    pull(world, live_server, tmp_path / "data")
    reports = train(tmp_path / "data", tmp_path)
    assert [(report["trainer"], report["splits"]) for report in reports] == [
        ("reward", {"train": 6}),
        ("dpo", {"train": 6}),
    ]
