"""Two bad wires on the loopback: one that swallows replies of HTTP, one that is slow or cut before PostgreSQL."""

import asyncio
import contextlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Wire(ABC):
    """A server on a free port of the loopback, in a thread of its own for the length of a `with`."""

    port: int

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._open: set[asyncio.StreamWriter] = set()
        self._server = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection that came in, to its end."""

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        # An end that goes away is what this wire is for.
        with contextlib.suppress(OSError, EOFError):
            await self.serve(reader, writer)
        self._open.discard(writer)
        writer.close()

    async def _cut_all(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        await self._cut_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


Fate = Callable[[str, int], str]
"""(path of the call, its number from 0) → "pass", "swallow" the reply once it is here, or "drop" the request."""


class ReplyCutter(Wire):
    """Passes HTTP calls on; of those that `fate` says, the reply is waited for, kept in `swallowed` and never
    delivered: the client sees a cut connection after the server has committed."""

    def __init__(self, base_url: str, fate: Fate) -> None:
        parts = urlsplit(base_url)
        self._upstream = (str(parts.hostname), int(parts.port or 80))
        self._fate = fate
        self._count = 0
        self.dropped = 0
        self.swallowed: dict[str, bytes] = {}
        """submission_id → the body of the first reply that was swallowed."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        above, below = await asyncio.open_connection(*self._upstream)
        self._open.add(below)
        try:
            while True:
                head, request = await message(reader)
                path = head.split(b" ", 2)[1].decode()
                fate = self._fate(path, self._count)
                self._count += 1
                if fate == "drop":
                    self.dropped += 1
                    return
                below.write(head + request)
                await below.drain()
                reply_head, reply = await message(above)
                if fate == "swallow":
                    if b" 201 " in reply_head.partition(b"\r\n")[0]:
                        self.swallowed.setdefault(str(json.loads(request)["submission_id"]), reply)
                    return
                writer.write(reply_head + reply)
                await writer.drain()
        finally:
            self._open.discard(below)
            below.close()


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head (with its blank line) and the body of one HTTP message that tells its length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
        if name.strip().lower() == b"transfer-encoding":
            raise ValueError("this wire knows messages with a length only")
    return head, await reader.readexactly(length)


class DatabaseWire(Wire):
    """Carries bytes to PostgreSQL's socket, each piece `delay` seconds late; or `gone`: cuts and takes no more."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.delay = 0.0
        self.is_gone = False

    def go(self) -> None:
        """The database cannot be reached from now on."""
        self.is_gone = True
        self._do(self._cut_all())

    def come_back(self) -> None:
        self.is_gone = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_gone:
            writer.transport.abort()
            return
        above, below = await asyncio.open_unix_connection(self._socket)
        self._open.add(below)
        try:
            ways = [
                asyncio.create_task(self._carry(reader, below)),
                asyncio.create_task(self._carry(above, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._open.discard(below)
            below.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(CHUNK_BYTES):
            await asyncio.sleep(self.delay)
            target.write(piece)
            await target.drain()
