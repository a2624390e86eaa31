"""The file in which a long job keeps how far it is: one SQLite database, which one process holds at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from vstore.errors import BackendError, Mismatch, Unavailable
from vstore.regular import refuse_url
from vstore.spi.durable import prepare, replacing, transaction
from vstore.spi.forking import keep_in_children

__all__ = ["Checkpoint", "write_rejected"]


class Checkpoint:
    """What the checkpoints of all jobs share: the lock, the number of the format, and how errors of SQLite read.

    The lock of the first write stays until ``close``, or until the process dies: a second run finds it and ends.

    Attributes:
        path: Where it is; None for one that ends with the process.
        job: What the job is called in errors.
        format: The number of its layout. A file of another number is refused.
        tables: The statements that create its tables, by name. Each checkpoint has a table ``job`` of keys and values.
    """

    job: ClassVar[str]
    format: ClassVar[int]
    tables: ClassVar[Mapping[str, str]]

    def __init__(self, path: Path | None, *, restart: bool = False) -> None:
        """Opens the checkpoint at ``path``, or creates it.

        Args:
            path: Where it is, or will be; None for one that ends with the process.
            restart: Whether one of another format is emptied.

        Raises:
            Unavailable: Another run holds it, or it cannot be read and written.
            Mismatch: It was written by a version of vstore with another format.
        """
        refuse_url("state", path)
        self.path = path
        self._lock = Lock()
        keep_in_children(self)  # one that is closed there would undo what is being written here
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                prepare(path, private=True)  # rejected records are kept whole
            self._db = sqlite3.connect(path or "", check_same_thread=False, isolation_level=None, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            self._open(restart=restart)
        except sqlite3.Error as error:
            self._db.close()
            raise self._unusable(error) from error
        except BaseException:
            self._db.close()
            raise

    def _open(self, *, restart: bool) -> None:
        self._db.execute("pragma locking_mode = exclusive")
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        create = "; ".join(self.tables.values())
        self._db.executescript(f"begin exclusive; {create}; commit;")
        known = dict(self._db.execute("select key, value from job"))
        if known and self._format_of(known) != self.format:
            if not restart:
                raise Mismatch(
                    f"the checkpoint {self.path} has another format", hint="Pass --restart to empty it and begin again."
                )
            drop = "".join(f"drop table {table}; " for table in self.tables)
            self._db.executescript(f"begin exclusive; {drop} {create}; commit;")

    def _format_of(self, known: Mapping[str, str]) -> int:
        return int(known["format"])

    def close(self) -> None:
        """Gives the lock back."""
        self._db.close()

    def _erase(self) -> None:
        for table in self.tables:
            self._db.execute(f"delete from {table}")  # noqa: S608 (names of this library)

    def _fetch(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._guarded():
            return self._db.execute(statement, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guarded(), transaction(self._db):
            yield

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:  # a full disk, as a rule
                raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> Unavailable:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return Unavailable(
                f"another run is at work on this {self.job}",
                hint="Wait for it, or end it.",
                retryable=False,
                backend="checkpoint",
            )
        return Unavailable(
            f"the checkpoint {self.path} cannot be used: {error}",
            hint="Pass --state PATH to name another folder.",
            retryable=False,
            backend="checkpoint",
        )


def write_rejected(path: Path, rejected: Iterable[Mapping[str, Any]]) -> None:
    """Writes rejected records to a file as JSON lines, whole; without any there is no file.

    Raises:
        BackendError: The file cannot be written.
    """
    lines = iter(rejected)
    first = next(lines, None)
    try:
        if first is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, private=True) as file:
            for line in (first, *lines):
                # a lone surrogate, which a row may hold and UTF-8 cannot, is written as JSON escapes it
                text = json.dumps(line, ensure_ascii=False)
                file.write(text.encode(errors="backslashreplace") + b"\n")
    except OSError as error:
        raise BackendError(
            f"the rejected records cannot be written to {path}: {error.strerror or error}",
            hint="Run the same command with another --rejected.",
        ) from error
