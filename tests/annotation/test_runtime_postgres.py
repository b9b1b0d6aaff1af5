"""Our own PostgreSQL: it starts, survives kills, puts up with what crashes leave, and gives two roles."""

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from annotation.runtime import roles
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.postgres import (
    SOCKET_NAME,
    SOCKET_PATH_LIMIT,
    Cluster,
    discard,
    find_binaries,
    private_folder,
    socket_folder,
    throw_away_cluster,
)
from annotation.runtime.processes import MYSELF, is_alive, wait_until_gone

EVERY_SERVER = [find_binaries(), *sorted(Path("/usr/lib/postgresql").glob("1[5-8]/bin"))]


@pytest.fixture(scope="module")
def original() -> Iterator[Cluster]:
    """A stopped cluster to copy: cheaper than one initdb for each test."""
    made = throw_away_cluster()
    made.start()
    made.stop()
    yield made
    discard(made)


@pytest.fixture
def cluster(original: Cluster) -> Iterator[Cluster]:
    made = throw_away_cluster()
    made.password = original.password
    shutil.copytree(original.data, made.data)
    made.start()
    yield made
    discard(made)


def _kill(cluster: Cluster) -> None:
    assert cluster.pid is not None
    os.kill(cluster.pid, signal.SIGKILL)
    while cluster.pid is not None:
        time.sleep(0.01)


@pytest.mark.parametrize("binaries", EVERY_SERVER, ids=str)
def test_rows_survive_a_kill_of_every_server_on_this_machine(binaries: Path) -> None:
    cluster = throw_away_cluster()
    cluster.binaries = binaries
    cluster.throw_away = False  # with synchronous_commit off the table below would be lost
    try:
        cluster.start()
        with psycopg.connect(cluster.superuser_url) as session:
            session.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
        _kill(cluster)
        cluster.start()
        with psycopg.connect(cluster.superuser_url) as session:
            assert session.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
            assert session.execute("SHOW server_encoding").fetchone() == ("UTF8",)
    finally:
        discard(cluster)


def test_only_the_private_socket_is_open_and_only_with_a_password(cluster: Cluster) -> None:
    assert cluster.sockets.stat().st_mode & 0o777 == 0o700
    with psycopg.connect(cluster.superuser_url) as session:
        assert session.execute("SHOW listen_addresses").fetchone() == ("",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.url("postgres", "guess", "postgres"))


def test_a_recycled_pid_in_the_lock_file_does_not_block_the_start(cluster: Cluster) -> None:
    cluster.stop()
    lock = cluster.data / "postmaster.pid"
    lock.write_text(f"{os.getppid()}\n{cluster.data}\n")  # a living process, but no server
    cluster.sockets.mkdir(exist_ok=True)
    (cluster.sockets / f"{SOCKET_NAME}.lock").write_text(f"{os.getppid()}\n{cluster.data}\n")
    cluster.start()
    assert lock.read_text().splitlines()[0] == str(cluster.pid)


def test_a_server_that_outlived_its_run_is_stopped_first(cluster: Cluster) -> None:
    orphan = cluster.pid
    assert orphan is not None
    successor = Cluster(home=cluster.home, password=cluster.password, throw_away=True)
    successor.start()
    try:
        assert wait_until_gone(orphan, timeout=5)
        assert successor.pid is not None
    finally:
        successor.stop()


def test_an_interrupted_initdb_is_done_again(cluster: Cluster) -> None:
    cluster.stop()
    cluster.data.rename(cluster.data.with_suffix(".new"))
    cluster.start()
    psycopg.connect(cluster.superuser_url).close()


def test_a_lost_password_is_said_and_leaves_no_server_behind(cluster: Cluster) -> None:
    cluster.stop()
    other = Cluster(home=cluster.home, password="another", throw_away=True)
    with pytest.raises(RuntimeFault, match="password authentication failed"):
        other.start()
    assert other.pid is None


def test_the_data_of_another_version_is_refused_before_it_is_touched(cluster: Cluster) -> None:
    cluster.stop()
    (cluster.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(RuntimeFault, match="PostgreSQL 14"):
        cluster.start()


def test_what_the_server_said_last_is_in_the_error(cluster: Cluster) -> None:
    cluster.stop()
    (cluster.data / "postgresql.conf").write_text("shared_buffers = plenty\n")
    with pytest.raises(RuntimeFault, match=r"did not start: .*postgresql\.conf"):
        cluster.start()


def test_a_long_folder_gets_a_short_socket(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 40)
    assert socket_folder(tmp_path) == tmp_path / "run" or len(str(tmp_path)) > 80
    assert len(os.fsencode(socket_folder(long) / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
    assert socket_folder(long) != socket_folder(long / "er"), "two instances never share one"


def test_a_folder_that_is_only_a_link_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(RuntimeFault, match="belongs to somebody else"):
        private_folder(tmp_path / "link", MYSELF)


@pytest.fixture
def two_roles(cluster: Cluster) -> tuple[str, str]:
    """Addresses of owner and application."""
    for _ in range(2):  # safe to repeat
        roles.create_roles(cluster.superuser_url, owner_password="o" * 20, application_password="a" * 20)
        owner = cluster.url(roles.OWNER, "o" * 20, roles.DATABASE)
        roles.install_queue(owner, user=roles.APPLICATION)
        roles.grant_rows(owner)
    return owner, cluster.url(roles.APPLICATION, "a" * 20, roles.DATABASE)


def test_the_application_may_change_rows_but_not_what_protects_them(two_roles: tuple[str, str]) -> None:
    owner, application = two_roles
    with psycopg.connect(owner) as session:
        session.execute("CREATE TABLE guarded (id bigint GENERATED BY DEFAULT AS IDENTITY, word text)")
        session.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'immutable'; END $$"
        )
        session.execute("CREATE TRIGGER guard BEFORE UPDATE ON guarded EXECUTE FUNCTION refuse()")
    with psycopg.connect(application, autocommit=True) as session:
        session.execute("INSERT INTO guarded (word) VALUES ('kept')")
        with pytest.raises(psycopg.errors.RaiseException, match="immutable"):
            session.execute("UPDATE guarded SET word = 'changed'")
        for attempt in (
            "ALTER TABLE guarded DISABLE TRIGGER guard",
            "DROP TRIGGER guard ON guarded",
            "TRUNCATE guarded",
            "SET session_replication_role = replica",
            "CREATE TABLE mine (id int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(attempt)
        assert session.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (
            False,
        )


def test_the_application_makes_and_uses_queues(two_roles: tuple[str, str]) -> None:
    owner, application = two_roles
    assert roles.install_queue(owner, user=roles.APPLICATION) is False, "installed once"
    with psycopg.connect(application, autocommit=True) as session:
        session.execute("SELECT pgmq.create('work')")
        session.execute("SELECT pgmq.send('work', '{\"task\": 1}')")
        read = session.execute("SELECT msg_id, message FROM pgmq.read('work', 30, 1)").fetchone()
        assert read is not None
        assert read[1] == {"task": 1}
        assert session.execute("SELECT pgmq.delete('work', %s)", [read[0]]).fetchone() == (True,)


def test_durability_is_on_unless_a_test_asks_otherwise(cluster: Cluster) -> None:
    cluster.stop()
    durable = Cluster(home=cluster.home, password=cluster.password)
    durable.start()
    try:
        with psycopg.connect(durable.superuser_url) as session:
            settings = session.execute(
                "SELECT name, setting FROM pg_settings WHERE name ~ '^(fsync|full_page_writes|synchronous_commit)$'"
            ).fetchall()
        assert dict(settings) == {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    finally:
        durable.stop()


def test_nothing_is_left_of_a_discarded_cluster() -> None:
    cluster = throw_away_cluster()
    cluster.start()
    pid = cluster.pid
    discard(cluster)
    assert pid is not None
    assert not is_alive(pid)
    assert not cluster.home.exists()
    assert re.fullmatch(r"ccd-test-\w+", cluster.home.name)
