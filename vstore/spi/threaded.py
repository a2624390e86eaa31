"""An async adapter over a sync one, each call in a worker thread: for clients that have no async form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from vstore.capabilities import Capabilities
from vstore.columns import Column, VectorArray
from vstore.errors import VStoreError
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Index, Metric, Search
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.records import Include, Records
from vstore.spi._async._run import acquire
from vstore.spi.foreign import Key, Rows
from vstore.spi.layouts import Layout
from vstore.spi.protocol import (
    Adapter,
    CollectionAdapter,
    ForeignCollection,
    ForeignDescribing,
    ForeignLayouts,
    ForeignStore,
    ForeignWriter,
    Indexing,
)
from vstore.wording import NOT_WRITTEN

__all__ = ["ThreadedAdapter", "ThreadedCollection"]


class ThreadedAdapter:
    """Implements ``AsyncAdapter`` by calling a sync adapter in worker threads.

    A call that is cancelled goes on in its thread to its end: a write may still happen.
    """

    def __init__(self, inner: Adapter) -> None:
        self._inner = inner

    @classmethod
    async def connect(cls, connect: Callable[[], Adapter]) -> ThreadedAdapter:
        """Calls ``connect`` in a worker thread and wraps the sync adapter that it returns.

        A caller that is cancelled meanwhile loses nothing: the adapter is closed when it is there.
        """
        return cls(await acquire(connect, lambda adapter: adapter.close()))

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    @property
    def native(self) -> object:
        return self._inner.native

    @property
    def secrets(self) -> Sequence[str]:
        return self._inner.secrets

    @property
    def foreign(self) -> _ThreadedForeign | None:
        inner = self._inner.foreign
        return None if inner is None else _ThreadedForeign(inner)

    def translate(self, error: Exception) -> VStoreError:
        return self._inner.translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return self._inner.default_index(dimension, metric)

    async def create(self, info: CollectionInfo) -> ThreadedCollection:
        return ThreadedCollection(await asyncio.to_thread(self._inner.create, info))

    async def open(self, name: str) -> ThreadedCollection:
        return ThreadedCollection(await asyncio.to_thread(self._inner.open, name))

    async def names(self) -> list[str]:
        return await asyncio.to_thread(self._inner.names)

    async def drop(self, name: str) -> None:
        await asyncio.to_thread(self._inner.drop, name)

    async def ping(self) -> None:
        await asyncio.to_thread(self._inner.ping)

    async def close(self) -> None:
        await asyncio.to_thread(self._inner.close)


class ThreadedCollection:
    """Implements ``AsyncCollectionAdapter`` likewise."""

    def __init__(self, inner: CollectionAdapter) -> None:
        self._inner = inner

    @property
    def info(self) -> CollectionInfo:
        return self._inner.info

    @property
    def native(self) -> object:
        return self._inner.native

    async def add(self, records: Records) -> None:
        await asyncio.to_thread(self._inner.add, records)

    async def upsert(self, records: Records) -> None:
        await asyncio.to_thread(self._inner.upsert, records)

    async def update(self, records: Records, *, replace_metadata: bool) -> None:
        await asyncio.to_thread(self._inner.update, records, replace_metadata=replace_metadata)

    async def get(self, ids: Sequence[str], include: Include) -> Records:
        return await asyncio.to_thread(self._inner.get, ids, include)

    async def query(
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
        return await asyncio.to_thread(
            self._inner.query, vectors, k, where, include, exact=exact, search=search, field=field
        )

    async def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        pages = self._inner.scan(where, batch_size, after, include)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield page

    async def delete_ids(self, ids: Sequence[str]) -> None:
        await asyncio.to_thread(self._inner.delete_ids, ids)

    async def delete_where(self, where: Filter) -> None:
        await asyncio.to_thread(self._inner.delete_where, where)

    async def clear(self) -> None:
        await asyncio.to_thread(self._inner.clear)

    async def count(self, where: Filter | None) -> int:
        return await asyncio.to_thread(self._inner.count, where)

    async def rename(self, name: str) -> None:
        await asyncio.to_thread(self._inner.rename, name)

    async def defer_index(self) -> None:
        if isinstance(self._inner, Indexing):
            await asyncio.to_thread(self._inner.defer_index)

    async def build_index(self) -> None:
        if isinstance(self._inner, Indexing):
            await asyncio.to_thread(self._inner.build_index)


class _ThreadedForeign:
    """Implements ``AsyncForeignStore`` likewise."""

    def __init__(self, inner: ForeignStore) -> None:
        self._inner = inner

    async def names(self) -> list[str]:
        return await asyncio.to_thread(self._inner.names)

    async def propose(self, name: str, layout: str | None) -> RecordMapping:
        return await asyncio.to_thread(self._inner.propose, name, layout)

    async def open(self, name: str, mapping: RecordMapping) -> _ThreadedForeignCollection:
        return _ThreadedForeignCollection(await asyncio.to_thread(self._inner.open, name, mapping))

    @property
    def layouts(self) -> Mapping[str, Layout]:
        return self._inner.layouts if isinstance(self._inner, ForeignLayouts) else {}

    def described(self, mapping: RecordMapping) -> Layout | None:
        return self._inner.described(mapping) if isinstance(self._inner, ForeignDescribing) else None

    async def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        assert isinstance(self._inner, ForeignLayouts)
        return await asyncio.to_thread(self._inner.create, layout, info)

    async def drop(self, name: str, layout: Layout) -> None:
        assert isinstance(self._inner, ForeignLayouts)
        await asyncio.to_thread(self._inner.drop, name, layout)


class _ThreadedForeignCollection:
    """Implements ``AsyncForeignCollection`` likewise."""

    def __init__(self, inner: ForeignCollection) -> None:
        self._inner = inner

    @property
    def info(self) -> CollectionInfo:
        return self._inner.info

    @property
    def mapping(self) -> RecordMapping:
        return self._inner.mapping

    @property
    def native(self) -> object:
        return self._inner.native

    async def count(self) -> int:
        return await asyncio.to_thread(self._inner.count)

    async def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        return await asyncio.to_thread(self._inner.fetch, keys, include)

    async def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> AsyncIterator[tuple[Rows, str]]:
        pages = self._inner.pages(size, after, include, where)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            yield page

    async def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        return await asyncio.to_thread(self._inner.nearest, vector, k, include)

    @property
    def read_only(self) -> str:
        return self._inner.read_only if isinstance(self._inner, ForeignWriter) else NOT_WRITTEN

    async def put(self, rows: Rows) -> None:
        assert isinstance(self._inner, ForeignWriter)
        await asyncio.to_thread(self._inner.put, rows)

    async def remove(self, keys: Sequence[Key]) -> None:
        assert isinstance(self._inner, ForeignWriter)
        await asyncio.to_thread(self._inner.remove, keys)
