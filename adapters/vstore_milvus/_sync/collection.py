# Generated from adapters/vstore_milvus/_async/collection.py by tools/unasync.py: do not edit.
"""One collection of Milvus: writes, and reads by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pymilvus import MilvusClient

from vstore.columns import Column
from vstore.errors import AlreadyExists, NotFound
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata, Records
from vstore.spi._sync.batching import write_parts
from vstore.spi.batching import batches
from vstore_milvus._sync._run import compute
from vstore_milvus._sync.creation import Creation
from vstore_milvus._sync.reading import Reader
from vstore_milvus._sync.searching import Searcher
from vstore_milvus._sync.session import Session
from vstore_milvus.codec import check_sizes, encode
from vstore_milvus.messages import upserts
from vstore_milvus.question import Question

__all__ = ["MilvusCollection"]


class MilvusCollection:
    """Implements ``CollectionAdapter``.

    Every write holds the store's lock: Milvus has no insert that fails on an id that exists (it stores the
    row twice) and no partial update before 2.6, so that most writes need a read first.
    """

    def __init__(self, session: Session, info: CollectionInfo, creation: Creation) -> None:
        self._client: MilvusClient = session.client
        self._info = info
        self._creation = creation
        self._lock = session.locks.writing
        self._lite = session.lite
        self._read = Reader(session, info, creation)
        self._search = Searcher(session, self._read, creation)
        limits = session.capabilities.limits
        self._rows = limits.max_batch_rows
        self._bytes = limits.max_batch_bytes

    @property
    def info(self) -> CollectionInfo:
        name = self._creation.name
        if self._info.name != name:
            self._info = replace(self._info, name=name)
        return self._info

    @property
    def native(self) -> MilvusClient:
        return self._client

    def add(self, records: Records) -> None:
        with self._lock:
            taken = self._read.taken(records.ids)
            if taken:
                raise AlreadyExists.of_records([i for i in records.ids if i in taken])
            self._check(records)
            self._write(records, [])

    def upsert(self, records: Records) -> None:
        with self._lock:
            self._check(records)
            self._write(records, [])

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        with self._lock:
            present = self._read.present(records.ids)
            if missing := [i for i in records.ids if i not in present]:
                raise NotFound.of_records(missing)
            everything = Include(self._info.dimension > 0, True, True, tuple(self._info.fields))
            merged: list[Records] = []
            for part in batches(records, self._rows):
                old = (self._read.by_ids(part.ids, everything)).ordered(part.ids)
                merged.append(_merged(part, old, replace_metadata=replace_metadata))
                if records.metadatas is not None:
                    self._check(merged[-1], merged=not replace_metadata)
            done: list[str] = []
            for part in merged:
                self._write(part, done)

    def get(self, ids: Sequence[str], include: Include) -> Records:
        return (self._read.by_ids(ids, include)).ordered(ids)

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
        return self._search.query(vectors, k, Question(field, where, include, search), exact=exact)

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        return self._read.pages(where, batch_size, after, include)

    def delete_ids(self, ids: Sequence[str]) -> None:
        with self._lock:
            self._delete(list(ids))

    def delete_where(self, where: Filter) -> None:
        with self._lock:
            # Milvus deletes by filter what it sees at some moment of its own: it may miss the last write
            self._delete(self._read.ids(where))

    def clear(self) -> None:
        with self._lock:
            self._delete(self._read.ids(None))

    def count(self, where: Filter | None) -> int:
        return self._read.count(where)

    def rename(self, name: str) -> None:
        with self._lock:
            self._creation.rename(name)

    def _check(self, records: Records, *, merged: bool = False) -> None:
        """Raises ``LimitExceeded`` where a server would refuse a record, before anything is written."""
        if not self._lite:
            compute(check_sizes, records, self._creation.layout, merged=merged)

    def _write(self, records: Records, done: list[str]) -> None:
        """Sends rows in parts that Milvus takes; ``done`` has what this call has written, and grows.

        Upsert for new records too: another process may have written the same id since it was looked for, and
        an insert would store the row twice.
        """
        for batch in batches(records, self._rows):
            cells = compute(encode, batch, self._creation.layout)
            parts = upserts(batch, cells, self._creation.layout, self._rows, self._bytes)
            write_parts(parts, self._creation.upsert, done)

    def _delete(self, ids: list[str]) -> None:
        parts = ((part, part) for part in batches(ids, self._rows))
        write_parts(parts, self._creation.delete)


def _merged(new: Records, old: Records, *, replace_metadata: bool) -> Records:
    """Return the old records with the columns of the new ones."""
    metadatas: list[Metadata] | None = old.metadatas
    if new.metadatas is not None and old.metadatas is not None:
        metadatas = new.metadatas if replace_metadata else list(map(_updated, old.metadatas, new.metadatas))
    return Records(
        new.ids,
        old.vectors if new.vectors is None else new.vectors,
        old.documents if new.documents is None else new.documents,
        metadatas,
        old.fields | new.fields,
    )


def _updated(old: Metadata, changes: dict[str, Any]) -> Metadata:
    return {key: value for key, value in (old | changes).items() if value is not None}
