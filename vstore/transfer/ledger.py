"""What a copy of several collections has finished, so that the same command does not copy it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import ClassVar, Self

from vstore.checkpoint import Checkpoint
from vstore.transfer.options import RECORDS, CopyOptions

__all__ = ["Ledger"]


class Ledger(Checkpoint):
    """The collections that ended well, of a run in which not all have. A run holds its lock until it is closed.

    The checkpoints of the collections say how far each is. This one says which of them belong to the run that goes on:
    ``--if-exists`` would otherwise begin the finished ones anew.
    """

    job = "copy of several collections"
    format = 1
    tables: ClassVar[Mapping[str, str]] = {
        "job": "create table if not exists job (key text primary key, value text not null) strict",
        "finished": """create table if not exists finished (
            source text not null, target text not null, primary key (source, target)) strict, without rowid""",
    }

    @classmethod
    def of(cls, source: str, target: str, options: CopyOptions, *, dry: bool = False) -> Self | None:
        """Opens the one of all copies from one location to another, both by identity.

        It is emptied where options that say which records are copied are others now, or ``restart`` says so.

        Args:
            source: Identity of the source.
            target: Identity of the target.
            options: As for each copy.
            dry: Whether to leave it as it is.

        Returns:
            The ledger; None where nothing is kept, or an end ends with the process. With ``dry`` also None where there
            is nothing in it that a run would heed.
        """
        if options.state is None or not source or not target:
            return None
        key = blake2b(f"{source}\n{target}".encode(), digest_size=12).hexdigest()
        path = options.state / f"{key}.all.sqlite"
        if dry and (options.restart or not path.exists()):
            return None
        found = cls(path, restart=options.restart)
        binding = options.binding()
        text = json.dumps({name: binding[name] for name in RECORDS}, sort_keys=True)
        same = found._fetch("select value from job where key = 'options'") == [(text,)]
        if dry and not same:
            found.close()
            return None
        if not same or options.restart:
            found._begin(text)
        return found

    def finished(self, source: str, target: str) -> bool:
        """Whether a collection, both ends by name, has ended well."""
        return bool(self._fetch("select 1 from finished where source = ? and target = ?", (source, target)))

    def note(self, source: str, target: str, *, well: bool) -> None:
        """Notes how a collection has ended."""
        statement = "insert or ignore into finished values (?, ?)"
        if not well:
            statement = "delete from finished where source = ? and target = ?"
        with self._transaction():
            self._db.execute(statement, (source, target))

    def forget(self, names: Mapping[str, str]) -> None:
        """Forgets collections, the name in the target of each by that in the source: the run is over."""
        with self._transaction():
            self._db.executemany("delete from finished where source = ? and target = ?", names.items())

    def _begin(self, options: str) -> None:
        with self._transaction():
            self._erase()
            for key, value in (("format", str(self.format)), ("options", options)):
                self._db.execute("insert into job values (?, ?)", (key, value))
