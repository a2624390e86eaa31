"""The checkpoint of a copy: its plan and what of it is done, in one SQLite file on the machine that runs it.

A commit here follows the target's acknowledgement, never the other way round: whenever the process dies, the chunks
that the checkpoint calls done are in the target, and those that were under way are sent again whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from vstore.checkpoint import Checkpoint, write_rejected
from vstore.errors import InvalidInput, VStoreError
from vstore.records import Record, VectorArray
from vstore.regular import shown
from vstore.sparse import SparseVector
from vstore.spi.codec import to_json
from vstore.spi.durable import reading
from vstore.transfer.equality import Digest, id_digests
from vstore.transfer.plan import Chunk

__all__ = [
    "CopyCheckpoint",
    "JobDescription",
    "RejectedFile",
    "RejectedRecord",
    "State",
    "TooManyRejected",
    "default_folder",
]

_KEYS: Final = ("id", "reason", "record")
_LINE: Final = 256 << 20


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
class JobDescription:
    """What a checkpoint is about.

    Attributes:
        source: Identity of the source.
        target: Identity of the target.
        info: What the source is, as text.
        options: What was asked, apart from what may differ in the next run (workers, retries, verification).
        losses: What the target does not have as the source has it, as plain data; None where that was not noted.
    """

    source: str
    target: str
    info: str
    options: Mapping[str, Any]
    losses: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that the target has rejected.

    Attributes:
        id: Its id.
        reason: The error.
        record: The record as JSON.
    """

    id: str
    reason: str
    record: str


def default_folder() -> Path:
    """Returns where checkpoints are kept: ``$XDG_STATE_HOME/vstore``, by default ``~/.local/state/vstore``."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "vstore"


class CopyCheckpoint(Checkpoint):
    """One copy: its description, its chunks, the records that were rejected. May be used from many threads.

    It holds a lock until it is closed, or the process dies.
    """

    job = "copy"
    format = 1
    tables: ClassVar[Mapping[str, str]] = {
        "job": "create table if not exists job (key text primary key, value text not null) strict",
        "chunks": """create table if not exists chunks (
            number integer primary key, after text, rows integer not null, ids text not null,
            written integer, size integer, digest text) strict""",
        "refused": """create table if not exists refused (
            chunk integer not null, id text not null, reason text not null, record text not null,
            primary key (chunk, id)) strict""",
        "claims": """create table if not exists claims (
            id blob primary key, chunk integer not null) strict, without rowid""",
    }

    @classmethod
    def of(cls, source: str, target: str, folder: Path | None, *, restart: bool = False) -> Self:
        """Opens the checkpoint of a copy from ``source`` to ``target``, both by identity, kept in ``folder``."""
        if folder is None:
            return cls(None)
        if not (source and target):
            raise InvalidInput(
                "a copy is resumable only where both ends can be named in another process",
                hint="Leave out state=, or open both ends by URL.",
            )
        return cls(cls.path_of(source, target, folder), restart=restart)

    @staticmethod
    def path_of(source: str, target: str, folder: Path) -> Path:
        """Returns where the checkpoint of a copy is, of ends by identity."""
        key = blake2b(f"{source}\n{target}".encode(), digest_size=12).hexdigest()
        return folder / f"{key}.sqlite"

    @property
    def description(self) -> JobDescription | None:
        """What it is about; None if it is new."""
        found = self._values()
        if not found:
            return None
        return JobDescription(found["source"], found["target"], found["info"], found["options"], found.get("losses"))

    @property
    def state(self) -> State:
        """How far the job is."""
        return State(self._values()["state"])

    def begin(self, job: JobDescription, chunks: Sequence[Chunk]) -> None:
        """Forgets what was there and stores a plan, all at once."""
        rows = [(chunk.number, chunk.after, chunk.rows, str(chunk.ids)) for chunk in chunks]
        with self._transaction():
            self._erase()
            self._db.executemany("insert into chunks (number, after, rows, ids) values (?, ?, ?, ?)", rows)
            for key, value in {
                "format": self.format,
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
        """Returns the chunks that are not done, in order."""
        found = self._fetch("select number, after, rows, ids from chunks where digest is null order by number")
        return [Chunk(number, after, Digest.parse(rows, ids)) for number, after, rows, ids in found]

    def planned(self) -> int:
        """Counts the records of the plan."""
        return int(self._fetch("select coalesce(sum(rows), 0) from chunks")[0][0])

    def chunks(self) -> int:
        """Counts the chunks of the plan."""
        return int(self._fetch("select count(*) from chunks")[0][0])

    def rows_done(self) -> int:
        """Counts the records of the plan whose chunks are done."""
        return int(self._fetch("select coalesce(sum(rows), 0) from chunks where digest is not null")[0][0])

    def begin_chunk(self, number: int) -> None:
        """Forgets the records that an earlier attempt at this chunk has rejected."""
        if self.rejected(number):
            with self._transaction():
                self._db.execute("delete from refused where chunk = ?", (number,))

    def claim_ids(self, chunk: int, ids: Sequence[str]) -> None:
        """Notes that a chunk writes these ids, of which 16 bytes each are kept on the disk.

        Raises:
            InvalidInput: Another chunk writes one of them.
        """
        digests = id_digests(ids)
        taken: list[str] = []
        with self._transaction():
            for one, digest in zip(ids, digests, strict=True):
                self._db.execute("insert or ignore into claims values (?, ?)", (digest, chunk))
                [holder] = self._db.execute("select chunk from claims where id = ?", (digest,)).fetchone()
                if holder != chunk:
                    taken.append(one)
        if taken:
            raise InvalidInput(
                f"the transform gave records of different chunks the same id {taken[0]!r}",
                hint="An id names one record: return a different id for each, or None to leave a record out.",
                ids=taken,
            )

    def reject(self, chunk: int, record: Record, reason: str) -> int:
        """Keeps a record that the target has rejected; returns how many there are now."""
        whole = {
            "id": record.id,
            "vector": None if record.vector is None else record.vector.tolist(),
            "document": record.document,
            "metadata": record.metadata,
            **({"fields": {name: _plain(vector) for name, vector in record.fields.items()}} if record.fields else {}),
        }
        with self._transaction():
            self._db.execute(
                "insert or replace into refused values (?, ?, ?, ?)", (chunk, record.id, reason, to_json(whole))
            )
            return int(self._db.execute("select count(*) from refused").fetchone()[0])

    def rejected(self, chunk: int | None = None) -> list[RejectedRecord]:
        """Returns the records that the target has rejected, all or those of one chunk."""
        found = self._fetch(
            "select id, reason, record from refused where ?1 is null or chunk = ?1 order by chunk, id", (chunk,)
        )
        return [RejectedRecord(*row) for row in found]

    def done(self, chunk: int, size: int, digest: Digest) -> None:
        """Notes that the target has acknowledged a chunk: what was written, and about how many bytes it was."""
        with self._transaction():
            self._db.execute(
                "update chunks set written = ?, size = ?, digest = ? where number = ?",
                (digest.rows, size, str(digest), chunk),
            )

    def written(self) -> tuple[Digest, int]:
        """Returns the digest of all that is done, and its bytes."""
        total, size = Digest(), 0
        for rows, digest, part in self._fetch("select written, digest, size from chunks where digest is not null"):
            total += Digest.parse(rows, digest)
            size += part
        return total, size

    def _values(self) -> dict[str, Any]:
        return {key: json.loads(value) for key, value in self._fetch("select key, value from job")}


def _plain(vector: VectorArray | SparseVector | None) -> object:
    """The plain form of one vector of a named field."""
    if isinstance(vector, SparseVector):
        return {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
    return None if vector is None else vector.tolist()


class TooManyRejected(Exception):
    """One more record was rejected than may be."""


class RejectedFile:
    """The records that a target has rejected: counted, kept in the checkpoint, and written to a file as JSON lines.

    Args:
        checkpoint: Keeps them, so that a resume neither loses nor repeats one.
        most: How many may be rejected.
        path: The file; by default it stands beside the checkpoint.

    Raises:
        InvalidInput: The file is there and holds something else, which would be lost.
    """

    def __init__(self, checkpoint: CopyCheckpoint, most: int, path: Path | None) -> None:
        if path is not None and path.exists() and not _is_ours(path):
            raise InvalidInput(
                f"{path} is there and holds something else than rejected records",
                hint="Name another file: this one would be replaced.",
            )
        self._checkpoint = checkpoint
        self._most = most
        self._path = path
        if path is None and checkpoint.path is not None:
            self._path = checkpoint.path.with_suffix(".rejected.jsonl")

    def reject(self, chunk: int, record: Record, error: VStoreError) -> None:
        """See ``Reject``."""
        count = self._checkpoint.reject(chunk, record, f"{type(error).__name__}: {error}")
        if count > self._most:
            raise TooManyRejected(
                f"the target has rejected {count:,} records; --max-errors allows {self._most:,}. "
                f"The last was {record.id!r}: {error}"
            )

    def write(self) -> tuple[int, str]:
        """Writes the file anew, whole; returns how many records it has and its path, empty if there are none.

        Raises:
            BackendError: The file cannot be written.
        """
        rejected = self._checkpoint.rejected()
        if self._path is None:
            return len(rejected), ""
        write_rejected(
            self._path,
            (dict(zip(_KEYS, (one.id, one.reason, json.loads(one.record)), strict=True)) for one in rejected),
        )
        return len(rejected), shown(self._path) if rejected else ""


def _is_ours(path: Path) -> bool:
    """Whether a file holds rejected records, or nothing."""
    try:
        with reading(path) as file:
            line = file.readline(_LINE)
        return not line or tuple(json.loads(line)) == _KEYS
    except (OSError, ValueError, TypeError, RecursionError, InvalidInput):
        return False
