"""The checkpoint of a load: how far it is, which ids it has written, which rows were rejected. One SQLite file.

A commit here follows the acknowledgement of the database: whenever the process dies, the rows that the checkpoint
calls done are in the collection, and the batch that was under way is written again, to the same ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from vstore.checkpoint import Checkpoint, write_rejected
from vstore.errors import Mismatch

__all__ = ["LoadCheckpoint", "RejectedRow"]

_KEYS: Final = 500


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not loaded.

    Attributes:
        number: Its place in the file, from 1.
        reason: The error.
        fields: What the row holds.
    """

    number: int
    reason: str
    fields: Mapping[str, Any]


class LoadCheckpoint(Checkpoint):
    """One load. It holds a lock until it is closed, or the process dies."""

    job = "load"
    format = 1
    tables: ClassVar[Mapping[str, str]] = {
        "job": "create table if not exists job (key text primary key, value text not null) without rowid",
        "written": "create table if not exists written (id text primary key, number integer not null) without rowid",
        "refused": """create table if not exists refused (
            number integer primary key, reason text not null, row text not null)""",
    }

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        """Opens the checkpoint, or creates it; ``restart`` forgets what is there.

        Raises:
            Unavailable: Another process is at work on the same load, or the file cannot be used.
            Mismatch: It was written by a version of vstore with another format.
        """
        super().__init__(path, restart=restart)
        if restart:
            with self._transaction():
                self._erase()

    def _format_of(self, known: Mapping[str, str]) -> int:
        return int(known.get("format", "1"))  # the first versions noted none

    def begin(self, job: Mapping[str, str]) -> int:
        """Starts or resumes; returns how many rows are done.

        Args:
            job: What the load is about: file, target, fields, embedder.

        Raises:
            Mismatch: The checkpoint is about something else.
        """
        known: dict[str, str] = dict(self._fetch("select key, value from job"))
        if not known:
            with self._transaction():
                rows = [*job.items(), ("done", "0"), ("format", str(self.format))]
                self._db.executemany("insert into job values (?, ?)", rows)
            return 0
        for key, value in job.items():
            if known.get(key) != value:
                raise Mismatch(
                    f"{key} is not as it was when this load began: {value}, then {known.get(key)}",
                    hint="Run it as it was, or pass --restart to begin again.",
                )
        return int(known["done"])

    def places(self, ids: Sequence[str]) -> dict[str, int]:
        """Returns the rows of those ids that are written."""
        found: dict[str, int] = {}
        for start in range(0, len(ids), _KEYS):
            part = ids[start : start + _KEYS]
            marks = ", ".join("?" * len(part))
            found.update(self._fetch(f"select id, number from written where id in ({marks})", part))  # noqa: S608
        return found

    def advance(self, done: int, written: Mapping[str, int], rejected: Sequence[RejectedRow]) -> None:
        """Notes that the first ``done`` rows are done: the ids written with their rows, and the rows rejected."""
        rows = [(one.number, one.reason, json.dumps(dict(one.fields), default=str)) for one in rejected]
        with self._transaction():
            self._db.execute("update job set value = ? where key = 'done'", (str(done),))
            self._db.executemany("insert into written values (?, ?)", written.items())
            self._db.executemany("insert into refused values (?, ?, ?)", rows)

    def counts(self) -> tuple[int, int]:
        """Counts the rows that are written, and those that are rejected."""
        [(written, rejected)] = self._fetch("select (select count(*) from written), (select count(*) from refused)")
        return int(written), int(rejected)

    def write_rejected(self, path: Path) -> bool:
        """Writes the rejected rows to a file as JSON lines, whole; without any there is no file.

        Returns:
            Whether there are any.

        Raises:
            BackendError: The file cannot be written.
            Unavailable: The checkpoint cannot be read.
        """
        numbers = [number for (number,) in self._fetch("select number from refused order by number")]
        write_rejected(path, map(self._rejected, numbers))
        return bool(numbers)

    def _rejected(self, number: int) -> dict[str, Any]:
        [(reason, row)] = self._fetch("select reason, row from refused where number = ?", (number,))
        return {"row": number, "reason": reason, "fields": json.loads(row)}
