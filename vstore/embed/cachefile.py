"""The file of a cache of vectors: SQLite, one row for each model and text."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from vstore.durable import prepare, transaction
from vstore.errors import BackendError
from vstore.regular import refuse_url
from vstore.types import VectorArray

__all__ = ["CacheFile", "Claims", "digest"]

_BUSY_SECONDS: Final = 60.0
_KEYS: Final = 500
_SCHEMA: Final = """create table if not exists vectors
(model text not null, text blob not null, vector blob not null, primary key (model, text)) without rowid"""


def digest(text: str) -> bytes:
    """What stands for a text in the file."""
    return hashlib.sha256(text.encode()).digest()


class CacheFile:
    """Vectors by model and text. For many threads, and for many processes on one machine."""

    def __init__(self, path: Path) -> None:
        refuse_url("path", path)
        self._path = path
        self._lock = threading.Lock()
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            prepare(path, private=True)  # who has a text can see from it that it was embedded here
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute(_SCHEMA)

    def load(self, model: str, keys: Sequence[bytes]) -> dict[bytes, VectorArray]:
        """The vectors that are there, by key."""
        found: dict[bytes, VectorArray] = {}
        with self._lock, self._told():
            for start in range(0, len(keys), _KEYS):
                part = keys[start : start + _KEYS]
                marks = ", ".join("?" * len(part))
                statement = f"select text, vector from vectors where model = ? and text in ({marks})"  # noqa: S608 - marks only
                for key, blob in self._connection.execute(statement, [model, *part]):
                    found[key] = np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)
        return found

    def save(self, model: str, keys: Sequence[bytes], vectors: VectorArray) -> None:
        """Adds vectors, all or none; those that are there already stay."""
        rows = [(model, key, vector.astype("<f4").tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        with self._lock, self._told(), transaction(self._connection):
            self._connection.executemany("insert or ignore into vectors values (?, ?, ?)", rows)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

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
        self._open: dict[bytes, Future[VectorArray | None]] = {}
        self._lock = threading.Lock()

    def claim(self, keys: Sequence[bytes]) -> tuple[list[bytes], dict[bytes, Future[VectorArray | None]]]:
        """Which of the keys are the caller's to embed, and what to wait for of the others."""
        with self._lock:
            mine = [key for key in keys if key not in self._open]
            others = {key: self._open[key] for key in keys if key in self._open}
            for key in mine:
                self._open[key] = Future()
        return mine, others

    def settle(self, keys: Sequence[bytes], found: Mapping[bytes, VectorArray]) -> None:
        """Ends the caller's claims; who waits gets the vector, or None where there is none."""
        with self._lock:
            ended = [(key, self._open.pop(key)) for key in keys]
        for key, future in ended:
            future.set_result(found.get(key))
