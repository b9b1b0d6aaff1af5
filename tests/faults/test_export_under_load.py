"""Releases cut while people submit: each holds the state of one moment, and one moment gives the same bytes.

Everybody answers their items in order, one after the other is stored. So whoever sees a person's later answer and
not an earlier one has not seen one moment.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection, connections, transaction

from annotation.models import Judgment, Membership
from exporters import snapshot
from exporters.rows import ItemFacts
from exporters.selection import Selection
from exporters.settings import ReleaseSettings, release_settings
from exporters.snapshot import ChunkFacts, Known, select_rows
from tests.exporters.releases import contents, cut
from tests.factories import World, make_world
from tests.faults.guards import own_database_url
from tests.faults.scale import scaled

OVERLAP = 4
EIGHT = 8
ITEMS, SELECTIONS = 200, 2
ROUNDS = scaled(1, 15)
PAUSE_SECONDS = 0.04
"""Of a person between two items, so that the batch lasts."""

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def people_submitting(world: World, count: int = OVERLAP) -> Iterator[None]:
    """`count` annotators who judge one item after the other until the block ends."""
    stop = threading.Event()

    def judge(annotator: Membership, seed: int) -> None:
        try:
            while not stop.is_set():
                world.judge(annotator, {"preferred": "A", "strength": 1}, seed=seed)
                time.sleep(PAUSE_SECONDS)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        people = [pool.submit(judge, world.member(), seed) for seed in range(count)]
        try:
            yield
        finally:
            stop.set()
    for person in people:
        person.result()


@pytest.fixture
def slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A selection that takes three items at a time, and rests where the work of the moment is: three times in all
    it lets people overtake it."""
    original = snapshot.select_chunk
    rests: dict[int, int] = {}

    def select_then_rest(
        settings: ReleaseSettings,
        known: Known,
        items: Sequence[ItemFacts],
        facts: ChunkFacts,
        selection: Selection,
    ) -> None:
        before = len(selection.rows)
        original(settings, known, items, facts, selection)
        is_finished = len(selection.rows) - before == len(items) * OVERLAP
        if not is_finished and rests.setdefault(id(selection), 0) < 3:
            rests[id(selection)] += 1
            time.sleep(0.3)

    monkeypatch.setattr(snapshot, "ITEMS_AT_ONCE", 3)
    monkeypatch.setattr(snapshot, "select_chunk", select_then_rest)


def overtaken(selection: Selection) -> int:
    """Judgments that the selection lacks though it holds a later one of the same person."""
    held = {judgment for row in selection.rows for judgment in row.judgment_ids}
    last: dict[int, int] = {}
    facts = dict(Judgment.objects.values_list("pk", "annotator_id"))
    for judgment in held:
        last[facts[judgment]] = max(judgment, last.get(facts[judgment], 0))
    return sum(pk not in held and pk < last.get(annotator, 0) for pk, annotator in facts.items())


def selections(rounds: int) -> tuple[int, int]:
    """(judgments seen, judgments overtaken) over some selections while people submit, in a new project a round."""
    settings = release_settings({"labels": "every"})
    seen = torn = 0
    for _ in range(rounds):
        world = busy_world()
        with people_submitting(world):
            for _ in range(SELECTIONS):
                selection = select_rows(world.project, settings)
                seen += len(selection.rows)
                torn += overtaken(selection)
    return seen, torn


def busy_world(overlap: int = OVERLAP) -> World:
    world = make_world()
    world.batch(items=ITEMS, overlap=overlap)
    return world


def test_a_selection_is_the_state_of_one_moment(slow_reader: None) -> None:
    seen, torn = selections(ROUNDS)
    print(
        f"\n[export under load] {ROUNDS * SELECTIONS} selections, {seen} judgments in them: {torn} overtaken"
    )
    assert seen > 0
    assert torn == 0


def test_control_reading_as_it_comes_misses_what_was_earlier(
    slow_reader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "one_moment", lambda snapshot="": transaction.atomic())
    seen, torn = selections(1)
    print(f"\n[export under load, control] READ COMMITTED, {seen} judgments: {torn} overtaken")
    assert torn > 0


@contextmanager
def pinned_moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every selection in the block sees the moment at which it began."""
    with psycopg.connect(own_database_url()) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = holder.execute("SELECT pg_export_snapshot()").fetchone()
        assert found is not None

        @contextmanager
        def that_moment(snapshot: str = "") -> Iterator[None]:
            with transaction.atomic(durable=True):
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                    cursor.execute(f"SET TRANSACTION SNAPSHOT '{found[0]}'")
                yield

        with monkeypatch.context() as patch:
            patch.setattr(snapshot, "one_moment", that_moment)
            yield


def test_cutting_twice_from_one_snapshot_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight people submit before, between and during the cuts. Whole judgments are read after the moment is over.

    The control is the third cut, of a later moment: were it the same, the first two would prove nothing.
    """
    settings = {"labels": "every", "formats": ["preference", "judgments"]}
    files = size = 0
    for _ in range(ROUNDS):
        world = busy_world(EIGHT)
        with people_submitting(world, EIGHT):
            while Judgment.objects.filter(batch__project=world.project).count() < 20:
                time.sleep(0.02)
            with pinned_moment(monkeypatch):
                first, job = cut(world, settings)
                time.sleep(0.2)
                between = Judgment.objects.filter(batch__project=world.project).count()
                second, _ = cut(world, settings)
            later, _ = cut(world, settings)
        assert job.state == "succeeded", job.error
        assert first.judgments < between
        assert contents(first) == contents(second)
        assert contents(first) != contents(later)
        assert later.judgments > first.judgments
        files += len(contents(first))
        size += sum(map(len, contents(first).values()))
    print(
        f"\n[export under load] {ROUNDS} moments cut twice while people submit: {files} files, {size} bytes, the same"
    )
