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
    """

    def __init__(self) -> None:
        self._door = Lock()
        self._readers = Condition()
        self._reading = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        """Around one request that reads, and not within another: a write may wait between the two."""
        with self._door, self._readers:
            self._reading += 1
        try:
            yield
        finally:
            with self._readers:
                self._reading -= 1
                self._readers.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Around one request that writes."""
        with self._door, self._readers:
            self._readers.wait_for(lambda: not self._reading)
            yield
