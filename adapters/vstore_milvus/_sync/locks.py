# Generated from adapters/vstore_milvus/_async/locks.py by tools/unasync.py: do not edit.
"""Locks that keep requests which read apart from those that write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vstore_milvus._sync._run import Condition, Lock

__all__ = ["DatabaseLocks", "ReadWriteLock"]


class DatabaseLocks:
    """The locks of one database.

    Attributes:
        writing: Held by an operation that writes, from its first read to its last request.
    """

    def __init__(self) -> None:
        self.writing = Lock()
        self._collections: dict[str, ReadWriteLock] = {}

    def __getitem__(self, token: str) -> ReadWriteLock:
        return self._collections.get(token) or self._collections.setdefault(token, ReadWriteLock())


class ReadWriteLock:
    """The lock of one collection: requests that read run side by side, one that writes runs alone.

    While a server takes in an upsert, a read sees the new record beside the old one, or neither: of 950 reads
    beside a thread that wrote the same 300 records, 17 found 600, 150 or 4 of them (measured on 2.3.5; with the
    level ``Strong`` too).

    Attributes:
        read: Around one request that reads, and not within another: a write may wait between the two.
    """

    def __init__(self) -> None:
        self.read = _Reading()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Around one request that writes."""
        read = self.read
        with read.door, read.ended:
            read.ended.wait_for(lambda: not read.running)
            yield


class _Reading:
    """Counts requests that read."""

    __slots__ = ("door", "ended", "running")

    def __init__(self) -> None:
        self.door = Lock()
        self.ended = Condition()
        self.running = 0

    def __enter__(self) -> None:
        with self.door, self.ended:
            self.running += 1

    def __exit__(self, *error: object) -> None:
        with self.ended:
            self.running -= 1
            if not self.running:
                self.ended.notify_all()
