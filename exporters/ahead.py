"""Reading the next piece in a thread while the last one is worked on: PostgreSQL is busy when Python is."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TypeVar

from django.db import connections

Piece = TypeVar("Piece")
Found = TypeVar("Found")


def read_ahead(
    pieces: Iterable[Piece],
    read: Callable[[Piece], Found],
    within: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[tuple[Piece, Found], None, None]:
    """Each of `pieces` in turn with what `read` found for it; never more than two of them are held.

    `read` runs in one thread, on a connection of that thread and all the time inside `within()`. What it raises is
    raised here. A generator that is left before its end has to be closed, and the thread ends with it.
    """
    waiting: list[tuple[Piece, Future[Found]]] = []
    with thread_within(within) as thread:
        for piece in pieces:
            waiting.append((piece, thread.submit(read, piece)))
            if len(waiting) == 2:
                earlier, reading = waiting.pop(0)
                yield earlier, reading.result()
        for last, reading in waiting:
            yield last, reading.result()


@contextmanager
def thread_within(within: Callable[[], AbstractContextManager[None]]) -> Iterator[ThreadPoolExecutor]:
    """One thread that stays inside `within()`, which it leaves as this one leaves the block, with or without an error.

    Its connection is its own, and closed in the end.
    """
    inside = ExitStack()
    with ThreadPoolExecutor(1, thread_name_prefix="release") as thread:
        try:
            thread.submit(inside.enter_context, within()).result()
            yield thread
        except BaseException as error:
            thread.submit(inside.__exit__, type(error), error, error.__traceback__).result()
            raise
        else:
            thread.submit(inside.close).result()
        finally:
            thread.submit(connections.close_all).result()
