"""Backup while people work, and the drill: a new instance holds all that was acknowledged before, or there is none.

The oracle is the one of the kills: the log of what was acknowledged, against the tables.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from annotation.backup import database, restoring
from annotation.backup.making import back_up
from annotation.backup.manifest import DUMP, FILES, MANIFEST, read_manifest, sha256_of
from annotation.models import Job
from annotation.runtime import roles
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.postgres import SUPERUSER, Cluster
from annotation.runtime.up import CLUSTER_FILE
from tests.exporters.releases import cut, judged_world
from tests.factories import NOW
from tests.faults.guards import own_database_url
from tests.faults.load import Load
from tests.faults.oracle import compare
from tests.faults.running import Running, broken_invariants, is_up
from tests.faults.scale import LONG, scaled
from tests.instance import ROOT, clean_environment, free_port

ANNOTATORS, OVERLAP = 6, 3
BEFORE, AFTER = scaled(60, 5000), scaled(10, 500)
RELEASE_FILES = "SELECT storage_name, sha256, size FROM exporters_releasefile ORDER BY storage_name"


def manage(var: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """An operator's command, which may fail."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=clean_environment(var),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@dataclass(frozen=True)
class Drill:
    """A backup that was made under load, and the instance folder into which it was restored."""

    backup: Path
    project: str
    before: Path
    """Log of what was acknowledged before the backup began."""
    all: Path
    """Log of everything that was acknowledged, also after it had ended."""
    after: int
    """How many came after it had ended."""
    release_files: list[tuple[str, str, int]]
    cluster: Cluster
    said: str

    @property
    def url(self) -> str:
        return self.cluster.url(SUPERUSER, self.cluster.password, roles.DATABASE)


@pytest.fixture(scope="module")
def drill(_kept: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    folder = tmp_path_factory.mktemp("drill")
    everything, before, backup = folder / "all", folder / "before", folder / "backup"
    place = _kept.workplace(items=scaled(6000, 20_000), overlap=OVERLAP, annotators=ANNOTATORS)
    with Load(_kept.url, place, everything) as load:
        load.wait_until(BEFORE)
        _kept.manage("cut_release", place.project, "--labels", "every")
        before.write_bytes(everything.read_bytes().rpartition(b"\n")[0] + b"\n")
        _kept.manage("backup", str(backup))
        at_the_end = len(load.acknowledged)
        load.wait_until(at_the_end + AFTER)
        load.stop()
    after = len(load.acknowledged) - at_the_end
    restored = manage(folder / "var", "restore", str(backup))
    assert restored.returncode == 0, restored.stderr
    passwords = json.loads((folder / "var" / CLUSTER_FILE).read_text())
    cluster = Cluster(home=folder / "var", password=passwords["superuser"])
    cluster.start()
    try:
        files = _kept.sql(RELEASE_FILES)
        yield Drill(backup, place.project, before, everything, after, files, cluster, restored.stdout)
    finally:
        cluster.stop()


def test_what_was_acknowledged_before_the_backup_is_restored(drill: Drill) -> None:
    """The control is the whole log: the same oracle misses what was acknowledged after the backup had ended."""
    findings = compare(drill.url, drill.before, project=drill.project)
    control = compare(drill.url, drill.all, project=drill.project)
    manifest = read_manifest(drill.backup)
    with psycopg.connect(drill.url) as session:
        held = session.execute(RELEASE_FILES).fetchall()
        newest = session.execute("SELECT max(transaction_id) FROM annotation_judgment").fetchall()[0][0]
        following = database.next_transaction(session)
    bytes_held = {
        name: hashlib.sha256((drill.cluster.home / "files" / name).read_bytes()).hexdigest()
        for name, _, _ in held
    }
    print(
        f"\n[restore drill] {findings.acknowledged} acknowledged before the backup: {findings.lost} lost,"
        f" {findings.doubled} doubled; control: {control.lost} acknowledged since are missing, {drill.after} of them"
        f" after its end; {len(manifest.tables)} tables and {len(held)} release files the same by hash"
    )
    assert findings.acknowledged >= BEFORE and findings.is_clean
    assert control.lost >= drill.after >= AFTER
    assert held == drill.release_files and held
    assert bytes_held == {name: digest for name, digest, _ in held}
    assert following > newest, "the stream of judgments shows what was restored"
    assert broken_invariants(drill.url, swept_before=manifest.begun_at) == []
    assert "Every invariant and the audit chain hold" in drill.said


@pytest.mark.skipif(not LONG, reason="an instance more: `make faults`")
def test_the_restored_instance_starts_and_works(drill: Drill) -> None:
    drill.cluster.stop()
    instance = Running(var=drill.cluster.home, port=free_port())
    try:
        instance.start(demo=True)
        assert is_up(instance.url)
        instance.manage("check_invariants")
        assert "demo" not in instance.output, "people's own work gets no demo beside it"
    finally:
        instance.stop()
        drill.cluster.start()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def turned(path: Path) -> None:
    """One bit of it flips."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "dump truncated": (DUMP, truncated, "has .* bytes of"),
    "dump turned": (DUMP, turned, "another content"),
    "dump missing": (DUMP, Path.unlink, "is missing"),
    "file truncated": (FILES, truncated, "has .* bytes of"),
    "file turned": (FILES, turned, "another content"),
    "file missing": (FILES, Path.unlink, "is missing"),
    "manifest truncated": (MANIFEST, truncated, "is damaged"),
    "manifest missing": (MANIFEST, Path.unlink, "is no backup"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_control_a_damaged_backup_is_refused_before_anything_is_begun(
    damage: str, drill: Drill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    where, harm, words = DAMAGES[damage]
    copy = tmp_path / "copy"
    shutil.copytree(drill.backup, copy)
    harm(copy / where if where != FILES else copy / FILES / read_manifest(copy).files[0].name)
    with pytest.raises(RuntimeFault, match=words):
        restoring.restore(copy, var=tmp_path / "var", into=None)
    assert not (tmp_path / "var").exists()


def test_control_a_backup_whose_table_lost_a_row_is_refused_and_leaves_nothing(
    drill: Drill, running: Running, tmp_path: Path
) -> None:
    """Its dump is sound and has the hash of the manifest: only the rows themselves can tell."""
    copy = tmp_path / "copy"
    shutil.copytree(drill.backup, copy)
    with psycopg.connect(drill.cluster.superuser_url, autocommit=True) as session:
        session.execute(f"CREATE DATABASE short TEMPLATE {roles.DATABASE}")
    short = drill.cluster.url(SUPERUSER, drill.cluster.password, "short")
    with psycopg.connect(short) as session:
        session.execute("SET session_replication_role = replica")
        session.execute("DELETE FROM annotation_receipt WHERE id = (SELECT max(id) FROM annotation_receipt)")
    (copy / DUMP).unlink()
    with psycopg.connect(short) as session:
        database.dump(short, snapshot=database.export_snapshot(session), to=copy / DUMP)
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["dump"] |= {"sha256": sha256_of(copy / DUMP), "size": (copy / DUMP).stat().st_size}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    rows = next(table["rows"] for table in manifest["tables"] if table["name"] == "annotation_receipt")

    refused = manage(running.var, "restore", str(copy), "--into", "short")
    print(f"\n[restore drill, control] {refused.stderr.strip()}")
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert f"annotation_receipt has {rows - 1} rows of {rows}" in refused.stderr
    assert running.sql("SELECT 1 FROM pg_database WHERE datname = 'short'") == []
    assert not any(path.is_file() for path in (running.var / "files-short").rglob("*"))


def test_an_instance_that_runs_is_not_restored_over(drill: Drill, running: Running) -> None:
    refused = manage(running.var, "restore", str(drill.backup))
    assert refused.returncode == 1 and running.url in refused.stderr
    assert refused.stderr.count("\n") == 1


# The same from within, on this test's own database


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_not_empty_is_not_restored_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_world([[1]])
    back_up(tmp_path / "made", url=own_database_url(), open_file=default_storage.open, now=NOW)
    monkeypatch.setenv("DATABASE_URL", own_database_url())
    with pytest.raises(RuntimeFault, match="not empty"):
        restoring.restore(tmp_path / "made", var=tmp_path / "var", into=None)
    with pytest.raises(RuntimeFault, match="no name for a database"):
        restoring.restore(tmp_path / "made", var=tmp_path / "var", into="no name")
    monkeypatch.delenv("DATABASE_URL")
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "instance.json").write_text("{}")
    with pytest.raises(RuntimeFault, match="name it in DATABASE_URL"):
        restoring.restore(tmp_path / "made", var=tmp_path / "var", into="beside")


@pytest.mark.django_db(transaction=True)
def test_a_backup_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    back_up(tmp_path / "made", url=own_database_url(), open_file=default_storage.open, now=NOW)
    manifest = json.loads((tmp_path / "made" / MANIFEST).read_text())
    manifest["migrations"].append(["annotation", "9999_later"])
    (tmp_path / "made" / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(RuntimeFault, match="newer Concord"):
        restoring.restore(tmp_path / "made", var=tmp_path / "var", into=None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("harm", [truncated, Path.unlink], ids=["damaged", "missing"])
def test_a_release_file_that_is_not_what_its_row_says_stops_the_backup(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    release, _ = cut(judged_world([[1, 1]]), {"labels": "every"})
    stored = release.files.order_by("pk")[0]
    harm(Path(default_storage.path(stored.storage_name)))
    with pytest.raises(RuntimeFault, match=stored.storage_name):
        back_up(tmp_path / "made", url=own_database_url(), open_file=default_storage.open, now=NOW)
    assert list(tmp_path.iterdir()) == [], "a backup is there whole or not at all"


@pytest.mark.django_db(transaction=True)
def test_the_file_of_an_import_that_waits_is_backed_up_and_one_that_is_gone_is_no_matter(
    tmp_path: Path,
) -> None:
    there = default_storage.save("uploads/there", ContentFile(b"rows"))
    for key, path in (("there", there), ("gone", "uploads/gone")):
        Job.objects.create(kind="import_batch", key=key, arguments={"path": path}, created_at=NOW)
    made = back_up(tmp_path / "made", url=own_database_url(), open_file=default_storage.open, now=NOW)
    assert [(file.name, file.size) for file in made.files] == [(there, 4)]
    assert (tmp_path / "made" / FILES / there).read_bytes() == b"rows"


@pytest.mark.django_db(transaction=True)
def test_a_backup_does_not_write_over_another(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    back_up(tmp_path / "made", url=own_database_url(), open_file=default_storage.open, now=NOW)
    with pytest.raises(RuntimeFault, match="is there already"):
        back_up(tmp_path / "made", url=own_database_url(), open_file=default_storage.open, now=NOW)
