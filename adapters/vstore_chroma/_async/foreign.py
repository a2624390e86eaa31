"""Collections that vstore did not create."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from chromadb.api import AsyncClientAPI
from chromadb.api.models.AsyncCollection import AsyncCollection

from vstore.capabilities import Capabilities
from vstore.errors import Mismatch
from vstore.filters.tree import Filter
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.records import Include, VectorArray
from vstore.spi._async.batching import scan_by_ids, write_parts
from vstore.spi.batching import batches
from vstore.spi.foreign import Key, Rows
from vstore.spi.layouts import Layout, replaced_whole
from vstore_chroma._async._run import Lock
from vstore_chroma.errors import guarded
from vstore_chroma.foreign import columns, complete, metric_seen, probe, proposal, to_columns, to_rows
from vstore_chroma.layouts import LAYOUTS, ChromaLayout
from vstore_chroma.narrowing import narrowed
from vstore_chroma.precision import indistinct
from vstore_chroma.requests import Columns, requests
from vstore_chroma.schema import check_name, created_here, new_foreign

__all__ = ["AsyncChromaForeign", "names"]

_PAGE: Final = 1000
_IDS_AT_ONCE: Final = 5_000


async def names(client: AsyncClientAPI, *, own: bool) -> list[str]:
    """Return the collections that vstore created, or those that it did not, sorted."""
    found: list[str] = []
    start = 0
    while True:
        with guarded():
            page = await client.list_collections(limit=_PAGE, offset=start)
        found += [native.name for native in page if created_here(native.metadata) is own]
        start += len(page)
        if len(page) < _PAGE:
            return sorted(found)


class AsyncChromaForeign:
    """Implements ``AsyncForeignStore``."""

    def __init__(self, client: AsyncClientAPI, capabilities: Capabilities, lock: Lock) -> None:
        self._client = client
        self._capabilities = capabilities
        self._lock = lock

    @property
    def layouts(self) -> Mapping[str, Layout]:
        return LAYOUTS

    async def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        assert isinstance(layout, ChromaLayout)
        check_name(info.name)
        with guarded():
            await self._client.create_collection(**new_foreign(info, old_space=layout.old_space))
        return replace(layout.mapping, metric=info.metric, dimension=info.dimension)

    async def drop(self, name: str, layout: Layout) -> None:
        native = await self._native(name)
        # the lists of records that are not deleted first stay behind for records of later collections
        with guarded():
            ids = (await native.get(include=[]))["ids"]
            for part in batches(ids, _IDS_AT_ONCE):
                await native.delete(ids=part)
            await self._client.delete_collection(name)

    async def names(self) -> list[str]:
        return await names(self._client, own=False)

    async def propose(self, name: str, layout: str | None) -> RecordMapping:
        native = await self._native(name)
        return proposal(layout, await _first(native, ["documents", "metadatas"]))

    async def open(self, name: str, mapping: RecordMapping) -> AsyncChromaForeignCollection:
        native = await self._native(name)
        first = await _first(native, ["embeddings"])
        seen = await _metric(native, first)
        kept = native.get_model().dimension  # of a collection that had records once, too
        full, info = complete(name, mapping, dict(native.configuration), native.metadata, first, seen, kept)
        return AsyncChromaForeignCollection(native, full, info, self._capabilities, self._lock)

    async def _native(self, name: str) -> AsyncCollection:
        check_name(name)
        with guarded():
            native = await self._client.get_collection(name, embedding_function=None)
        if created_here(native.metadata):
            raise Mismatch.created_here(name)
        return native


async def _first(native: AsyncCollection, include: list[Any]) -> Rows:
    with guarded():
        return to_rows(await native.get(limit=1, include=include))


async def _metric(native: AsyncCollection, first: Rows) -> Metric | None:
    """Return the metric that the engine follows, whatever the collection says of itself."""
    vector = next(iter(first.vectors or ()), None)
    if vector is None:
        return None
    query = probe(vector)
    with guarded():
        found = await native.query(query_embeddings=query[None], n_results=1, include=["embeddings", "distances"])
    return metric_seen(query, dict(found))


class AsyncChromaForeignCollection:
    """Implements ``AsyncForeignCollection`` and ``AsyncForeignWriter``."""

    def __init__(
        self,
        native: AsyncCollection,
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
    def native(self) -> AsyncCollection:
        return self._native

    async def count(self) -> int:
        with guarded():
            return await self._native.count()

    async def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        rows = Rows(vectors=[] if include.vectors else None)
        wanted: list[Any] = columns(self._mapping, include)
        for part in batches([str(key) for key in keys], _IDS_AT_ONCE):
            with guarded():
                rows.extend(to_rows(await self._native.get(ids=part, include=wanted)))
        return rows

    async def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> AsyncIterator[tuple[Rows, str]]:
        # Chroma's offset paging repeats and loses rows while others write: the ids first, then by id
        with guarded():
            found = await self._native.get(where=None if where is None else narrowed(where, self._mapping), include=[])

        async def read(ids: list[str]) -> Rows:
            return (await self.fetch(ids, include)).in_order_of(ids)

        async for rows, last in scan_by_ids(found["ids"], size, after, read):
            yield rows, last

    async def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        wanted: list[Any] = columns(self._mapping, include)
        with guarded():
            found: dict[str, Any] = dict(
                await self._native.query(query_embeddings=vector[None], n_results=k, include=[*wanted, "distances"])
            )
        if indistinct(self._info.metric, vector, np.asarray(found["distances"][0], dtype=np.float64)):
            return None
        return to_rows({name: found[name][0] for name in ("ids", *wanted)})

    @property
    def read_only(self) -> str:
        return replaced_whole(self._mapping, self._info.omitted)

    async def put(self, rows: Rows) -> None:
        # Chroma's upsert keeps the old document and merges the metadata: what is there goes first
        columns = to_columns(rows)
        async with self._lock:
            await self._remove(columns.ids)
            await write_parts(((part.ids, part) for part in requests(columns, self._rows, self._bytes)), self._send)

    async def _send(self, part: Columns) -> None:
        with guarded():
            await self._native.add(**part.arguments())

    async def remove(self, keys: Sequence[Key]) -> None:
        async with self._lock:
            await self._remove([str(key) for key in keys])

    async def _remove(self, ids: list[str]) -> None:
        for part in batches(ids, _IDS_AT_ONCE):
            with guarded():
                await self._native.delete(ids=part)
