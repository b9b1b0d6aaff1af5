"""Reading ahead in a thread: the order, the moment, what goes wrong, and that nothing is left open."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest
from django.db import connection

from annotation.models import Project
from exporters.ahead import read_ahead
from exporters.snapshot import name_of_moment, one_moment
from tests.factories import make_world

pytestmark = pytest.mark.django_db(transaction=True)


def backends() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        count: int = cursor.fetchone()[0]
    return count


def are_left(count: int) -> bool:
    """PostgreSQL takes a moment to end the process of a connection that was closed."""
    deadline = time.monotonic() + 10
    while backends() != count and time.monotonic() < deadline:
        time.sleep(0.05)
    return backends() == count


def projects(_: object) -> int:
    return Project.objects.count()


def in_a_thread(run: Callable[[], object]) -> None:
    def close_after() -> None:
        try:
            run()
        finally:
            connection.close()

    thread = threading.Thread(target=close_after)
    thread.start()
    thread.join()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_each_piece_comes_in_turn_with_what_was_read(count: int) -> None:
    assert list(read_ahead(range(count), str)) == [(n, str(n)) for n in range(count)]


def test_the_next_piece_is_read_while_the_last_is_worked_on() -> None:
    begun = [threading.Event() for _ in range(3)]

    def read(piece: int) -> None:
        begun[piece].set()

    for piece, _ in read_ahead(range(3), read):
        if piece < 2:
            assert begun[piece + 1].wait(timeout=10)


def test_no_more_than_two_pieces_are_held() -> None:
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(5):
            taken.append(piece)
            yield piece

    for piece, _ in read_ahead(pieces(), str):
        assert len(taken) <= piece + 2


def test_the_thread_sees_the_moment_it_is_given_whatever_is_committed_meanwhile() -> None:
    make_world()
    with one_moment():
        moment = partial(one_moment, name_of_moment())
        in_a_thread(make_world)
        pinned = [count for _, count in read_ahead(range(2), projects, moment)]
        loose = [count for _, count in read_ahead(range(2), projects)]
    assert (pinned, loose) == ([1, 1], [2, 2])


def test_what_reading_raises_is_raised_where_its_piece_is_due() -> None:
    reader = read_ahead([1, 0, 1], lambda piece: 1 / piece)
    assert next(reader) == (1, 1.0)
    with pytest.raises(ZeroDivisionError):
        next(reader)


def test_a_moment_that_cannot_begin_is_an_error_and_leaves_nothing_open() -> None:
    before = backends()

    @contextmanager
    def refusing() -> Iterator[None]:
        projects(None)
        raise LookupError("no such moment")
        yield

    with pytest.raises(LookupError):
        list(read_ahead(range(2), projects, refusing))
    assert are_left(before)


def test_a_reader_that_is_left_early_closes_its_connection() -> None:
    before = backends()
    reader = read_ahead(range(5), projects)
    with closing(reader):
        next(reader)
        assert backends() == before + 1
    assert are_left(before)
