"""One instance for the faults of a run, with durability on as people have it. Each test brings a project of its own."""

from collections.abc import Iterator

import pytest

from tests.faults.running import Running, is_up, wait_for
from tests.instance import free_port


@pytest.fixture(scope="session")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(var=tmp_path_factory.mktemp("faults") / "var", port=free_port())
    try:
        made.begin()
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
