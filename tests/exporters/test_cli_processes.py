"""The command as a process of its own: killed in the middle of a pull, and sending a release to a hub."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django.live_server_helper import LiveServer

from exporters import sending
from exporters.models import Release, ReleaseFile
from exporters.settings import release_settings
from tests.exporters.hub import hub
from tests.exporters.releases import contents, cut, judged_world
from tests.factories import NOW, World

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "train-00000-of-00001.jsonl.gz"
MIB = 1 << 20


@pytest.fixture
def world() -> World:
    return judged_world([[-2, 2, 1, 1, -1, 2]])


@pytest.fixture
def environment(world: World, live_server: LiveServer, tmp_path: Path) -> dict[str, str]:
    token = world.token(world.member("engineer").user)
    keep = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    return keep | {
        "CONCORD_URL": live_server.url,
        "CONCORD_TOKEN": token,
        "HOME": str(tmp_path),
        "COLUMNS": "200",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        # The stand-in speaks LFS, not the protocol of xet.
        "HF_HUB_DISABLE_XET": "1",
    }


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "exporters.cli", *words]


def concord(
    environment: dict[str, str], *words: str, cwd: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        env=environment | env,
        cwd=cwd,
        check=False,
        timeout=300,
    )


def hesitating_server(monkeypatch: pytest.MonkeyPatch) -> tuple[list[tuple[int, int]], threading.Event]:
    """The server stops in the middle of the data file until the event is set, the first time it is asked for it.

    Notes each (first, last) byte that it was asked for.
    """
    asked: list[tuple[int, int]] = []
    goes_on = threading.Event()
    original = sending.blocks

    def blocks(storage_name: str, first: int, last: int) -> Iterator[bytes]:
        if NAME in storage_name:
            asked.append((first, last))
        sent = 0
        for block in original(storage_name, first, last):
            if NAME in storage_name and first == 0 and sent >= (last + 1) // 2:
                goes_on.wait(120)
            yield block
            sent += len(block)

    monkeypatch.setattr(sending, "blocks", blocks)
    return asked, goes_on


def release_of_one_file(world: World, whole: bytes) -> None:
    """A frozen release whose one data file is `whole`: judgments for so many rows would take hours."""
    release = Release.objects.create(
        project=world.project,
        number=1,
        version="1",
        settings=release_settings({}).as_json(),
        manifest={"rows": 1, "splits": {"train": {"rows": 1, "prompts": 1}}},
        created_at=NOW,
        created_by=world.lead,
    )
    digest = hashlib.sha256(whole).hexdigest()
    for name, split, content in ((NAME, "train", whole), ("SHA256SUMS", "", f"{digest}  {NAME}\n".encode())):
        ReleaseFile.objects.create(
            release=release,
            name=name,
            format="preference",
            split=split,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            storage_name=default_storage.save(f"releases/long/{name}", ContentFile(content)),
        )
    release.state, release.frozen_at = "frozen", NOW
    release.save(update_fields=["state", "frozen_at"])


def test_a_pull_that_was_killed_goes_on_and_is_right(
    world: World, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = random.Random(1).randbytes(10 * MIB)
    release_of_one_file(world, whole)
    asked, goes_on = hesitating_server(monkeypatch)
    part = tmp_path / "data" / f".{NAME}.part"
    words = ("pull", world.project.slug, "--to", "data")
    with subprocess.Popen(
        command(*words), env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        while not (part.exists() and part.stat().st_size >= 4 * MIB):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    goes_on.set()
    kept = part.stat().st_size
    assert 4 * MIB <= kept < len(whole) and not (tmp_path / "data" / NAME).exists()
    done = concord(environment, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / NAME).read_bytes() == whole
    assert asked == [(0, len(whole) - 1), (kept, len(whole) - 1)]
    assert not part.exists()


def released(world: World) -> tuple[Release, bytes]:
    """A release with one side, and the bytes of its JSONL."""
    release, _ = cut(world, {"split": {"train": 1}})
    return release, contents(release)[NAME]


def test_a_byte_that_turned_in_a_part_is_found(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    """What a kill left behind may be damaged by the time it goes on."""
    _, whole = released(world)
    folder = tmp_path / "data"
    folder.mkdir()
    damaged = bytearray(whole[: len(whole) // 2])
    damaged[7] ^= 1
    (folder / f".{NAME}.part").write_bytes(damaged)
    done = concord(environment, "pull", world.project.slug, "--to", "data", cwd=tmp_path)
    assert done.returncode == 0 and f"{NAME} was damaged here and has been fetched again." in done.stderr
    assert (folder / NAME).read_bytes() == whole


def test_without_the_check_the_damage_stays(
    world: World, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: it is the comparison of hashes that finds the byte, nothing else."""
    from typer.testing import CliRunner

    from exporters.cli import download
    from exporters.cli.main import app

    release, whole = released(world)
    folder = tmp_path / "data"
    folder.mkdir()
    damaged = bytearray(whole[: len(whole) // 2])
    damaged[7] ^= 1
    (folder / f".{NAME}.part").write_bytes(damaged)
    hashes = {file.path: file.sha256 for file in release.files.all()}
    monkeypatch.setattr(
        download, "sha256_of", lambda path: hashes[path.name.removeprefix(".").removesuffix(".part")]
    )
    done = CliRunner().invoke(app, ["pull", world.project.slug, "--to", str(folder)], env=environment)
    assert done.exit_code == 0, done.output
    assert (folder / NAME).read_bytes() != whole and len((folder / NAME).read_bytes()) == len(whole)


def test_a_release_is_sent_to_a_hub_byte_for_byte(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    release, _ = cut(world)
    with hub() as there:
        there.files = {
            "train-00001-of-00002.parquet": b"of an earlier release",
            "notes.md": b"somebody's own",
        }
        words = ("push-hub", f"{world.project.slug}@1", "--repo", "org/name", "--endpoint", there.url)
        done = concord(environment, *words, cwd=tmp_path, HF_TOKEN="hf_right")
        assert done.returncode == 0, done.stderr
        assert there.files.pop("notes.md") == b"somebody's own"
        assert there.files == contents(release)
        assert (there.created["visibility"], there.created["type"]) == ("private", "dataset")
        assert there.commits == [f"{world.project.slug} 1, preference"]
        assert f"{there.url}/datasets/org/name" in done.stdout
        sums = there.files["SHA256SUMS"].decode().splitlines()
        for line in sums:
            digest, name = line.split("  ")
            assert hashlib.sha256(there.files[name]).hexdigest() == digest
        refused = concord(environment, *words, cwd=tmp_path, HF_TOKEN="hf_wrong_and_secret")
        assert refused.returncode == 1 and "does not accept this token" in refused.stderr
    for said in (done, refused):
        assert "hf_right" not in said.stdout + said.stderr and "hf_wrong" not in said.stdout + said.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_right" in path.read_bytes()]


def test_a_hub_that_is_away_and_a_missing_package_are_told(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    cut(world)
    words = ("push-hub", world.project.slug, "--repo", "org/name")
    away = concord(environment, *words, "--endpoint", "http://127.0.0.1:9", cwd=tmp_path, HF_TOKEN="hf_x")
    assert away.returncode == 1 and away.stderr.splitlines()[-1].startswith("Error: The connection to")
    (tmp_path / "huggingface_hub.py").write_text("raise ImportError('not installed')\n")
    path = f"{tmp_path}:{environment['PYTHONPATH']}"
    missing = concord(environment, *words, cwd=tmp_path, HF_TOKEN="hf_x", PYTHONPATH=path)
    assert missing.returncode == 1
    assert missing.stderr == (
        "Error: push-hub needs the package huggingface_hub: run `pip install 'concord[hub]'` first.\n"
    )
    wrong = concord(
        environment, "push-hub", world.project.slug, "--repo", "name", cwd=tmp_path, HF_TOKEN="hf_x"
    )
    assert wrong.stderr == "Error: 'name' is not ORGANISATION/NAME.\n"
