"""A release trains as it was pulled: every trainer that a card names, both file types, no column renamed."""

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer
from typer.testing import CliRunner

from annotation.services.projects import publish_protocol
from exporters.cli.main import app
from exporters.formats import export_formats
from tests.exporters.releases import cut, judge_item, judged_world
from tests.factories import NOW, World, make_world

pytestmark = [pytest.mark.trl, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-trl" / "bin" / "python"
KINDS = ("parquet", "jsonl") if os.environ.get("CONCORD_TRL") == "long" else ("parquet",)
"""Each training loads torch for half a minute; CONCORD_TRL=long trains from both file types of every format."""


def pull(world: World, live_server: LiveServer, folder: Path, *options: str) -> None:
    environment = {
        "CONCORD_URL": live_server.url,
        "CONCORD_TOKEN": world.token(world.member("engineer").user),
    }
    words = ["pull", world.project.slug, "--to", str(folder), *options]
    done = CliRunner().invoke(app, words, env=environment)
    assert done.exit_code == 0, done.output


def train(folder: Path, home: Path, *trainers: str) -> list[dict[str, Any]]:
    """The reports of the trainers; they run in the TRL environment and reach no network."""
    done = subprocess.run(
        [PYTHON, ROOT / "tests" / "trl" / "train_two_steps.py", folder, *(trainers or ("reward", "dpo"))],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        timeout=600,
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


def judged_and_written() -> World:
    """Six comparisons of unequal strength, then six critiques with their revisions, over prompts of several turns."""
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 1})
    protocols = [None, {"kind": "critique", "criteria": ["Honest"]}]
    for number, protocol in enumerate(protocols, start=1):
        if protocol is not None:
            publish_protocol(project=world.project, actor=world.lead, settings=protocol, now=NOW)
        batch = world.batch(items=0)
        for item in range(1, 7):
            prompt = [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "שלום 👋"},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": f"And\u2028then {number}.{item}?"},
            ]
            texts = [f"yes {item} ✓", f"no\t{item}"]
            world.item(batch, item, texts if number == 1 else texts[:1], prompt=prompt)
    annotator = world.member()
    for preference in (3, -1, 2, -3, 1, -2):
        judge_item(world, annotator, preference)
    for item in range(1, 7):
        answer = {"principles": ["honest"], "critique": "No.", "revision": f"perhaps {item}"}
        world.judge(annotator, answer)
    return world


TRAINED = {
    "preference-implicit": (["reward", "dpo"], 12),
    "reward": (["reward", "dpo"], 12),
    "unpaired-preference": (["kto"], 24),
    "prompt-completion": (["sft"], 6),
    "messages": (["sft"], 12),
    "prompt-only": (["grpo", "rloo"], 12),
}
"""Format → the trainers that its card names, and the rows of the release below."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_trains_with_the_trainers_its_card_names(
    live_server: LiveServer, tmp_path: Path, kind: str
) -> None:
    world = judged_and_written()
    _, job = cut(world, {"split": {"train": 1}, "labels": "every", "formats": list(TRAINED)})
    assert job.error is None
    words: list[str] = []
    for export_format, (trainers, _) in TRAINED.items():
        folder = tmp_path / export_format
        pull(world, live_server, folder, "--format", export_format, "--type", kind)
        words += [str(folder), *trainers, "--"]
    reports = train(Path(words[0]), tmp_path, *words[1:-1])
    assert [(report["folder"], report["trainer"], report["splits"]) for report in reports] == [
        (export_format, trainer, {"train": rows})
        for export_format, (trainers, rows) in TRAINED.items()
        for trainer in trainers
    ]
    for report in reports:
        assert report["columns"] == export_formats.get(report["folder"]).schema.names
        assert report["lost"] == 0
        assert len(report["losses"]) == 2 and all(map(math.isfinite, report["losses"]))


def test_a_margin_makes_the_loss_of_the_reward_trainer_higher(
    live_server: LiveServer, tmp_path: Path
) -> None:
    """With the same model, rows and seed: −log σ(difference − margin) exceeds −log σ(difference)."""
    world = judged_and_written()
    settings = {"split": {"train": 1}, "labels": "every", "formats": ["preference", "reward"]}
    cut(world, settings | {"filters": {"batches": [1]}})
    found = {}
    for export_format in ("preference", "reward"):
        folder = tmp_path / export_format
        pull(world, live_server, folder, "--format", export_format)
        [report] = train(folder, tmp_path, "reward")
        found[export_format] = report["losses"][0]
    assert found["reward"] > found["preference"] + 0.3
