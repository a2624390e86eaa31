# Generated from adapters/vstore_chroma/_async/foreign.py by tools/unasync.py: do not edit.
"""Collections that vstore did not create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection

from vstore.capabilities import Capabilities
from vstore.errors import Mismatch
from vstore.filters.tree import Filter
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.records import Include, VectorArray
from vstore.spi._sync.batching import scan_by_ids, write_parts
from vstore.spi.batching import batches
from vstore.spi.foreign import Key, Rows
from vstore.spi.layouts import Layout, replaced_whole
from vstore_chroma._sync._run import Lock
from vstore_chroma.errors import guarded
from vstore_chroma.foreign import columns, complete, metric_seen, probe, proposal, to_columns, to_rows
from vstore_chroma.layouts import LAYOUTS, ChromaLayout
from vstore_chroma.narrowing import narrowed
from vstore_chroma.precision import indistinct
from vstore_chroma.requests import Columns, requests
from vstore_chroma.schema import check_name, created_here, new_foreign

__all__ = ["ChromaForeign", "names"]

_PAGE: Final = 1000
_IDS_AT_ONCE: Final = 5_000


def names(client: ClientAPI, *, own: bool) -> list[str]:
    """Return the collections that vstore created, or those that it did not, sorted."""
    found: list[str] = []
    start = 0
    while True:
        with guarded():
            page = client.list_collections(limit=_PAGE, offset=start)
        found += [native.name for native in page if created_here(native.metadata) is own]
        start += len(page)
        if len(page) < _PAGE:
            return sorted(found)


class ChromaForeign:
    """Implements ``ForeignStore``."""

    def __init__(self, client: ClientAPI, capabilities: Capabilities, lock: Lock) -> None:
        self._client = client
        self._capabilities = capabilities
        self._lock = lock

    @property
    def layouts(self) -> Mapping[str, Layout]:
        return LAYOUTS

    def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        assert isinstance(layout, ChromaLayout)
        check_name(info.name)
        with guarded():
            self._client.create_collection(**new_foreign(info, old_space=layout.old_space))
        return replace(layout.mapping, metric=info.metric, dimension=info.dimension)

    def drop(self, name: str, layout: Layout) -> None:
        native = self._native(name)
        # the lists of records that are not deleted first stay behind for records of later collections
        with guarded():
            ids = (native.get(include=[]))["ids"]
            for part in batches(ids, _IDS_AT_ONCE):
                native.delete(ids=part)
            self._client.delete_collection(name)

    def names(self) -> list[str]:
        return names(self._client, own=False)

    def propose(self, name: str, layout: str | None) -> RecordMapping:
        native = self._native(name)
        return proposal(layout, _first(native, ["documents", "metadatas"]))

    def open(self, name: str, mapping: RecordMapping) -> ChromaForeignCollection:
        native = self._native(name)
        first = _first(native, ["embeddings"])
        seen = _metric(native, first)
        kept = native.get_model().dimension  # of a collection that had records once, too
        full, info = complete(name, mapping, dict(native.configuration), native.metadata, first, seen, kept)
        return ChromaForeignCollection(native, full, info, self._capabilities, self._lock)

    def _native(self, name: str) -> Collection:
        check_name(name)
        with guarded():
            native = self._client.get_collection(name, embedding_function=None)
        if created_here(native.metadata):
            raise Mismatch.created_here(name)
        return native


def _first(native: Collection, include: list[Any]) -> Rows:
    with guarded():
        return to_rows(native.get(limit=1, include=include))


def _metric(native: Collection, first: Rows) -> Metric | None:
    """Return the metric that the engine follows, whatever the collection says of itself."""
    vector = next(iter(first.vectors or ()), None)
    if vector is None:
        return None
    query = probe(vector)
    with guarded():
        found = native.query(query_embeddings=query[None], n_results=1, include=["embeddings", "distances"])
    return metric_seen(query, dict(found))


class ChromaForeignCollection:
    """Implements ``ForeignCollection`` and ``ForeignWriter``."""

    def __init__(
        self,
        native: Collection,
        mapping: RecordMapping,
        info: CollectionInfo,
        capabilities: Capabilities,
        lock: Lock,
    ) -> None:
        self._native = native
        self._mapping = mapping
        self._info = info
        self._lock = lock
        self._rows = capabilities.limits.max_batch_rows
        self._bytes = capabilities.limits.max_batch_bytes if capabilities.mode == "server" else None

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def mapping(self) -> RecordMapping:
        return self._mapping

    @property
    def native(self) -> Collection:
        return self._native

    def count(self) -> int:
        with guarded():
            return self._native.count()

    def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        rows = Rows(vectors=[] if include.vectors else None)
        wanted: list[Any] = columns(self._mapping, include)
        for part in batches([str(key) for key in keys], _IDS_AT_ONCE):
            with guarded():
                rows.extend(to_rows(self._native.get(ids=part, include=wanted)))
        return rows

    def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> Iterator[tuple[Rows, str]]:
        # Chroma's offset paging repeats and loses rows while others write: the ids first, then by id
        with guarded():
            found = self._native.get(where=None if where is None else narrowed(where, self._mapping), include=[])

        def read(ids: list[str]) -> Rows:
            return (self.fetch(ids, include)).in_order_of(ids)

        for rows, last in scan_by_ids(found["ids"], size, after, read):
            yield rows, last

    def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        wanted: list[Any] = columns(self._mapping, include)
        with guarded():
            found: dict[str, Any] = dict(
                self._native.query(query_embeddings=vector[None], n_results=k, include=[*wanted, "distances"])
            )
        if indistinct(self._info.metric, vector, np.asarray(found["distances"][0], dtype=np.float64)):
            return None
        return to_rows({name: found[name][0] for name in ("ids", *wanted)})

    @property
    def read_only(self) -> str:
        return replaced_whole(self._mapping, self._info.omitted)

    def put(self, rows: Rows) -> None:
        # Chroma's upsert keeps the old document and merges the metadata: what is there goes first
        columns = to_columns(rows)
        with self._lock:
            self._remove(columns.ids)
            write_parts(((part.ids, part) for part in requests(columns, self._rows, self._bytes)), self._send)

    def _send(self, part: Columns) -> None:
        with guarded():
            self._native.add(**part.arguments())

    def remove(self, keys: Sequence[Key]) -> None:
        with self._lock:
            self._remove([str(key) for key in keys])

    def _remove(self, ids: list[str]) -> None:
        for part in batches(ids, _IDS_AT_ONCE):
            with guarded():
                self._native.delete(ids=part)
