"""One collection of Chroma: writes, and reads by id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from chromadb.api.models.AsyncCollection import AsyncCollection

from vstore.capabilities import Capabilities
from vstore.columns import Column, VectorArray, dense
from vstore.errors import AlreadyExists, NotFound
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.records import Include, Metadata, Records
from vstore.spi._async.batching import scan_by_ids, write_parts
from vstore.spi.batching import batches
from vstore.spi.latest import Latest
from vstore_chroma._async._run import Lock
from vstore_chroma._async.reading import AsyncReader
from vstore_chroma._async.searching import AsyncSearcher
from vstore_chroma.codec import NO_DOCUMENT, encode_changes, encode_metadata, replacing
from vstore_chroma.compile import Question, question
from vstore_chroma.errors import guarded
from vstore_chroma.fields import packed, placeholders, with_fields, without_fields
from vstore_chroma.requests import Columns, requests, spread

__all__ = ["AsyncChromaCollection"]

_Call: TypeAlias = Callable[..., Awaitable[Any]]


class AsyncChromaCollection:
    """Implements ``AsyncCollectionAdapter``.

    Every write holds the store's lock, since Chroma's own calls are not what the contract promises: add
    ignores ids that exist, upsert merges, update ignores ids that are missing. Each needs a read first.
    """

    def __init__(
        self, native: AsyncCollection, info: CollectionInfo, capabilities: Capabilities, lock: Lock, *, marked: bool
    ) -> None:
        self._native = native
        self._info = info
        self._lock = lock
        self._marked = marked
        self._question = Latest[Filter | None, Question](partial(question, marked=marked))
        self._rows = capabilities.limits.max_batch_rows
        self._bytes = capabilities.limits.max_batch_bytes if capabilities.mode == "server" else None
        self._read = AsyncReader(native, info, self._rows)
        self._search = AsyncSearcher(native, info, self._read)

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def native(self) -> AsyncCollection:
        return self._native

    async def add(self, records: Records) -> None:
        columns = self._columns(records)
        async with self._lock:
            if taken := await self._read.present(records.ids):
                raise AlreadyExists.of_records([i for i in records.ids if i in taken])
            await self._write(self._native.add, self._upsert_rows, columns)

    async def upsert(self, records: Records) -> None:
        columns = self._columns(records)
        async with self._lock:
            old = await self._read.stored_metadata(records.ids)
            if old:
                columns = _replacing(columns, old)
            await self._write(self._native.upsert, self._upsert_rows, columns)

    async def update(self, records: Records, *, replace_metadata: bool) -> None:
        ids, vectors, documents = records.ids, records.vectors, records.documents
        async with self._lock:
            merging = records.metadatas is None or not replace_metadata
            old = dict.fromkeys(await self._read.present(ids)) if merging else await self._read.stored_metadata(ids)
            if missing := [i for i in ids if i not in old]:
                raise NotFound.of_records(missing)
            if documents is not None:
                documents = [NO_DOCUMENT if text is None else text for text in documents]
                if vectors is None:
                    # without a vector Chroma would embed the documents, with a model from the network
                    vectors = await self._vectors(ids)
            metadatas: list[Metadata] | None = None
            if records.metadatas is not None:
                metadatas = (
                    [encode_changes(m, marked=self._marked) for m in records.metadatas]
                    if merging
                    else [
                        replacing(without_fields(old[i]), encode_metadata(m, marked=self._marked))
                        for i, m in zip(ids, records.metadatas, strict=True)
                    ]
                )
            metadatas = with_fields(metadatas, packed(records, self._info, removing=True))
            columns = Columns(ids, vectors, list(documents) if documents is not None else None, metadatas)
            await self._write(self._native.update, self._update_rows, columns)

    async def _vectors(self, ids: list[str]) -> VectorArray | None:
        """Return what Chroma has as the vectors of records that exist."""
        if not self._info.dimension:
            return placeholders(len(ids))
        return (await self._read.by_ids(ids, Include(vectors=True))).ordered(ids).vectors

    async def get(self, ids: Sequence[str], include: Include) -> Records:
        return (await self._read.by_ids(ids, include)).ordered(ids)

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
        asked = self._question(where)
        if exact or field:
            return await self._search.exact(vectors, k, asked, include, field)
        return await self._search.approximate(dense(vectors), k, asked, include)

    async def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        # Chroma's offset paging repeats and loses rows while others write: the ids first, then by id
        asked = self._question(where)

        async def read(ids: list[str]) -> Records:
            return (await self._read.matching(ids, include, asked)).ordered(ids)

        async for page, last in scan_by_ids(await self._read.ids(asked), batch_size, after, read):
            yield page, last

    async def delete_ids(self, ids: Sequence[str]) -> None:
        async with self._lock:
            await self._delete(list(ids))

    async def delete_where(self, where: Filter) -> None:
        asked = self._question(where)
        async with self._lock:
            await self._delete(await self._read.ids(asked))

    async def clear(self) -> None:
        async with self._lock:
            await self._delete(await self._read.ids())

    async def count(self, where: Filter | None) -> int:
        return await self._read.count(self._question(where))

    async def rename(self, name: str) -> None:
        async with self._lock:
            with guarded():
                await self._native.modify(name=name)
            self._info = replace(self._info, name=name)

    def _columns(self, records: Records) -> Columns:
        metadatas = (
            None if records.metadatas is None else [encode_metadata(m, marked=self._marked) for m in records.metadatas]
        )
        return Columns(
            records.ids,
            records.vectors if self._info.dimension else placeholders(len(records)),
            records.documents,
            with_fields(metadatas, packed(records, self._info)),
        )

    async def _write(self, call: _Call, call_repeated: _Call, columns: Columns) -> None:
        """Sends columns in parts that Chroma takes, with the second call where records stand on several rows."""
        rows = spread(columns)
        if rows.repeated:
            call = call_repeated

        async def send(arguments: dict[str, Any]) -> None:
            with guarded():
                await call(**arguments)

        parts = ((dict.fromkeys(p.ids), p.arguments()) for p in requests(rows, self._rows, self._bytes))
        await write_parts(((ids, arguments) for ids, arguments in parts if len(arguments) > 1), send)

    # the collection's own methods refuse an id that stands on several rows; what they call does not

    async def _upsert_rows(self, **columns: Any) -> None:
        await self._native._client._upsert(**self._for_client(columns))

    async def _update_rows(self, **columns: Any) -> None:
        await self._native._client._update(**self._for_client(columns))

    def _for_client(self, columns: dict[str, Any]) -> dict[str, Any]:
        native = self._native
        if "embeddings" in columns:
            columns["embeddings"] = list(columns["embeddings"])  # of an array it asks whether it is true
        return {**columns, "collection_id": native.id, "tenant": native.tenant, "database": native.database}

    async def _delete(self, ids: list[str]) -> None:
        async def send(part: list[str]) -> None:
            with guarded():
                await self._native.delete(ids=part)

        await write_parts(((part, part) for part in batches(ids, self._rows)), send)


def _replacing(columns: Columns, old: dict[str, Metadata | None]) -> Columns:
    """Return the same columns, each row of which leaves nothing of the record it replaces."""
    ids = columns.ids
    documents = columns.documents or [None] * len(ids)
    metadatas = columns.metadatas or [{}] * len(ids)
    return replace(
        columns,
        documents=[NO_DOCUMENT if d is None and i in old else d for i, d in zip(ids, documents, strict=True)],
        metadatas=[replacing(old.get(i), m or {}) for i, m in zip(ids, metadatas, strict=True)],
    )
