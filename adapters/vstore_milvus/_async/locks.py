"""Locks that keep requests which read apart from those that write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vstore_milvus._async._run import Condition, Lock

__all__ = ["AsyncDatabaseLocks", "AsyncReadWriteLock"]


class AsyncDatabaseLocks:
    """The locks of one database.

    Attributes:
        writing: Held by an operation that writes, from its first read to its last request.
    """

    def __init__(self) -> None:
        self.writing = Lock()
        self._collections: dict[str, AsyncReadWriteLock] = {}

    def __getitem__(self, token: str) -> AsyncReadWriteLock:
        return self._collections.get(token) or self._collections.setdefault(token, AsyncReadWriteLock())


class AsyncReadWriteLock:
    """The lock of one collection: requests that read run side by side, one that writes runs alone.

    While a server takes in an upsert, a read sees the new record beside the old one, or neither: of 950 reads
    beside a thread that wrote the same 300 records, 17 found 600, 150 or 4 of them (measured on 2.3.5; with the
    level ``Strong`` too).

    Attributes:
        read: Around one request that reads, and not within another: a write may wait between the two.
    """

    def __init__(self) -> None:
        self.read = _AsyncReading()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[None]:
        """Around one request that writes."""
        read = self.read
        async with read.door, read.ended:
            await read.ended.wait_for(lambda: not read.running)
            yield


class _AsyncReading:
    """Counts requests that read."""

    __slots__ = ("door", "ended", "running")

    def __init__(self) -> None:
        self.door = Lock()
        self.ended = Condition()
        self.running = 0

    async def __aenter__(self) -> None:
        async with self.door, self.ended:
            self.running += 1

    async def __aexit__(self, *error: object) -> None:
        async with self.ended:
            self.running -= 1
            if not self.running:
                self.ended.notify_all()
