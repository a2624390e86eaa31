"""One collection: its records are rows of one table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vstore import AlreadyExists, CollectionInfo, Filter, Hits, NotFound, Records, Search
from vstore.spi import Column, Include, Metadata, TopK, from_json, split_filter, to_json
from vstore_sqlite.filters import compiled, unanswered

if TYPE_CHECKING:
    from vstore_sqlite.store import SqliteAdapter

__all__ = ["SqliteCollection"]

PAGE = 1000
_IDS = "id in (select value from json_each(?))"


class SqliteCollection:
    """Implements ``vstore.spi.CollectionAdapter``."""

    def __init__(self, store: SqliteAdapter, key: int, info: CollectionInfo) -> None:
        self._store = store
        self.key = key
        self._info = info

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def native(self) -> sqlite3.Connection:
        return self._store.native

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which the collection is there; keys are never given twice."""
        with self._store.transaction() as connection:
            if not connection.execute("select 1 from vstore_collections where key = ?", (self.key,)).fetchone():
                raise NotFound("the collection was deleted")
            yield connection

    def _known(self, connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, str]:
        """The metadata, as JSON, of those of ``ids`` that are there."""
        asked = f"select id, metadata from vstore_records where collection = ? and {_IDS}"
        return dict(connection.execute(asked, (self.key, json.dumps(ids))))

    def add(self, records: Records) -> None:
        with self._transaction() as connection:
            known = self._known(connection, records.ids)
            if taken := [i for i in records.ids if i in known]:
                raise AlreadyExists.of_records(taken)
            self._write(connection, records)

    def upsert(self, records: Records) -> None:
        with self._transaction() as connection:
            self._write(connection, records)

    def _write(self, connection: sqlite3.Connection, records: Records) -> None:
        """Inserts or replaces whole records."""
        assert records.vectors is not None
        documents = records.documents or [None] * len(records)
        metadatas = records.metadatas or [{}] * len(records)
        connection.executemany(
            "insert or replace into vstore_records values (?, ?, ?, ?, ?)",
            [
                (self.key, one, vector.tobytes(), document, to_json(metadata))
                for one, vector, document, metadata in zip(
                    records.ids, records.vectors, documents, metadatas, strict=True
                )
            ],
        )

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        with self._transaction() as connection:
            known = self._known(connection, records.ids)
            if missing := [i for i in records.ids if i not in known]:
                raise NotFound.of_records(missing)
            columns: dict[str, list[Any]] = {}
            if records.vectors is not None:
                columns["vector"] = [vector.tobytes() for vector in records.vectors]
            if records.documents is not None:
                columns["document"] = list(records.documents)
            if records.metadatas is not None:
                old = [{} if replace_metadata else from_json(known[i]) for i in records.ids]
                columns["metadata"] = [_merged(*pair) for pair in zip(old, records.metadatas, strict=True)]
            for name, values in columns.items():
                connection.executemany(
                    f"update vstore_records set {name} = ? where collection = ? and id = ?",
                    [(value, self.key, one) for value, one in zip(values, records.ids, strict=True)],
                )

    def delete_ids(self, ids: Sequence[str]) -> None:
        with self._transaction() as connection:
            connection.execute(
                f"delete from vstore_records where collection = ? and {_IDS}", (self.key, json.dumps(ids))
            )

    def delete_where(self, where: Filter) -> None:
        with self._transaction():
            self.delete_ids([i for page, _ in self.scan(where, PAGE, None, Include()) for i in page.ids])

    def clear(self) -> None:
        with self._transaction() as connection:
            connection.execute("delete from vstore_records where collection = ?", (self.key,))

    def rename(self, name: str) -> None:
        with self._transaction() as connection:
            done = connection.execute(
                "update or ignore vstore_collections set name = ? where key = ?", (name, self.key)
            ).rowcount
            if not done:
                raise AlreadyExists(f"the name {name!r} is taken")
        self._info = replace(self._info, name=name)

    def get(self, ids: Sequence[str], include: Include) -> Records:
        return self._read(_IDS, [json.dumps(ids)], len(ids), include).ordered(ids)

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        split = None if where is None else split_filter(where, unanswered)
        asked = where if split is None else split.asked
        condition, values = ("true", []) if asked is None else compiled(asked)
        wanted = include if split is None else split.read(include)
        while True:
            page = self._read(f"id > ? and {condition}", [after or "", *values], batch_size, wanted)
            if not len(page):
                return
            after = page.ids[-1]
            found = page if split is None else split.keep(page, include)
            if len(found):
                yield found, after

    def count(self, where: Filter | None) -> int:
        if where is not None:
            return sum(len(page) for page, _ in self.scan(where, PAGE, None, Include()))
        with self._transaction() as connection:
            found = connection.execute("select count(*) from vstore_records where collection = ?", (self.key,))
            return int(found.fetchone()[0])

    def _read(self, condition: str, values: Sequence[str], limit: int, include: Include) -> Records:
        """Reads at most ``limit`` records that meet a condition, in the order of their ids."""
        columns = ", ".join(
            name if wanted else "null"
            for name, wanted in (
                ("vector", include.vectors),
                ("document", include.documents),
                ("metadata", include.metadatas),
            )
        )
        with self._transaction() as connection:
            rows = connection.execute(
                f"select id, {columns} from vstore_records where collection = ? and {condition} order by id limit ?",
                (self.key, *values, limit),
            ).fetchall()
        return self._records(rows, include)

    def _records(self, rows: list[tuple[str, bytes, str | None, str]], include: Include) -> Records:
        blob = b"".join(row[1] for row in rows) if include.vectors else b""
        return Records(
            [row[0] for row in rows],
            np.frombuffer(blob, dtype=np.float32).reshape(-1, self.info.dimension).copy() if include.vectors else None,
            [row[2] for row in rows] if include.documents else None,
            [from_json(row[3]) for row in rows] if include.metadatas else None,
        )

    def query(
        self,
        vectors: Column,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
        field: str = "",
    ) -> list[Hits]:
        best = TopK(self.info.metric, vectors, k)
        for page, _ in self.scan(where, PAGE, None, Include(vectors=True)):
            best.take(page)
        return best.hits(self.get(best.ids, include))


def _merged(old: Metadata, new: Metadata) -> str:
    return to_json({key: value for key, value in {**old, **new}.items() if value is not None})
