"""Stores that fail on purpose, over the reference store, and the ends of a transfer that the tests begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vstore import HNSW, Collection, Record, Records, Store, connect
from vstore.errors import LimitExceeded, Unavailable, VStoreError
from vstore.filters.tree import Filter
from vstore.info import CollectionInfo
from vstore.memory.store import MemoryAdapter, MemoryCollection
from vstore.records import Include, Metadata
from vstore.transfer import CollectionSource, CollectionTarget

__all__ = ["FaultyCollection", "faulty_store", "filled", "many", "source_of"]


def many(n: int, dimension: int = 8, *, light: bool = False) -> Records:
    """Records with every column, reproducible; ``light`` ones have one key of metadata."""
    rng = np.random.default_rng(n)
    vectors = rng.standard_normal((n, dimension), dtype=np.float32)
    documents = [None if place % 5 == 4 else f"text {place}" for place in range(n)]
    metadatas: list[Metadata] = [
        {"part": place % 3, "weight": place / 7, "flag": place % 2 == 0, "tags": ["a", str(place)]}
        for place in range(n)
    ]
    if light:
        metadatas = [{"part": place % 3} for place in range(n)]
    return Records([f"id-{place:06}" for place in range(n)], vectors, documents, metadatas)


def filled(store: Store, records: Records, name: str = "docs", **settings: Any) -> Collection:
    """A new collection with these records."""
    assert records.vectors is not None
    asked = {"metric": "l2", "index": HNSW(m=8), **settings}
    made = store.create_collection(name, dimension=records.vectors.shape[1], **asked)
    made.upsert(records.ids, records.vectors, records.documents, records.metadatas)
    return made


def source_of(records: Records, **settings: Any) -> CollectionSource:
    """A collection of the reference store as a source."""
    store = connect("memory:")
    return CollectionSource(store, filled(store, records, **settings), "memory:test#docs")


class FaultyCollection(MemoryCollection):
    """Writes and reads pass ``on_upsert``, ``on_get``, ``on_scan``, which may change them or raise."""

    on_upsert: Callable[[Records], Records]
    on_get: Callable[[Records], Records]
    on_scan: Callable[[Records], Records]

    def upsert(self, records: Records) -> None:
        super().upsert(self.on_upsert(records))

    def add(self, records: Records) -> None:
        raise AssertionError("a copy must not insert: a replay would fail, or double")

    def get(self, ids: Sequence[str], include: Include) -> Records:
        return self.on_get(super().get(ids, include))

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        for records, token in super().scan(where, batch_size, after, include):
            yield self.on_scan(records), token


class Lasting(CollectionTarget):
    """A target in the reference store that is there in the next run: the store stays open between the runs."""

    @property
    def identity(self) -> str:
        return "memory:kept#docs"


def _same(records: Records) -> Records:
    return records


def faulty_store(
    *,
    on_upsert: Callable[[Records], Records] = _same,
    on_get: Callable[[Records], Records] = _same,
    on_scan: Callable[[Records], Records] = _same,
    **capabilities: Any,
) -> Store:
    """A store whose collections do this; capabilities may be others than the reference has."""

    class FaultyAdapter(MemoryAdapter):
        @property
        def capabilities(self) -> Any:
            return replace(super().capabilities, **capabilities)

        def create(self, info: CollectionInfo) -> FaultyCollection:
            super().create(info)
            made = FaultyCollection(info, self)
            made.on_upsert, made.on_get, made.on_scan = on_upsert, on_get, on_scan
            self._collections[info.name] = made
            return made

    return Store(FaultyAdapter())


def target_in(store: Store, name: str = "docs") -> CollectionTarget:
    """A collection to be made in a store."""
    return CollectionTarget(store, name)


class Sometimes:
    """Raises an error at every ``period``-th call and otherwise hands on what it is given."""

    def __init__(self, period: int, error: VStoreError | None = None) -> None:
        self.calls = 0
        self._period = period
        self._error = error or Unavailable("the connection was lost")

    def __call__(self, records: Records) -> Records:
        self.calls += 1
        if self.calls % self._period == 0:
            raise self._error
        return records


def no_more_than(rows: int) -> Callable[[Records], Records]:
    """Refuses larger batches."""

    def check(records: Records) -> Records:
        if len(records) > rows:
            raise LimitExceeded(f"{len(records)} rows are too many")
        return records

    return check


def refusing(*ids: str) -> Callable[[Records], Records]:
    """Refuses every batch with one of these records."""

    def check(records: Records) -> Records:
        for record_id in records.ids:
            if record_id in ids:
                raise LimitExceeded(f"the record {record_id} is too large")
        return records

    return check


def changing(record_id: str, change: Callable[[Record], list[Record]]) -> Callable[[Records], Records]:
    """Puts what ``change`` gives in place of one record."""

    def apply(records: Records) -> Records:
        if record_id not in records.ids:
            return records
        rows = [made for record in records for made in (change(record) if record.id == record_id else [record])]
        first = rows[0]
        return Records(
            [row.id for row in rows],
            None if first.vector is None else np.stack([row.vector for row in rows if row.vector is not None]),
            None if records.documents is None else [row.document for row in rows],
            None if records.metadatas is None else [row.metadata or {} for row in rows],
        )

    return apply
