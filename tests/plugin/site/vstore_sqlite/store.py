"""One connection to one SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock

from vstore import (
    AlreadyExists,
    BackendError,
    Capabilities,
    CollectionInfo,
    Flat,
    Limits,
    NotFound,
    Unavailable,
    VStoreError,
)
from vstore.spi import PARTITIONS, Index, emulated, info_from_json, info_to_json, native, no
from vstore_sqlite.collection import SqliteCollection

__all__ = ["CAPABILITIES", "SqliteAdapter", "translate"]

SCHEMA = """
create table if not exists vstore_collections (
    key integer primary key autoincrement, name text not null unique, info text not null
);
create table if not exists vstore_records (
    collection integer not null references vstore_collections on delete cascade,
    id text not null, vector blob not null, document text, metadata text not null,
    primary key (collection, id)
) without rowid;
"""
_NO_INDEX = no("SQLite has no vector index; Flat() is the default")
_IN_PYTHON = emulated("the metadata of all records that the rest of the filter leaves is read and compared in Python")

CAPABILITIES = Capabilities(
    backend="sqlite",
    mode="embedded",
    server_version=sqlite3.sqlite_version,
    client_version="",
    persistent=True,
    limits=Limits(
        max_dimension=65_536,
        max_k=100_000,
        max_batch_rows=1_000_000,
        max_batch_bytes=1 << 30,
        max_document_bytes=16 << 20,
    ),
    index_hnsw=_NO_INDEX,
    index_flat=native(),
    index_ivfflat=_NO_INDEX,
    index_ivfpq=_NO_INDEX,
    index_diskann=_NO_INDEX,
    quantization=_NO_INDEX,
    on_disk=no("SQLite decides what it caches"),
    search_ef=_NO_INDEX,
    search_probes=_NO_INDEX,
    exact_query=emulated("every query reads the vectors of all records that match"),
    filtered_query=emulated("every query reads the vectors of all records that match"),
    document_contains=native(),
    metadata_contains=_IN_PYTHON,
    string_ordering=_IN_PYTHON,
    matches=no("regular expressions would need a package more"),
    nested_metadata=native(),
    nested_paths=_IN_PYTHON,
    int64_ordering=_IN_PYTHON,
    atomic_writes=native(),
    rename=native(),
    mapping=no("this adapter reads tables of its own only"),
    named_vectors=no("this adapter keeps one vector a record"),
    sparse_vectors=no("this adapter keeps one vector a record"),
    partitions=PARTITIONS,
)


def translate(error: Exception) -> VStoreError:
    """Return the error of the contract for one of SQLite; ``BackendError`` where none fits."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable("another process is writing into the database")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FULL):
        return Unavailable(f"the database cannot be used: {error}", retryable=False)
    return BackendError(f"{type(error).__name__}: {error}")


class SqliteAdapter:
    """Implements ``vstore.spi.Adapter``."""

    def __init__(self, connection: sqlite3.Connection, *, in_memory: bool) -> None:
        connection.execute("pragma foreign_keys = on")
        connection.executescript(SCHEMA)
        self._connection = connection
        self._in_memory = in_memory
        self._lock = RLock()

    @property
    def capabilities(self) -> Capabilities:
        return replace(CAPABILITIES, mode="memory", persistent=False) if self._in_memory else CAPABILITIES

    @property
    def native(self) -> sqlite3.Connection:
        return self._connection

    @property
    def secrets(self) -> Sequence[str]:
        return ()

    @property
    def foreign(self) -> None:
        return None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One caller at a time has the connection; what it wrote is committed as a whole, or not at all."""
        with self._lock:
            if self._connection.in_transaction:  # a step of a longer one
                yield self._connection
                return
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int) -> Index:
        return Flat()

    def create(self, info: CollectionInfo) -> SqliteCollection:
        with self.transaction() as connection:
            made = connection.execute(
                "insert into vstore_collections (name, info) values (?, ?) on conflict do nothing returning key",
                (info.name, info_to_json(info)),
            ).fetchone()
            if made is None:
                raise AlreadyExists("the collection exists already")
            return SqliteCollection(self, made[0], info)

    def open(self, name: str) -> SqliteCollection:
        with self.transaction() as connection:
            found = connection.execute("select key, info from vstore_collections where name = ?", (name,)).fetchone()
        if found is None:
            raise NotFound.of_collection(name)
        return SqliteCollection(self, found[0], info_from_json(name, found[1]))

    def names(self) -> list[str]:
        with self.transaction() as connection:
            return [name for (name,) in connection.execute("select name from vstore_collections order by name")]

    def drop(self, name: str) -> None:
        with self.transaction() as connection:
            if not connection.execute("delete from vstore_collections where name = ?", (name,)).rowcount:
                raise NotFound.of_collection(name)

    def ping(self) -> None:
        with self.transaction():
            pass

    def close(self) -> None:
        with self._lock:
            self._connection.close()
