"""One instance for the faults of a run, with durability on as people have it. Each test brings a project of its own."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.running import Running, is_up, wait_for
from tests.instance import free_port


@pytest.fixture(scope="session")
def _model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder with an instance that has begun and stopped. Every process of the run copies it: beginning costs half
    a minute of a core, most of it for the tables."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "faults-model"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "begun").exists():
            model = Running(var=folder / "var", port=free_port())
            try:
                model.begin()
            finally:
                model.stop()
            model.keep(folder / "begun")
    return folder


@pytest.fixture(scope="session")
def _kept(_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(var=tmp_path_factory.mktemp("faults") / "var", port=free_port())
    try:
        made.begin_as(_model / "var", _model / "begun")
        yield made
    finally:
        made.stop()


@pytest.fixture
def running(_kept: Running) -> Running:
    """The instance, which the supervisor may be bringing back after the fault before.

    A fault that ended the supervisor itself is a finding: nobody starts it again here.
    """
    assert _kept.process is not None and _kept.process.poll() is None, "an earlier fault ended the instance"
    wait_for("instance after the fault before", lambda: is_up(_kept.url))
    return _kept
