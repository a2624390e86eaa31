"""What a call costs, counted: Python calls, requests to the server and their bytes. None of it hangs on the machine."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from types import FrameType
from typing import Any, Protocol

__all__ = ["Frames", "Turns", "Wire", "proxied", "python_calls"]

_PREFACE = 24  # bytes that every HTTP/2 client sends first
_FRAME_HEAD = 9
_DATA, _HEADERS = 0, 1


def python_calls(work: Callable[[], object]) -> int:
    """Return how many Python functions a call runs in this thread: vstore's, the standard library's and NumPy's.

    What a database's client does below its own functions is not counted: it is the same without vstore.
    """
    count = below = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count, below
        if event == "call":
            if below or _is_of_a_client(frame.f_code.co_filename):
                below += 1
            else:
                count += 1
        elif event == "return" and below:
            below -= 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count - 1  # the lambda of the test


def _is_of_a_client(path: str) -> bool:
    return "site-packages" in path and "/numpy/" not in path


class Parser(Protocol):
    """Counts the requests of one connection."""

    def sent(self, data: bytes) -> tuple[int, int]:
        """Return how many requests begin in what the client sent, and how many bytes of it count."""

    def received(self, data: bytes) -> int:
        """Return how many bytes count of what the server answered."""


class Turns:
    """A protocol in which the client waits for each answer: HTTP/1.1 and PostgreSQL's. A request is a round trip."""

    def __init__(self) -> None:
        self._answered = True

    def sent(self, data: bytes) -> tuple[int, int]:
        begun, self._answered = self._answered, False
        return int(begun), len(data)

    def received(self, data: bytes) -> int:
        self._answered = True
        return len(data)


class Frames:
    """HTTP/2, as gRPC has it: a request begins with a frame of headers, and the bytes are those of its data."""

    def __init__(self) -> None:
        self._skip = _PREFACE
        self._from_client, self._from_server = bytearray(), bytearray()

    def sent(self, data: bytes) -> tuple[int, int]:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        return self._read(self._from_client, data[skipped:])

    def received(self, data: bytes) -> int:
        return self._read(self._from_server, data)[1]

    def _read(self, rest: bytearray, data: bytes) -> tuple[int, int]:
        rest += data
        requests = size = 0
        while len(rest) >= _FRAME_HEAD:
            length, kind = int.from_bytes(rest[:3], "big"), rest[3]
            if len(rest) < _FRAME_HEAD + length:
                break
            del rest[: _FRAME_HEAD + length]
            requests += kind == _HEADERS
            size += length if kind == _DATA else 0
        return requests, size


class Wire:
    """What went through a proxy since it was cleared.

    Attributes:
        port: Where it listens on 127.0.0.1.
        requests: How many requests.
        sent: Bytes to the server.
        received: Bytes from the server.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        """Begin to count anew."""
        self.requests = self.sent = self.received = 0

    def carry(self, client: socket.socket, server: socket.socket, parser: Parser) -> None:
        """Carry everything both ways, and count it before it arrives."""

        def up(data: bytes) -> None:
            with self._lock:
                requests, size = parser.sent(data)
                self.requests += requests
                self.sent += size

        def down(data: bytes) -> None:
            with self._lock:
                self.received += parser.received(data)

        for source, target, count in ((client, server, up), (server, client, down)):
            Thread(target=_pump, args=(source, target, count), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, count: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 20):
            count(data)
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def proxied(port: int, parser: Callable[[], Parser]) -> Iterator[Wire]:
    """A proxy before a port of 127.0.0.1 that counts what it carries."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    server = socket.create_connection(("127.0.0.1", port))
                    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    wire.carry(client, server, parser())

        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield wire
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
