"""One partition of a collection: a handle that neither reads nor writes any other (TEN-2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Final

from vstore.columns import Column
from vstore.core.partitions import within
from vstore.errors import AlreadyExists, NotFound
from vstore.fields import Dense
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore.spi._async.protocol import AsyncCollectionAdapter

__all__ = ["AsyncPartitionAdapter"]

_NOTHING: Final = Include()


class AsyncPartitionAdapter:
    """Implements ``AsyncCollectionAdapter`` for one partition, over that of the collection.

    Every filter is joined with the partition's own. Ids are looked up before they are written or deleted, in one step
    against all other writes through partitions of the same store.
    """

    def __init__(
        self,
        inner: AsyncCollectionAdapter,
        partition: str,
        lock: AbstractAsyncContextManager[Any],
        exact_up_to: int,
    ) -> None:
        self._inner = inner
        self._key = inner.info.partition_by or ""
        self._partition = partition
        self._lock = lock
        self._exact_up_to = exact_up_to

    @property
    def info(self) -> CollectionInfo:
        return self._inner.info

    @property
    def native(self) -> object:
        return self._inner.native

    async def get(self, ids: Sequence[str], include: Include) -> Records:
        records = await self._inner.get(ids, replace(include, metadatas=True))
        return records.take(self._own(records)).only(include)

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
        condition = self._within(where)
        if not exact and self._exact_up_to and isinstance(self.info.field(field), Dense):
            # an index of the whole collection may miss most of a small part of it
            exact = await self._inner.count(self._within(None)) <= self._exact_up_to
            search = None if exact else search
        return await self._inner.query(vectors, k, condition, include, exact=exact, search=search, field=field)

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        return self._inner.scan(self._within(where), batch_size, after, include)

    async def count(self, where: Filter | None) -> int:
        return await self._inner.count(self._within(where))

    async def add(self, records: Records) -> None:
        async with self._lock:
            await self._inner.add(records)

    async def upsert(self, records: Records) -> None:
        async with self._lock:
            found = await self._inner.get(records.ids, Include(metadatas=True))
            own = set(found.take(self._own(found)).ids)
            if taken := [record_id for record_id in found.ids if record_id not in own]:
                raise AlreadyExists(
                    "records outside this partition have these ids, which are unique in the collection",
                    ids=taken,
                    hint="Choose other ids.",
                )
            await self._inner.upsert(records)

    async def update(self, records: Records, *, replace_metadata: bool) -> None:
        async with self._lock:
            own = set((await self.get(records.ids, _NOTHING)).ids)
            if missing := [record_id for record_id in records.ids if record_id not in own]:
                raise NotFound.of_records(missing)
            await self._inner.update(records, replace_metadata=replace_metadata)

    async def delete_ids(self, ids: Sequence[str]) -> None:
        async with self._lock:
            if own := (await self.get(ids, _NOTHING)).ids:
                await self._inner.delete_ids(own)

    async def delete_where(self, where: Filter) -> None:
        await self._inner.delete_where(self._within(where))

    async def clear(self) -> None:
        await self._inner.delete_where(self._within(None))

    async def rename(self, name: str) -> None:
        raise AssertionError("a handle of a partition refuses it")

    def _within(self, where: Filter | None) -> Filter:
        return within(where, self._key, self._partition)

    def _own(self, records: Records) -> list[int]:
        metadatas = records.metadatas or []
        return [place for place, metadata in enumerate(metadatas) if metadata.get(self._key) == self._partition]
