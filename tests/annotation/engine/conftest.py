"""Every test of the engine has a world of its own and ends with a look at all invariants.

pytest reads this file before Django is ready, so models are imported where they are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.factories import World


@pytest.fixture
def world() -> World:
    from tests.factories import make_world

    return make_world()


@pytest.fixture(autouse=True)
def _invariants_hold(world: World) -> Iterator[None]:
    from annotation.invariants import violations

    yield
    assert violations() == []
