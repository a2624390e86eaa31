"""A TCP proxy on the loopback that does to a connection what networks and dying servers do."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

__all__ = ["PASS", "BlackHole", "Cut", "Delay", "Fault", "Half", "Kill", "Pass", "Proxy", "Refuse", "proxied"]

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Pass:
    """Hands everything on."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Holds every answer back for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Resets a connection on which something comes.

    Attributes:
        answers: False: before the server has got the request. True: when it has answered, and the answer is lost.
        times: How many connections; then everything passes again.
    """

    answers: bool = False
    times: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Half:
    """Hands on half of the first piece of an answer, and resets the connection."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Resets every connection, and listens no more."""


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Takes everything, hands on nothing, says nothing."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Hands on so many bytes of the client's, calls ``what``, and then cuts.

    Attributes:
        after: Bytes from now on.
        what: Called once, in a thread; nothing is handed on meanwhile.
    """

    after: int
    what: Callable[[], None]


Fault = Pass | Delay | Cut | Half | Refuse | BlackHole | Kill
PASS = Pass()


class Proxy:
    """Stands before a server on 127.0.0.1; a fault set takes hold on open connections too.

    Attributes:
        port: Where it listens; the same for its whole life.
        sent: Bytes that clients have sent through it so far.
    """

    def __init__(self, behind: int, tls: ssl.SSLContext | None, *, postgres: bool) -> None:
        self.sent = 0
        self._behind = behind
        self._tls = tls
        self._postgres = postgres
        self._fault: Fault = PASS
        self._cuts = 0
        self._since = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy")

    def set(self, fault: Fault) -> None:
        """From now on; returns when it is in force."""
        self._run(self._set(fault))

    def start(self) -> None:
        """Begins to listen."""
        self._thread.start()
        self._run(self._listen())

    def stop(self) -> None:
        """Resets what is open and ends."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        if self._server is None:
            plain = self._tls is None or self._postgres
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, ssl=None if plain else self._tls
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def _set(self, fault: Fault) -> None:
        self._fault, self._cuts, self._since = fault, 0, self.sent
        if isinstance(fault, Refuse):
            if self._server is not None:
                self._server.close()
                self._server = None
            self._reset_all()
        else:
            await self._listen()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        for writer in list(self._open):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        behind: asyncio.StreamWriter | None = None
        try:
            if self._tls is not None and self._postgres:
                await reader.readexactly(8)  # SSLRequest, which PostgreSQL's client sends before TLS begins
                writer.write(b"S")
                await writer.start_tls(self._tls)
            answers, behind = await asyncio.open_connection("127.0.0.1", self._behind)
            self._open.add(behind)
            forth = asyncio.create_task(self._pump(reader, behind, writer, answers=False))
            back = asyncio.create_task(self._pump(answers, writer, behind, answers=True))
            try:
                await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                forth.cancel()
                back.cancel()
                await asyncio.gather(forth, back, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):  # the server is down, or no client of ours
            pass
        finally:
            for end in (writer, behind):
                if end is not None:
                    self._open.discard(end)
                    _reset(end)
            self._tasks.discard(task)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, other: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        """Moves bytes one way until an end closes or a fault says otherwise."""
        with suppress(OSError):
            while piece := await source.read(_CHUNK):
                if not answers:
                    self.sent += len(piece)
                match self._fault:
                    case Delay(seconds) if answers:
                        await asyncio.sleep(seconds)
                    case Cut(of_answers, times) if of_answers is answers and self._cuts < times:
                        self._cuts += 1
                        return
                    case Half() if answers:
                        target.write(piece[: len(piece) // 2])
                        await target.drain()
                        return
                    case BlackHole():
                        continue
                    case Kill(after, what) if not answers and self.sent - self._since >= after:
                        target.write(piece[: after - (self.sent - self._since - len(piece))])
                        await target.drain()
                        self._fault = BlackHole()
                        await asyncio.to_thread(what)
                        if self._fault == BlackHole():
                            self._fault = PASS
                        return
                    case _:
                        pass
                target.write(piece)
                await target.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST, as a process that dies; what is still in buffers is gone."""
    found = writer.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def proxied(behind: int, tls: ssl.SSLContext | None = None, *, postgres: bool = False) -> Iterator[Proxy]:
    """A proxy before a port of 127.0.0.1.

    Args:
        behind: That port.
        tls: The proxy speaks TLS to its clients, with this certificate.
        postgres: TLS begins as PostgreSQL's clients begin it.
    """
    proxy = Proxy(behind, tls, postgres=postgres)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
