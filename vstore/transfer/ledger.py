"""The ledger of a copy: its plan and what of it is done, in one SQLite file on the machine that runs it.

A commit here follows the target's acknowledgement, never the other way round: whenever the process dies, what the
ledger calls done is in the target, and what was under way is sent again whole.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from vstore.errors import InvalidInput, Mismatch, Unavailable
from vstore.records import Record
from vstore.regular import refuse_url
from vstore.spi.codec import to_json
from vstore.spi.durable import prepare, transaction
from vstore.spi.forking import keep_in_children
from vstore.transfer.digest import Digest
from vstore.transfer.plan import Chunk

__all__ = ["Job", "Ledger", "Refusal", "State", "default_folder"]

_FORMAT: Final = 1
_TABLES: Final = """
create table if not exists job (key text primary key, value text not null) strict;
create table if not exists chunks (
    number integer primary key, after text, rows integer not null, ids text not null,
    written integer, size integer, digest text) strict;
create table if not exists refused (
    chunk integer not null, id text not null, reason text not null, record text not null,
    primary key (chunk, id)) strict;
"""
_NAMES: Final = ("job", "chunks", "refused")


class State(StrEnum):
    """How far a job is."""

    PLANNED = "planned"
    """The plan stands; nothing was written."""
    WRITING = "writing"
    """The target is there, and chunks may be in it."""
    WRITTEN = "written"
    """All chunks are in the target, which is ready."""
    FINISHED = "finished"
    """It was verified, or was not to be."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a ledger is about.

    Attributes:
        source: Identity of the source.
        target: Identity of the target.
        info: What the source is, as text.
        options: What was asked, apart from what may differ in the next run (workers, pace, verification).
        losses: What the target does not have as the source has it, as plain data; None where that was not noted.
    """

    source: str
    target: str
    info: str
    options: Mapping[str, Any]
    losses: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that the target has refused.

    Attributes:
        id: Its id.
        reason: The error.
        record: The record as JSON.
    """

    id: str
    reason: str
    record: str


def default_folder() -> Path:
    """Where ledgers are kept: ``$XDG_STATE_HOME/vstore``, by default ``~/.local/state/vstore``."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "vstore"


class Ledger:
    """One job. It holds a lock until it is closed, or the process dies. All calls may come from many threads."""

    def __init__(self, path: Path | None, *, anew: bool = False) -> None:
        """Opens the ledger at ``path``, or one that ends with the process.

        Args:
            path: Where it is, or will be.
            anew: Whether one of another format is emptied.

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
                prepare(path, private=True)  # cursors hold ids, and refused records are kept whole
            self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            # the lock of the first write stays until the connection closes: a second run finds it and leaves
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.executescript(f"begin exclusive; {_TABLES} commit;")
            found = self._values()
            if found and found["format"] != _FORMAT:
                if not anew:
                    raise Mismatch(f"the ledger {path} has another format", hint="--restart empties it.")
                drop = "".join(f"drop table {table}; " for table in _NAMES)
                self._db.executescript(f"begin exclusive; {drop} {_TABLES} commit;")
        except sqlite3.Error as error:
            self._db.close()
            raise self._unusable(error) from error
        except BaseException:
            self._db.close()
            raise

    def _unusable(self, error: Exception) -> Unavailable:
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return Unavailable("another run is at work on this copy", hint="Wait for it, or end it.", retryable=False)
        return Unavailable(
            f"the ledger {self.path} cannot be used: {error}", hint="--state names another folder.", retryable=False
        )

    @classmethod
    def of(cls, source: str, target: str, folder: Path | None, *, anew: bool = False) -> Self:
        """The ledger of a copy from ``source`` to ``target``, both by identity, kept in ``folder``."""
        if folder is None:
            return cls(None)
        if not (source and target):
            raise InvalidInput(
                "a copy can be resumed only where both ends can be named in another process",
                hint="Leave out state=, or open both ends by URL.",
            )
        key = blake2b(f"{source}\n{target}".encode(), digest_size=12).hexdigest()
        return cls(folder / f"{key}.sqlite", anew=anew)

    @property
    def job(self) -> Job | None:
        """What it is about; None if it is new."""
        found = self._values()
        if not found:
            return None
        return Job(found["source"], found["target"], found["info"], found["options"], found.get("losses"))

    @property
    def state(self) -> State:
        """How far the job is."""
        return State(self._values()["state"])

    def begin(self, job: Job, chunks: Sequence[Chunk]) -> None:
        """Forgets what was there and stores a plan, all at once."""
        rows = [(chunk.number, chunk.after, chunk.rows, str(chunk.ids)) for chunk in chunks]
        with self._transaction():
            self._erase()
            self._db.executemany("insert into chunks (number, after, rows, ids) values (?, ?, ?, ?)", rows)
            for key, value in {
                "format": _FORMAT,
                "source": job.source,
                "target": job.target,
                "info": job.info,
                "options": job.options,
                "state": State.PLANNED,
            }.items():
                self._db.execute("insert into job values (?, ?)", (key, json.dumps(value)))

    def note_losses(self, losses: Sequence[Mapping[str, Any]]) -> None:
        """Notes the losses of the job, of which some are known only when the target is made."""
        with self._transaction():
            self._db.execute("insert or replace into job values ('losses', ?)", (json.dumps(losses),))

    def advance(self, state: State) -> None:
        """Notes how far the job is."""
        with self._transaction():
            self._db.execute("update job set value = ? where key = 'state'", (json.dumps(state),))

    def pending(self) -> list[Chunk]:
        """The chunks that are not done, in order."""
        found = self._fetch("select number, after, rows, ids from chunks where digest is null order by number")
        return [Chunk(number, after, Digest.parse(rows, ids)) for number, after, rows, ids in found]

    def planned(self) -> int:
        """Records of the plan."""
        return int(self._fetch("select coalesce(sum(rows), 0) from chunks")[0][0])

    def chunks(self) -> int:
        """Chunks of the plan."""
        return int(self._fetch("select count(*) from chunks")[0][0])

    def rows_done(self) -> int:
        """Records of the plan whose chunks are done."""
        return int(self._fetch("select coalesce(sum(rows), 0) from chunks where digest is not null")[0][0])

    def begin_chunk(self, number: int) -> None:
        """Forgets what an earlier attempt at this chunk had refused."""
        if self.refused(number):
            with self._transaction():
                self._db.execute("delete from refused where chunk = ?", (number,))

    def refuse(self, chunk: int, record: Record, reason: str) -> int:
        """Keeps a record that the target has refused; returns how many there are now."""
        whole = {
            "id": record.id,
            "vector": None if record.vector is None else record.vector.tolist(),
            "document": record.document,
            "metadata": record.metadata,
        }
        with self._transaction():
            self._db.execute(
                "insert or replace into refused values (?, ?, ?, ?)", (chunk, record.id, reason, to_json(whole))
            )
            return int(self._db.execute("select count(*) from refused").fetchone()[0])

    def refused(self, chunk: int | None = None) -> list[Refusal]:
        """The records that the target has refused, all or those of one chunk."""
        found = self._fetch(
            "select id, reason, record from refused where ?1 is null or chunk = ?1 order by chunk, id", (chunk,)
        )
        return [Refusal(*row) for row in found]

    def done(self, chunk: int, size: int, digest: Digest) -> None:
        """Notes that the target has acknowledged a chunk: what was written, and about how many bytes it was."""
        with self._transaction():
            self._db.execute(
                "update chunks set written = ?, size = ?, digest = ? where number = ?",
                (digest.rows, size, str(digest), chunk),
            )

    def written(self) -> tuple[Digest, int]:
        """The digest of all that is done, and its bytes."""
        total, size = Digest(), 0
        for rows, digest, part in self._fetch("select written, digest, size from chunks where digest is not null"):
            total += Digest.parse(rows, digest)
            size += part
        return total, size

    def close(self) -> None:
        """Gives the lock back."""
        self._db.close()

    def _values(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self._fetch("select key, value from job")}

    def _erase(self) -> None:
        for table in _NAMES:
            self._db.execute(f"delete from {table}")  # noqa: S608 (three constants)

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
