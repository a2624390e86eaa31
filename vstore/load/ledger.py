"""The ledger of a load: how far it is, which ids it has written, what was refused. One SQLite file.

A commit here follows the acknowledgement of the database: whenever the process dies, what the ledger calls done is in
the collection, and the batch that was under way is written again, to the same ids.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vstore.errors import BackendError, Mismatch, Unavailable
from vstore.regular import refuse_url
from vstore.spi.durable import prepare, replacing, transaction
from vstore.spi.forking import keep_in_children

__all__ = ["Ledger", "Refused"]

_KEYS: Final = 500
_TABLES: Final = """
create table if not exists job (key text primary key, value text not null) without rowid;
create table if not exists written (id text primary key, number integer not null) without rowid;
create table if not exists refused (number integer primary key, reason text not null, row text not null);
"""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not loaded.

    Attributes:
        number: Its place in the file, from 1.
        reason: The error.
        fields: What the row holds.
    """

    number: int
    reason: str
    fields: Mapping[str, Any]


class Ledger:
    """One load. It holds a lock until it is closed, or the process dies."""

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        """Opens the ledger, or makes it; ``restart`` forgets what is there.

        Raises:
            Unavailable: Another process is at work on the same load.
            BackendError: The file cannot be used.
        """
        refuse_url("state", path)
        self.path = path
        keep_in_children(self)  # one that is closed there would undo what is being written here
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            prepare(path, private=True)  # rows that are refused are kept whole
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
            try:
                self._db.execute("pragma locking_mode = exclusive")  # the first write's lock stays until the end
                self._db.executescript(f"begin exclusive; {_TABLES} commit;")
                if restart:
                    self._db.executescript("begin; delete from job; delete from written; delete from refused; commit;")
            except BaseException:
                self._db.close()
                raise

    def begin(self, job: Mapping[str, str]) -> int:
        """Starts or goes on; returns how many rows are done.

        Args:
            job: What the load is about: file, target, fields, embedder.

        Raises:
            Mismatch: The ledger is about something else.
        """
        with self._told():
            known: dict[str, str] = dict(self._db.execute("select key, value from job"))
            if not known:
                with transaction(self._db):
                    self._db.executemany("insert into job values (?, ?)", [*job.items(), ("done", "0")])
                return 0
        for key, value in job.items():
            if known.get(key) != value:
                raise Mismatch(
                    f"{key} is not as it was when this load began: {value}, then {known.get(key)}",
                    hint="Run it as it was, or from the beginning with --restart.",
                )
        return int(known["done"])

    def places(self, ids: Sequence[str]) -> dict[str, int]:
        """Of the ids that are written, in which row they stood."""
        found: dict[str, int] = {}
        with self._told():
            for start in range(0, len(ids), _KEYS):
                part = ids[start : start + _KEYS]
                marks = ", ".join("?" * len(part))
                found.update(self._db.execute(f"select id, number from written where id in ({marks})", part))  # noqa: S608
        return found

    def advance(self, done: int, written: Mapping[str, int], refused: Sequence[Refused]) -> None:
        """Notes that the first ``done`` rows are done: the ids written with their rows, and the rows refused."""
        rows = [(one.number, one.reason, json.dumps(dict(one.fields), default=str)) for one in refused]
        with self._told(), transaction(self._db):
            self._db.execute("update job set value = ? where key = 'done'", (str(done),))
            self._db.executemany("insert into written values (?, ?)", written.items())
            self._db.executemany("insert into refused values (?, ?, ?)", rows)

    def counts(self) -> tuple[int, int]:
        """How many rows are written, and how many are refused."""
        with self._told():
            written, refused = self._db.execute(
                "select (select count(*) from written), (select count(*) from refused)"
            ).fetchone()
        return int(written), int(refused)

    def write_refused(self, path: Path) -> bool:
        """Writes the rows refused to a file as JSON lines, whole; without any there is no file.

        Raises:
            BackendError: The file cannot be written, or the ledger not read.
        """
        with self._told(f"the file of dead letters {path} cannot be written", "Name another with --dead-letters."):
            found = self._db.execute("select number, reason, row from refused order by number")
            first = found.fetchone()
            if first is None:
                path.unlink(missing_ok=True)
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, private=True) as file:
                for number, reason, row in (first, *found):
                    line = json.dumps({"row": number, "reason": reason, "fields": json.loads(row)}, ensure_ascii=False)
                    # a lone surrogate, which a row may hold and UTF-8 cannot, is written as JSON escapes it
                    file.write(line.encode(errors="backslashreplace") + b"\n")
            return True

    def close(self) -> None:
        """Gives the lock back."""
        self._db.close()

    @contextmanager
    def _told(self, what: str = "", hint: str = "Name another with --state.") -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error) and "locked" in str(error):
                raise Unavailable(
                    "another process is at work on this load", hint="Wait for it, or end it.", backend="ledger"
                ) from error
            said = what or f"the ledger {self.path} cannot be used"
            raise BackendError(f"{said}: {error}", hint=hint, backend="ledger") from error
