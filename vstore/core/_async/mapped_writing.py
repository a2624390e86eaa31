"""Writes to a collection of a layout that is not vstore's own, through its mapping.

An adapter puts whole rows and removes rows by key. What the contract promises besides is made of reads before: add
looks for the ids first, update merges into what it has read, and a filter is evaluated on the records.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from vstore.columns import Column
from vstore.core._async.mapped import AsyncMappedCollection
from vstore.errors import AlreadyExists, NotFound, Unsupported
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.mapping import IdType
from vstore.records import Include, Metadata, Records
from vstore.spi._async._run import run_blocking
from vstore.spi._async.protocol import AsyncForeignWriter
from vstore.spi.foreign import foreign_key
from vstore.spi.layouts import Layout, written_rows

__all__ = ["AsyncMappedWriter"]

_PAGE: Final = 1000
_EVERYTHING: Final = Include(vectors=True, documents=True, metadatas=True)


class AsyncMappedWriter:
    """Implements ``AsyncCollectionAdapter``.

    Args:
        reader: Reads the collection.
        writer: Writes its rows.
        layout: What a row has besides what the mapping reads; None for nothing.
    """

    def __init__(self, reader: AsyncMappedCollection, writer: AsyncForeignWriter, layout: Layout | None) -> None:
        self._reader = reader
        self._writer = writer
        self._layout = layout

    @property
    def info(self) -> CollectionInfo:
        """What the collection is."""
        return self._reader.info

    @property
    def native(self) -> object:
        """The client's own handle."""
        return self._reader.native

    async def add(self, records: Records) -> None:
        """Inserts; ``AlreadyExists`` if any id is there, as a read before tells."""
        rows = await run_blocking(written_rows, self._reader.mapping, self._layout, records)
        if taken := (await self._reader.get(records.ids, Include())).ids:
            raise AlreadyExists.of_records(taken)
        await self._writer.put(rows)

    async def upsert(self, records: Records) -> None:
        """Inserts or replaces whole records."""
        await self._writer.put(await run_blocking(written_rows, self._reader.mapping, self._layout, records))

    async def update(self, records: Records, *, replace_metadata: bool) -> None:
        """Reads the records, changes them and writes them whole."""
        old = await self._reader.get(records.ids, _EVERYTHING)
        if missing := sorted(set(records.ids) - set(old.ids)):
            raise NotFound.of_records(missing)
        changed = replace(old, ids=records.ids)
        if records.vectors is not None:
            changed = replace(changed, vectors=records.vectors)
        if records.documents is not None:
            changed = replace(changed, documents=records.documents)
        if records.metadatas is not None:
            before: list[Metadata] = [{} for _ in records.ids] if replace_metadata else old.metadatas or []
            merged = [_merged(*pair) for pair in zip(before, records.metadatas, strict=True)]
            changed = replace(changed, metadatas=merged)
        await self.upsert(changed)

    async def delete_ids(self, ids: Sequence[str]) -> None:
        """Deletes the records that are there."""
        kind = self._reader.mapping.id_type or IdType.TEXT
        await self._writer.remove([key for key in (foreign_key(one, kind) for one in ids) if key is not None])

    async def delete_where(self, where: Filter) -> None:
        """Deletes the records that match, of which all are read."""
        await self._delete(where)

    async def clear(self) -> None:
        """Deletes all records."""
        await self._delete(None)

    async def _delete(self, where: Filter | None) -> None:
        ids: list[str] = []
        async for page, _ in self._reader.scan(where, _PAGE, None, Include()):
            ids += page.ids
        if ids:
            await self.delete_ids(ids)

    async def rename(self, name: str) -> None:
        """Not done: an application knows its collection by name."""
        raise Unsupported(
            "rename is for collections that vstore created", hint="Rename it with the database's own means."
        )

    async def get(self, ids: Sequence[str], include: Include) -> Records:
        """See ``AsyncMappedCollection``."""
        return await self._reader.get(ids, include)

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
        """See ``AsyncMappedCollection``."""
        return await self._reader.query(vectors, k, where, include, exact=exact, search=search, field=field)

    async def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        """See ``AsyncMappedCollection``."""
        async for page in self._reader.scan(where, batch_size, after, include):
            yield page

    async def count(self, where: Filter | None) -> int:
        """See ``AsyncMappedCollection``."""
        return await self._reader.count(where)


def _merged(old: Metadata, new: Metadata) -> Metadata:
    return {key: value for key, value in {**old, **new}.items() if value is not None}
