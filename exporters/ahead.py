"""Reading the next piece in a thread while the last one is worked on: PostgreSQL is busy when Python is."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
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
    inside = ExitStack()
    waiting: list[tuple[Piece, Future[Found]]] = []
    with ThreadPoolExecutor(1, thread_name_prefix="release-reads") as thread:
        try:
            thread.submit(inside.enter_context, within()).result()
            for piece in pieces:
                waiting.append((piece, thread.submit(read, piece)))
                if len(waiting) == 2:
                    earlier, reading = waiting.pop(0)
                    yield earlier, reading.result()
            for last, reading in waiting:
                yield last, reading.result()
        finally:
            thread.submit(inside.close).result()
            thread.submit(connections.close_all).result()
