"""One throw-away PostgreSQL for the whole run, and the tiers that need more than Python.

The cluster belongs to the process that the user started (the xdist controller, or the only process); workers
learn its address through the environment. A DATABASE_URL that is already set is used as it is. Settings are
named here and not in pyproject.toml, so that they are read only once the cluster is there.
"""

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings
from xdist.scheduler.loadfile import LoadFileScheduling

from annotation.runtime import postgres, roles

ROOT = Path(__file__).resolve().parents[1]
CLUSTER = pytest.StashKey[postgres.Cluster]()
TEMPLATE_LOCK = "CONCORD_TEST_TEMPLATE_LOCK"
"""The variable with the path of the lock below; set where the cluster is ours."""
TIERS = ("browser", "data", "trl", "gettext")


def _start_cluster(config: pytest.Config) -> str:
    """Start the cluster of this run and return the address its tests use: an owner who may make databases."""
    cluster = postgres.throw_away_cluster()
    config.stash[CLUSTER] = cluster
    cluster.start()
    password = secrets.token_urlsafe(24)
    roles.create_roles(cluster.superuser_url, owner_password=password, application_password=password)
    with psycopg.connect(cluster.superuser_url, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {roles.OWNER} CREATEDB")
        # A test sees rows that are rolled back later. Autovacuum would note their tables as empty, and plans made for
        # empty tables take minutes on a few hundred rows; of a table never looked at PostgreSQL goes by the size.
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
    # Every database made from now on has the message queue, so Celery tests work in any of them.
    template = cluster.url(postgres.SUPERUSER, cluster.password, "template1")
    for database in (template, cluster.url(postgres.SUPERUSER, cluster.password, roles.DATABASE)):
        roles.install_queue(database, user=roles.OWNER)
    os.environ["VAR"] = str(cluster.home / "var")
    os.environ[TEMPLATE_LOCK] = str(cluster.home / "template.lock")
    return cluster.url(roles.OWNER, password, roles.DATABASE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have a database before Django reads its settings."""
    config.addinivalue_line("markers", "gettext: needs xgettext, msgmerge and msgfmt")
    if config.getoption("help") or config.getoption("version"):
        return
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = _start_cluster(config)
    import django

    import annotation.config.celery  # noqa: F401  (what a task enqueued in a test goes through)

    django.setup()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """The database of each process is a copy of one that was migrated once, which takes a core half a minute."""
    from django.core.management import call_command
    from django.db import connection

    if TEMPLATE_LOCK not in os.environ:
        return
    with Path(os.environ[TEMPLATE_LOCK]).open("a+") as lock, django_db_blocker.unblock():
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not lock.seek(0, os.SEEK_END):
            call_command("migrate", verbosity=0)
            connection.close()  # a database that somebody is connected to cannot be copied
            lock.write("migrated")
    connection.settings_dict["TEST"]["TEMPLATE"] = connection.settings_dict["NAME"]


FAULTS = "tests/faults/"
SLOW_FIRST = (FAULTS, "tests/e2e/")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for servers and browsers comes first, so that it does not run alone at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(SLOW_FIRST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """All faults go to one process, since each process that has some begins an instance: half a minute of a core."""
    return FaultsTogether(config, log) if config.getvalue("dist") == "loadfile" else None


class FaultsTogether(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return FAULTS if nodeid.startswith(FAULTS) else super()._split_scope(nodeid)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop and remove the cluster, also after Ctrl-C."""
    cluster = config.stash.get(CLUSTER, None)
    if cluster is not None:
        postgres.discard(cluster)


# Tiers: what a machine may lack. Each skip says what is missing; CI turns it into a failure.


def chromium() -> Path | None:
    """The browser, from CHROMIUM or the search path."""
    named = os.environ.get("CHROMIUM")
    found = named or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    return Path(found) if found else None


def data_folder() -> Path:
    """Where the shared real data lies on this machine, whether or not it is there."""
    return Path(os.environ.get("CONCORD_DATA") or ROOT.parent / "shared" / "data")


def _missing(tier: str) -> str | None:
    """What keeps a tier from running here, or None."""
    if tier == "browser" and chromium() is None:
        return "Chromium is not installed (Debian: apt-get install chromium)"
    if tier == "data" and not data_folder().is_dir():
        return f"the shared data is not at {data_folder()} (set CONCORD_DATA)"
    if tier == "trl" and not (ROOT / ".venv-trl" / "bin" / "python").exists():
        return "the TRL environment is not installed (make trl)"
    if tier == "gettext" and not all(map(shutil.which, ("xgettext", "msgmerge", "msgfmt"))):
        return "GNU gettext is not installed (Debian: apt-get install gettext)"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run; fail instead where CONCORD_REQUIRE names the tier."""
    for tier in TIERS:
        if item.get_closest_marker(tier) is None:
            continue
        missing = _missing(tier)
        if missing is None:
            continue
        if tier in os.environ.get("CONCORD_REQUIRE", "").split(","):
            pytest.fail(f"{tier} is required here, but {missing}", pytrace=False)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared real data. Use together with `@pytest.mark.data`."""
    return data_folder()


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The browser's executable. Use together with `@pytest.mark.browser`."""
    found = chromium()
    assert found is not None, "mark the test with @pytest.mark.browser"
    return found


@pytest.fixture(autouse=True)
def _own_files(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Uploads and releases of one test lie in a folder of their own."""
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("files")
