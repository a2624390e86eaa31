"""The reference store: one dict of rows a collection, one lock a store."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock

from vstore.capabilities import Capabilities, Exactness, Limits, emulated, native, no
from vstore.columns import Column
from vstore.errors import AlreadyExists, BackendError, NotFound, VStoreError
from vstore.fields import MAX_FIELDS
from vstore.filters.regex import where_installed
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Flat, Index, Metric, Search
from vstore.info import CollectionInfo
from vstore.memory.rows import Row, column_of, columns, kept, vectors_of
from vstore.records import Include, Records
from vstore.spi.deadline import Deadline
from vstore.spi.evaluate import bounded
from vstore.spi.scores import column_distances, ranked

__all__ = ["MemoryAdapter", "MemoryCollection"]

_UNUSED_INDEX = "the settings are kept and every query is exact: time grows with the collection"

CAPABILITIES = Capabilities(
    backend="memory",
    mode="memory",
    server_version="",
    client_version="",
    persistent=False,
    cosine_exactness=Exactness.BITS,
    limits=Limits(
        max_dimension=65_536,
        max_k=1_000_000,
        max_batch_rows=10_000_000,
        max_batch_bytes=1 << 40,
        max_document_bytes=64 << 20,
        max_metadata_bytes=16 << 20,
        max_fields=MAX_FIELDS,
        max_sparse_values=1_000_000,
    ),
    index_hnsw=emulated(_UNUSED_INDEX),
    index_flat=native(),
    index_ivfflat=emulated(_UNUSED_INDEX),
    index_ivfpq=emulated(_UNUSED_INDEX),
    index_diskann=emulated(_UNUSED_INDEX),
    quantization=emulated(_UNUSED_INDEX),
    on_disk=no("everything is kept in memory"),
    search_ef=emulated("kept out of use: every query is exact"),
    search_probes=emulated("kept out of use: every query is exact"),
    exact_query=native(),
    filtered_query=native(),
    document_contains=native(),
    metadata_contains=native(),
    string_ordering=native(),
    matches=native("by RE2"),
    nested_metadata=native(),
    nested_paths=native(),
    int64_ordering=native(),
    atomic_writes=native(),
    rename=native(),
    mapping=no("every collection here was made by vstore"),
    named_vectors=native(),
    sparse_vectors=native(),
    partitions=native(),
)


class MemoryCollection:
    """Implements ``CollectionAdapter``."""

    def __init__(self, info: CollectionInfo, store: MemoryAdapter) -> None:
        self._info = info
        self._store = store
        self._lock = store.lock
        self._rows: dict[str, Row] = {}
        self._sorted: list[str] | None = None
        self._dropped = False

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def native(self) -> dict[str, Row]:
        return self._rows

    def add(self, records: Records) -> None:
        with self._open():
            if taken := [i for i in records.ids if i in self._rows]:
                raise AlreadyExists.of_records(taken)
            self.upsert(records)

    def upsert(self, records: Records) -> None:
        vectors = vectors_of(records)
        with self._open():
            self._sorted = None
            for place, record_id in enumerate(records.ids):
                self._rows[record_id] = Row(
                    {name: vector for name, vector in vectors[place].items() if vector is not None},
                    None if records.documents is None else records.documents[place],
                    {} if records.metadatas is None else kept(records.metadatas[place]),
                )

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        with self._open():
            if missing := [i for i in records.ids if i not in self._rows]:
                raise NotFound.of_records(missing)
            vectors = vectors_of(records)
            for place, record_id in enumerate(records.ids):
                row = self._rows[record_id]
                changed = row.vectors | vectors[place]
                row.vectors = {name: vector for name, vector in changed.items() if vector is not None}
                if records.documents is not None:
                    row.document = records.documents[place]
                if records.metadatas is not None:
                    merged = {} if replace_metadata else row.metadata
                    merged = merged | kept(records.metadatas[place])
                    row.metadata = {key: value for key, value in merged.items() if value is not None}

    def get(self, ids: Sequence[str], include: Include) -> Records:
        with self._open():
            return self._columns([i for i in ids if i in self._rows], include)

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
        with self._open():
            ids, metric = self._matching(where), self._info.field(field).metric
            column = column_of([self._rows[i] for i in ids], field, self._info)
            deadline, found = Deadline(), list[Hits]()
            for one in vectors:
                deadline.check()
                positions, distance = column_distances(metric, one, column)
                found.append(ranked(metric, Records([ids[p] for p in positions]), distance, k))
            return [replace(hits, records=self._columns(hits.ids, include)) for hits in found]

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        while True:
            with self._open():
                test = self._test(where)
                if self._sorted is None:
                    self._sorted = sorted(self._rows)
                start = 0 if after is None else bisect_right(self._sorted, after)
                ids: list[str] = []
                for record_id in self._sorted[start:]:
                    if test(record_id):
                        ids.append(record_id)
                        if len(ids) == batch_size:
                            break
                page = self._columns(ids, include)
            if not ids:
                return
            after = ids[-1]
            yield page, after

    def delete_ids(self, ids: Sequence[str]) -> None:
        with self._open():
            self._sorted = None
            for record_id in ids:
                self._rows.pop(record_id, None)

    def delete_where(self, where: Filter) -> None:
        with self._open():
            self.delete_ids(self._matching(where))

    def clear(self) -> None:
        with self._open():
            self._sorted = None
            self._rows.clear()

    def count(self, where: Filter | None) -> int:
        with self._open():
            return len(self._rows) if where is None else len(self._matching(where))

    def drop(self) -> None:
        """Forgets every record; every later call on this handle is ``NotFound``."""
        with self._open():
            self._rows.clear()
            self._dropped = True

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self._dropped:
                raise NotFound("the collection was deleted")
            yield

    def rename(self, name: str) -> None:
        with self._open():
            self._store.move(self, name)
            self._info = replace(self._info, name=name)

    def _test(self, where: Filter | None) -> Callable[[str], bool]:
        if where is None:
            return lambda _: True
        within_time = bounded(where)

        def test(record_id: str) -> bool:
            row = self._rows[record_id]
            return within_time(row.metadata, row.document)

        return test

    def _matching(self, where: Filter | None) -> list[str]:
        if where is None:
            return list(self._rows)
        return list(filter(self._test(where), self._rows))

    def _columns(self, ids: list[str], include: Include) -> Records:
        return columns(ids, [self._rows[i] for i in ids], self._info, include)


class MemoryAdapter:
    """Implements ``Adapter``; it is its own client."""

    def __init__(self) -> None:
        self.lock = RLock()
        self._collections: dict[str, MemoryCollection] = {}

    @property
    def capabilities(self) -> Capabilities:
        return replace(CAPABILITIES, matches=where_installed(CAPABILITIES.matches))

    @property
    def native(self) -> dict[str, MemoryCollection]:
        return self._collections

    @property
    def secrets(self) -> Sequence[str]:
        return ()

    @property
    def foreign(self) -> None:
        return None

    def translate(self, error: Exception) -> VStoreError:
        return BackendError(f"{type(error).__name__}: {error}")

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return Flat()

    def create(self, info: CollectionInfo) -> MemoryCollection:
        with self.lock:
            if info.name in self._collections:
                raise AlreadyExists("the collection exists already")
            made = MemoryCollection(replace(info, metadata=kept(info.metadata)), self)
            self._collections[info.name] = made
            return made

    def open(self, name: str) -> MemoryCollection:
        with self.lock:
            return self._collections[self._known(name)]

    def names(self) -> list[str]:
        with self.lock:
            return sorted(self._collections)

    def drop(self, name: str) -> None:
        with self.lock:
            self._collections.pop(self._known(name)).drop()

    def move(self, collection: MemoryCollection, name: str) -> None:
        """Makes ``collection`` known under another name."""
        with self.lock:
            old = self._known(collection.info.name)
            if name == old:
                return
            if name in self._collections:
                raise AlreadyExists(f"the name {name!r} is taken")
            self._collections[name] = self._collections.pop(old)

    def ping(self) -> None:
        pass

    def close(self) -> None:
        with self.lock:
            self._collections.clear()

    def _known(self, name: str) -> str:
        if name not in self._collections:
            raise NotFound.of_collection(name)
        return name
