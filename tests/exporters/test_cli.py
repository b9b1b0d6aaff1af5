"""The command against a real server: what an engineer types, and what they read when it goes wrong."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import Result as ClickResult
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from typer.testing import CliRunner

from annotation.jobs import run_claimed
from annotation.models import Item, Job, Membership
from exporters.cli.main import app
from exporters.models import Release, ReleaseFile
from tests.exporters.releases import cut, judge_item, judged_world, lines_of
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {"README.md", "DATASHEET.md", "croissant.json", "manifest.json"}
DATA = re.compile(r"(train|test)-\d{5}-of-\d{5}\.(parquet|jsonl\.gz)")
NO_SUCH_LABELS = "Error: Choose one of: majority, every, mean_strength, dawid_skene, adjudicated, reference."
Concord = Callable[..., ClickResult]


@pytest.fixture
def world() -> World:
    return judged_world([[-2, 2, 1, 1, -1, 2]])


@pytest.fixture
def engineer(world: World) -> Membership:
    return world.member("engineer")


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """Runs queued jobs in a thread, as a Celery worker would."""
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.wait(0.05):
                for job in Job.objects.filter(state=Job.State.QUEUED):
                    run_claimed(str(job.pk), timezone.now())
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def concord(
    world: World,
    engineer: Membership,
    live_server: LiveServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Concord:
    """Run `concord …` as the engineer, signed in, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONCORD_CONFIG", str(tmp_path / "config" / "account.json"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("CONCORD_TOKEN", raising=False)
    monkeypatch.delenv("CONCORD_URL", raising=False)

    def run(*words: str, **env: str) -> ClickResult:
        return CliRunner().invoke(app, list(words), env=env)

    assert run("login", live_server.url, CONCORD_TOKEN=world.token(engineer.user)).exit_code == 0
    return run


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check_sums(folder: Path) -> int:
    """How many files SHA256SUMS lists; every one must match."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    return len(lines)


# Signing in


def test_login_keeps_the_token_for_its_owner_only(
    world: World, engineer: Membership, live_server: LiveServer, concord: Concord, tmp_path: Path
) -> None:
    path = tmp_path / "config" / "account.json"
    token = world.token(engineer.user)
    done = concord("login", f"{live_server.url}/", CONCORD_TOKEN=token)
    assert done.exit_code == 0
    assert f"Your projects: {world.project.slug}." in done.stdout
    assert json.loads(path.read_text()) == {"url": live_server.url, "token": token}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert token not in done.output


def test_login_asks_for_the_token(
    world: World, engineer: Membership, live_server: LiveServer, concord: Concord
) -> None:
    token = world.token(engineer.user)
    done = CliRunner().invoke(app, ["login", live_server.url], input=f"{token}\n")
    assert done.exit_code == 0 and token not in done.output


def test_a_wrong_token_is_not_kept(live_server: LiveServer, concord: Concord, tmp_path: Path) -> None:
    before = (tmp_path / "config" / "account.json").read_text()
    refused = concord("login", live_server.url, CONCORD_TOKEN="ccd_wrong")
    assert refused.exit_code == 1
    assert refused.stderr == "Error: The server does not accept this token: run `concord login` again.\n"
    assert (tmp_path / "config" / "account.json").read_text() == before


def test_errors_are_one_line(world: World, concord: Concord, tmp_path: Path) -> None:
    slug = world.project.slug
    for words, sentence in (
        (["pull", slug], f"Error: {slug} has no release yet; add --cut to make one."),
        (["pull", f"{slug}@9"], f"Error: {slug} has no release 9."),
        (["pull", "nowhere"], "Error: There is nothing here, or it is not yours to see."),
        (["pull", f"{slug}@"], f"Error: '{slug}@' is not PROJECT or PROJECT@VERSION."),
        (["pull", f"{slug}@../x"], f"Error: '{slug}@../x' is not PROJECT or PROJECT@VERSION."),
        (["pull", slug, "--type", "csv"], "Error: --type is parquet, jsonl or both."),
        (
            ["pull", slug, "--labels", "every"],
            "Error: --labels, --ties, --min-judgments, --settings and --chat-template belong to --cut.",
        ),
        (
            ["pull", slug, "--cut", "--labels", "truth"],
            NO_SUCH_LABELS,
        ),
        (
            ["pull", slug, "--cut", "--format", "csv"],
            (
                "Error: No format is called 'csv'; there are: preference, preference-implicit, reward, "
                "unpaired-preference, prompt-completion, messages, prompt-only, rankings, ratings, judgments, argilla, "
                "openai, stepwise."
            ),
        ),
        (["login", "127.0.0.1:9"], "Error: Cannot reach http://127.0.0.1:9: is the server running?"),
    ):
        failed = concord(*words, CONCORD_TOKEN="ccd_x" if words[0] == "login" else "")
        assert failed.exit_code == 1, words
        assert failed.stderr == sentence + "\n"
        assert failed.stdout == ""
    assert files_in(tmp_path) == ["config"]


def test_without_an_account_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCORD_CONFIG", str(tmp_path / "none.json"))
    failed = CliRunner().invoke(app, ["status", "demo"])
    assert failed.exit_code == 1
    assert failed.stderr == "Error: You are not signed in: run `concord login URL` first.\n"


# Pulling


@pytest.mark.usefixtures("worker")
def test_pull_cuts_waits_and_writes_the_folder(world: World, concord: Concord, tmp_path: Path) -> None:
    slug = world.project.slug
    done = concord("pull", slug, "--cut", "--format", "preference")
    assert done.exit_code == 0, done.output
    folder = tmp_path / f"{slug}-1"
    names = files_in(folder)
    assert TEXTS | {"SHA256SUMS", ".concord.json"} < set(names)
    data = [name for name in names if DATA.fullmatch(name)]
    assert len(data) + len(TEXTS) + 2 == len(names) and len(data) >= 2
    assert check_sums(folder) == len(names) - 2
    assert f"{slug} 1 is in {slug}-1" in done.stdout
    origin = json.loads((folder / ".concord.json").read_text())
    assert (origin["project"], origin["release"]) == (slug, "1")


@pytest.mark.usefixtures("worker")
def test_a_named_cut_with_settings_comes_to_the_folder_that_was_asked_for(
    world: World, concord: Concord
) -> None:
    done = concord(
        "pull",
        f"{world.project.slug}@night",
        "--cut",
        "--to",
        "deep/data",
        "--labels",
        "every",
        "--ties",
        "both",
    )
    assert done.exit_code == 0, done.output
    manifest = json.loads(Path("deep/data/manifest.json").read_text())
    assert (manifest["settings"]["labels"], manifest["settings"]["ties"]) == ("every", "both")
    assert manifest["rows"] == 6
    assert Release.objects.get().version == "night"


@pytest.mark.usefixtures("worker")
def test_a_cut_takes_all_settings_from_a_file(world: World, concord: Concord, tmp_path: Path) -> None:
    chosen = {
        "filters": {"min_agreement": 0.5, "min_judgments": 9},
        "criterion": "overall",
        "labels": "every",
    }
    (tmp_path / "settings.json").write_text(json.dumps(chosen))
    options = ("--settings", "settings.json", "--min-judgments", "1", "--labels", "majority")
    done = concord("pull", world.project.slug, "--cut", *options)
    assert done.exit_code == 0, done.output
    settings = Release.objects.get().settings
    assert settings["labels"] == "majority"
    assert settings["filters"]["min_agreement"] == 0.5 and settings["filters"]["min_judgments"] == 1
    (tmp_path / "settings.json").write_text("[1]")
    failed = concord("pull", world.project.slug, "--cut", "--settings", "settings.json")
    assert failed.exit_code == 1 and "settings.json must hold an object of settings." in failed.stderr


@pytest.mark.usefixtures("worker")
def test_a_cut_that_fails_says_why(concord: Concord) -> None:
    empty = make_world()
    failed = concord("pull", empty.project.slug, "--cut")
    assert failed.exit_code == 1 and "nothing here" in failed.stderr
    empty.project.memberships.create(
        user=Membership.objects.get(role="engineer").user,
        role="engineer",
        pseudonym="p-e",
        created_at=empty.now,
    )
    failed = concord("pull", empty.project.slug, "--cut")
    assert failed.exit_code == 1
    assert failed.stderr.endswith("Error: There is nothing to release: no item passes the filters.\n")


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_one_type_alone_is_a_whole_dataset(world: World, concord: Concord, kind: str) -> None:
    cut(world)
    assert concord("pull", world.project.slug, "--type", kind, "--to", "data").exit_code == 0
    folder = Path("data")
    data = [name for name in files_in(folder) if DATA.fullmatch(name)]
    assert data and all(f".{kind}" in name for name in data)
    assert check_sums(folder) == len(data) + len(TEXTS)
    front = (folder / "README.md").read_text().split("\n---\n")[0]
    assert front.count(f"-*.{kind}") == len(data)
    # Again: nothing is wrong with it.
    again = concord("pull", world.project.slug, "--type", kind, "--to", "data")
    assert again.exit_code == 0 and check_sums(folder) == len(data) + len(TEXTS)
    assert "damaged" not in again.stderr
    both = concord("pull", world.project.slug, "--to", "data")
    assert both.exit_code == 0 and check_sums(folder) == 2 * len(data) + len(TEXTS)
    assert "damaged" not in both.stderr


def test_a_second_pull_fetches_nothing(
    world: World, concord: Concord, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    cut(world)
    concord("pull", world.project.slug, "--to", "data")
    times = {path.name: path.stat().st_mtime_ns for path in Path("data").iterdir()}
    assert concord("pull", world.project.slug, "--to", "data").exit_code == 0
    changed = {path.name for path in Path("data").iterdir() if path.stat().st_mtime_ns != times[path.name]}
    assert changed <= {".concord.json"}


def test_a_truncated_file_is_resumed_where_it_broke_off(
    world: World, concord: Concord, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(world, {"split": {"train": 1}})
    concord("pull", world.project.slug, "--to", "data")
    name = "train-00000-of-00001.parquet"
    whole = Path("data", name).read_bytes()
    Path("data", name).write_bytes(whole[:1000])
    Path("data", "README.md").rename(Path("data", ".README.md.part"))
    sent = spans_sent(monkeypatch)
    assert concord("pull", world.project.slug, "--to", "data").exit_code == 0
    assert Path("data", name).read_bytes() == whole
    assert sent == [(name, 1000, len(whole) - 1)]
    assert check_sums(Path("data")) == 2 + len(TEXTS) and not list(Path("data").glob(".*.part"))


def test_a_part_of_another_file_is_found_and_fetched_again(
    world: World, concord: Concord, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(world, {"split": {"train": 1}})
    concord("pull", world.project.slug, "--to", "data")
    name = "train-00000-of-00001.jsonl.gz"
    whole = Path("data", name).read_bytes()
    Path("data", name).write_bytes(b"x" * 100)
    sent = spans_sent(monkeypatch)
    done = concord("pull", world.project.slug, "--to", "data")
    assert done.exit_code == 0 and f"{name} was damaged here" in done.stderr
    assert Path("data", name).read_bytes() == whole
    assert [span[1] for span in sent] == [100, 0]


@pytest.mark.parametrize("position", [0, 500, -1])
def test_a_flipped_byte_is_found_and_mended(world: World, concord: Concord, position: int) -> None:
    cut(world, {"split": {"train": 1}})
    concord("pull", world.project.slug, "--to", "data")
    path = Path("data", "train-00000-of-00001.parquet")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[position] ^= 1
    path.write_bytes(damaged)
    done = concord("pull", world.project.slug, "--to", "data")
    assert done.exit_code == 0 and f"{path.name} was damaged here and has been fetched again." in done.stderr
    assert path.read_bytes() == whole


def test_a_byte_flipped_on_the_server_is_never_kept(world: World, concord: Concord) -> None:
    release, _ = cut(world, {"split": {"train": 1}})
    file = release.files.get(name="train-00000-of-00001.parquet")
    path = Path(default_storage.path(file.storage_name))
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 1
    path.write_bytes(damaged)
    failed = concord("pull", world.project.slug, "--to", "data")
    assert failed.exit_code == 1 and f"{file.path} does not match its checksum" in failed.stderr
    assert not Path("data", file.path).exists()
    assert not list(Path("data").glob(".*.part"))


def test_another_release_takes_the_place_of_the_earlier_one(world: World, concord: Concord) -> None:
    """No file of the first may stay: train-*.parquet would load it with the second."""
    cut(world)
    cut(world, {"split": {"train": 0.5, "validation": 0.5}})
    assert concord("pull", f"{world.project.slug}@1", "--to", "data").exit_code == 0
    assert concord("pull", f"{world.project.slug}@2", "--to", "data").exit_code == 0
    sides = {name.split("-")[0] for name in files_in(Path("data")) if DATA.fullmatch(name)}
    assert sides <= {"train", "validation"}
    assert check_sums(Path("data")) == len(files_in(Path("data"))) - 2


def test_a_folder_with_strange_data_is_refused(world: World, concord: Concord) -> None:
    cut(world)
    Path("data").mkdir()
    Path("data/train-00007-of-00009.parquet").write_bytes(b"mine")
    failed = concord("pull", world.project.slug, "--to", "data")
    assert failed.exit_code == 1 and "holds train-00007-of-00009.parquet" in failed.stderr
    assert files_in(Path("data")) == ["train-00007-of-00009.parquet"]


def test_a_server_cannot_write_outside_the_folder(world: World, concord: Concord) -> None:
    release, _ = cut(world)
    file = release.files.get(name="README.md")
    # What a hostile server would say; ours cannot, so the row is made by force of a second release.
    other = Release.objects.create(
        project=world.project,
        number=2,
        version="2",
        settings=release.settings,
        created_at=world.now,
        created_by=world.lead,
    )
    ReleaseFile.objects.create(
        release=other,
        name="preference/..",
        format="preference",
        size=file.size,
        sha256=file.sha256,
        storage_name=file.storage_name,
    )
    Release.objects.filter(pk=other.pk).update(state="frozen", frozen_at=world.now, manifest=release.manifest)
    failed = concord("pull", f"{world.project.slug}@2", "--to", "data")
    assert failed.exit_code == 1 and failed.stderr == "Error: The server names a file '..'; refused.\n"
    assert not Path("data").exists()


@contextmanager
def server_that_says(answers: dict[str, bytes]) -> Iterator[str]:
    """The address of a server with these answers by path below /api/v1/projects/demo, whatever they are."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            # The client hangs up when it has seen enough.
            with suppress(ConnectionError):
                self.wfile.write(answers[self.path.removeprefix("/api/v1/projects/demo")])

        def log_message(self, *_: object) -> None:
            """Not into the output of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def hostile_manifest(**changes: str) -> bytes:
    """A manifest of one file of ten bytes, with `changes` in the file; `release` is for the whole."""
    file: dict[str, Any] = {"name": "README.md", "path": "README.md", "type": "text", "split": None}
    file |= {"format": "preference", "bytes": 10, "sha256": "0" * 64} | changes
    release = changes.get("release", "1")
    return json.dumps({"release": release, "state": "frozen", "splits": {}, "files": [file]}).encode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"release": "/../../victim"}, "The server names a release '/../../victim'; refused."),
        ({"release": ".."}, "The server names a release '..'; refused."),
        ({"path": "../x"}, "The server names a file '../x'; refused."),
        ({"name": "../../../other/README.md"}, "The server names a file '..'; refused."),
    ],
)
def test_names_from_a_server_are_plain(
    concord: Concord, tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with server_that_says({"/releases/latest": hostile_manifest(**changes)}) as url:
        failed = concord("pull", "demo", CONCORD_URL=url, CONCORD_TOKEN="ccd_x")
    assert failed.exit_code == 1 and failed.stderr == f"Error: {sentence}\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_no_more_is_taken_than_was_announced(concord: Concord) -> None:
    answers = {"/releases/latest": hostile_manifest(), "/releases/1/files/README.md": b"x" * 50_000_000}
    with server_that_says(answers) as url:
        failed = concord("pull", "demo", "--to", "data", CONCORD_URL=url, CONCORD_TOKEN="ccd_x")
    assert failed.exit_code == 1
    assert failed.stderr.endswith("Error: The server sends more than the 10 bytes of README.md; refused.\n")
    assert sum(path.stat().st_size for path in Path("data").iterdir()) <= 10


def test_pulled_types_hold_the_same_rows(world: World, concord: Concord) -> None:
    cut(world)
    concord("pull", world.project.slug, "--to", "data")
    for path in Path("data").glob("*.parquet"):
        assert pq.read_table(path).to_pylist() == lines_of(path.with_suffix(".jsonl.gz").read_bytes())


# The other commands


@pytest.mark.usefixtures("worker")
def test_push_imports_a_file_and_shows_its_errors(
    world: World, live_server: LiveServer, concord: Concord
) -> None:
    lead = world.token(world.lead)
    assert concord("login", live_server.url, CONCORD_TOKEN=lead).exit_code == 0
    row = {"prompt": "Why?", "completions": [{"content": "Because."}, {"content": "So that."}]}
    Path("good.jsonl").write_text("".join(json.dumps({"id": f"r{n}"} | row) + "\n" for n in range(3)))
    done = concord("push", "good.jsonl", "--project", world.project.slug)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"3 items from good.jsonl are now batch 2 of {world.project.slug}.\n"
    assert Item.objects.filter(batch__number=2).count() == 3

    again = concord("push", "good.jsonl", "--project", world.project.slug)
    assert again.exit_code == 1 and "batch 2 (good)" in again.stderr and "Traceback" not in again.output

    Path("bad.jsonl").write_text(json.dumps({"id": "a"} | row) + "\n" + '{"id": "b", "prompt": "Why?"}\n')
    refused = concord("push", "bad.jsonl", "--project", world.project.slug)
    assert refused.exit_code == 1
    # A narrow terminal folds the last column into further lines.
    table = [line.split()[:2] for line in refused.stderr.splitlines()]
    assert table[table.index(["Line", "Field"]) + 1] == ["2", "completions"]

    checked = concord("push", "bad.jsonl", "--project", world.project.slug, "--dry-run")
    assert checked.exit_code == 1 and "nothing was stored" in checked.stderr
    assert concord("push", "missing.jsonl", "--project", world.project.slug).exit_code == 2


def test_status_shows_progress_and_releases(world: World, concord: Concord) -> None:
    cut(world, version="spring")
    shown = concord("status", world.project.slug).stdout
    assert "judgments  6 of 6 (100%)" in shown
    assert "release    spring  6 rows" in shown


def test_card_prints_the_markdown(world: World, concord: Concord) -> None:
    release, _ = cut(world)
    shown = concord("card", world.project.slug).stdout
    with default_storage.open(release.files.get(name="README.md").storage_name) as file:
        assert shown == file.read().decode()


def test_train_shows_the_accuracy_beside_its_baselines(
    world: World, concord: Concord, request: pytest.FixtureRequest
) -> None:
    world.batch(items=40, overlap=1)
    annotator = world.member()
    for number in range(40):
        judge_item(world, annotator, 1 if number % 3 else -1)
    cut(world, {"split": {"train": 0.5, "test": 0.5}})
    # Only now: a worker that is already there may take the cut itself and still be at it.
    request.getfixturevalue("worker")
    done = concord("train", world.project.slug, "--seed", "3")
    assert done.exit_code == 0, done.output
    for words in ("surface", "chance", "longer wins", "shorter wins", "release 1, seed 3"):
        assert words in done.stdout


def test_the_command_runs_as_a_module_and_knows_nothing_of_django() -> None:
    code = "import exporters.cli.main, sys; print([m for m in ('django', 'pyarrow') if m in sys.modules])"
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert loaded.stdout == "[]\n"
    shown = subprocess.run(
        [sys.executable, "-m", "exporters.cli", "--help"], capture_output=True, text=True, check=True
    )
    for command in ("login", "push", "status", "pull", "push-hub", "card", "train"):
        assert command in shown.stdout


def spans_sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Note (file, first, last byte) of each body that the server reads from its storage from now on."""
    from exporters import sending

    found: list[tuple[str, int, int]] = []
    original = sending.blocks

    def noted(storage_name: str, first: int, last: int) -> Any:
        found.append((storage_name.rsplit("/", 1)[-1], first, last))
        return original(storage_name, first, last)

    monkeypatch.setattr(sending, "blocks", noted)
    return found
