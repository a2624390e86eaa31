"""The file of a cache of vectors: SQLite, one row for each model and text."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from vstore.errors import BackendError
from vstore.records import VectorArray
from vstore.regular import refuse_url
from vstore.spi.durable import prepare, transaction
from vstore.spi.forking import PerProcess, wait_before_forking

__all__ = ["CacheFile", "Claims", "digest"]

_BUSY_SECONDS: Final = 60.0
_KEYS: Final = 500
_SCHEMA: Final = """create table if not exists vectors
(model text not null, text blob not null, vector blob not null, primary key (model, text)) without rowid"""


def digest(text: str) -> bytes:
    """What stands for a text in the file."""
    return hashlib.sha256(text.encode()).digest()


class CacheFile:
    """Vectors by model and text. For many threads, and for many processes on one machine.

    Each process has a connection of its own: two on one spoil the file. It is for its owner only, since a vector tells
    of its text.
    """

    def __init__(self, path: Path) -> None:
        refuse_url("path", path)
        self._path = path
        self._own = PerProcess(self._open)

    def _open(self) -> tuple[threading.Lock, sqlite3.Connection]:
        lock = threading.Lock()
        wait_before_forking(lock)  # SQLite in a child would take the locks of a transaction for its own
        with self._told():
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            prepare(self._path, private=True)
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute(_SCHEMA)
        return lock, connection

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        lock, connection = self._own.get()
        with lock, self._told():
            yield connection

    def load(self, model: str, keys: Sequence[bytes]) -> dict[bytes, VectorArray]:
        """The vectors that are there, by key."""
        rows = self._select("text, vector", model, keys)
        return {key: np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False) for key, blob in rows}

    def known(self, model: str, keys: Sequence[bytes]) -> set[bytes]:
        """Which of the keys have a vector."""
        return {key for (key,) in self._select("text", model, keys)}

    def _select(self, columns: str, model: str, keys: Sequence[bytes]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with self._connected() as connection:
            for start in range(0, len(keys), _KEYS):
                part = keys[start : start + _KEYS]
                marks = ", ".join("?" * len(part))
                statement = f"select {columns} from vectors where model = ? and text in ({marks})"  # noqa: S608 - marks only
                rows += connection.execute(statement, [model, *part])
        return rows

    def save(self, model: str, keys: Sequence[bytes], vectors: VectorArray) -> None:
        """Adds vectors, all or none; those that are there already stay."""
        rows = [(model, key, vector.astype("<f4").tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        with self._connected() as connection, transaction(connection):
            connection.executemany("insert or ignore into vectors values (?, ?, ?)", rows)

    def close(self) -> None:
        """Closes the file."""
        with self._connected() as connection:
            connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise BackendError(
                f"the cache of vectors {self._path} cannot be used: {error}",
                hint="Check the disk, or name another file.",
                backend="cache",
            ) from error


class Claims:
    """Who embeds which text at this moment, in this process: whoever comes later waits for the vector."""

    def __init__(self) -> None:
        # in a child nobody is left who would settle what was claimed
        self._own = PerProcess(lambda: (threading.Lock(), dict[bytes, Future[VectorArray | None]]()))

    def claim(self, keys: Sequence[bytes]) -> tuple[list[bytes], dict[bytes, Future[VectorArray | None]]]:
        """Which of the keys are the caller's to embed, and what to wait for of the others."""
        lock, claimed = self._own.get()
        with lock:
            mine = [key for key in keys if key not in claimed]
            others = {key: claimed[key] for key in keys if key in claimed}
            for key in mine:
                claimed[key] = Future()
        return mine, others

    def settle(self, keys: Sequence[bytes], found: Mapping[bytes, VectorArray]) -> None:
        """Ends the caller's claims; who waits gets the vector, or None where there is none."""
        lock, claimed = self._own.get()
        with lock:
            ended = [(key, claimed.pop(key)) for key in keys]
        for key, future in ended:
            future.set_result(found.get(key))
