"""import ∘ export of whole judgments is the identity on published sets: every column of every row, byte for byte.

The whole of convarg, 84,445 votes, is read with CONCORD_FAULTS=long; the ordinary run takes 300 of its pairs.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from annotation.invariants import violations
from annotation.models import Assignment, Judgment, Membership
from tests.exporters.moving import file_of, released, rows_of, taken_in
from tests.factories import make_world
from tests.golden.judged_sets import JudgedSet, convarg, hh, pandalm, squality_ranks, squality_ratings

pytestmark = [pytest.mark.data, pytest.mark.django_db(transaction=True)]

IS_LONG = os.environ.get("CONCORD_FAULTS") == "long"

Reader = Callable[[Path], JudgedSet]


def some_convarg(folder: Path) -> JudgedSet:
    return convarg(folder, pairs=300)


SETS: dict[str, tuple[Reader, int, int]] = {
    "pandalm": (pandalm, 999, 2997),
    "squality ranks": (squality_ranks, 100, 300),
    "squality ratings": (squality_ratings, 100, 300),
    "hh": (hh, 2312, 2312),
    "convarg": (convarg, 16_927, 84_445) if IS_LONG else (some_convarg, 300, 1499),
}
"""Reader, items and judgments of each set."""


@pytest.mark.parametrize("name", SETS)
def test_a_published_set_comes_out_as_it_went_in(name: str, shared_data: Path) -> None:
    reader, items, judgments = SETS[name]
    source = reader(shared_data)
    world = make_world(source.protocol, consent="Nobody of the set has agreed to this text.")
    file = file_of(source.lines)
    batch, job = taken_in(world, file)
    assert job.error is None, job.error
    assert job.result is not None
    assert (job.result["items"], job.result["judgments"]) == (items, judgments)
    assert batch.items.count() == items and Judgment.objects.count() == judgments
    came = released(world)
    for before, after in zip(source.lines, rows_of(came), strict=True):
        assert after == before
    assert came == file
    assert not Assignment.objects.exists()
    people = Membership.objects.filter(project=world.project, is_imported=True)
    assert people.count() == len({line["annotator"] for line in source.lines})
    assert violations() == []
