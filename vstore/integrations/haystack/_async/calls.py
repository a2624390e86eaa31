"""The calls of Haystack's store on a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

from vstore.core._async.collection import AsyncCollection
from vstore.errors import AlreadyExists, InvalidInput
from vstore.filters.tree import Exists, Not
from vstore.indexing import Metric
from vstore.integrations.door import AsyncDoor
from vstore.integrations.haystack.documents import (
    check_documents,
    columns,
    dimension_of,
    distinct,
    document_from_record,
    metadata_from_document,
    vectors_from_documents,
)
from vstore.integrations.haystack.filters import EVERYTHING, translate
from vstore.integrations.haystack.places import BLANK
from vstore.integrations.terms import all_of

__all__ = ["AsyncCalls"]


class AsyncCalls:
    """What ``VStoreDocumentStore`` promises, on the collection behind a door."""

    def __init__(self, door: AsyncDoor) -> None:
        self._door = door

    async def count(self, filters: dict[str, Any] | None) -> int:
        """Return the number of documents, or of those that match."""
        condition = translate(filters) if filters else EVERYTHING
        collection = await self._door.existing()
        return 0 if collection is None else await collection.count(condition.on(collection.info))

    async def read(self, filters: dict[str, Any] | None, *, embedding: bool) -> list[Document]:
        """Return the documents that match, or all."""
        condition = translate(filters) if filters else EVERYTHING
        collection = await self._door.existing()
        if collection is None:
            return []
        where = condition.on(collection.info)
        include = columns(embedding=embedding)
        documents: list[Document] = []
        async for page in collection.scan(where=where, include=include):
            documents += [document_from_record(record, embedding=embedding) for record in page]
        return documents

    async def write(self, documents: list[Document], policy: DuplicatePolicy) -> int:
        """Writes documents and returns how many."""
        check_documents(documents)
        chosen = distinct(documents, policy)
        if not chosen:
            return 0
        metadatas = {document.id: metadata_from_document(document) for document in chosen}
        collection = await self._door.existing()
        if collection is None:
            collection = await self._door.ready(dimension_of(chosen, self._door.target.dimension))
        if policy is DuplicatePolicy.OVERWRITE:
            await _send(collection, chosen, metadatas, replace=True)
            return len(documents)
        while chosen:
            try:
                await _send(collection, chosen, metadatas, replace=False)
                break
            except AlreadyExists as error:
                there = set(error.ids)
                if policy is not DuplicatePolicy.SKIP or not there:
                    raise DuplicateDocumentError(str(error)) from error
                chosen = [document for document in chosen if document.id not in there]
        return len(chosen)

    async def delete(self, document_ids: Sequence[str]) -> None:
        """Deletes documents by id."""
        collection = await self._door.existing()
        if collection is not None:
            await collection.delete(document_ids)

    async def delete_all(self, *, recreate: bool) -> None:
        """Deletes all documents; with ``recreate`` the collection too, and makes it anew."""
        collection = await self._door.existing()
        if collection is None:
            return
        if not recreate:
            await collection.clear()
            return
        info, target = collection.info, self._door.target
        if info.metric != (target.metric or Metric.COSINE):
            raise InvalidInput(f"made anew it would not have the metric {info.metric}", hint="Pass metric=.")
        await self._door.drop()
        await self._door.ready(info.dimension)

    async def delete_matching(self, filters: dict[str, Any]) -> int:
        """Deletes the documents that match and returns how many."""
        condition = translate(filters)
        collection = await self._door.existing()
        if collection is None:
            return 0
        where = condition.on(collection.info)
        ids: list[str] = []
        async for page in collection.scan(where=where, include=()):
            ids += page.ids
        await collection.delete(ids)
        return len(ids)

    async def update_matching(self, filters: dict[str, Any], meta: Mapping[str, Any]) -> int:
        """Merges ``meta`` into those of the documents that match and returns how many they are."""
        condition = translate(filters)
        collection = await self._door.existing()
        if collection is None:
            return 0
        where, updated = condition.on(collection.info), 0
        async for page in collection.scan(where=where, include=("documents", "metadatas")):
            metadatas = []
            for record in page:
                document = document_from_record(record, embedding=False)
                document.meta.update(meta)
                changed = metadata_from_document(document)
                if BLANK not in (record.metadata or {}):
                    del changed[BLANK]  # its embedding was not read
                metadatas.append(changed)
            await collection.update(page.ids, metadatas=metadatas, replace_metadata=True)
            updated += len(page)
        return updated

    async def nearest(
        self, embedding: Sequence[float], filters: dict[str, Any] | None, top_k: int, *, embeddings: bool, exact: bool
    ) -> list[Document]:
        """Return the documents nearest to an embedding, of those that match and have one."""
        condition = translate(filters) if filters else EVERYTHING
        collection = await self._door.existing()
        if collection is None:
            return []
        where = condition.on(collection.info)
        include = columns(embedding=embeddings)
        hits = await collection.query(vector=embedding, k=top_k, where=where, include=include, exact=exact)
        if any(BLANK in metadata for metadata in hits.metadatas or ()):
            # only where one is among the nearest: the condition costs each query some time
            embedded = Not(Exists((BLANK,)))
            where = embedded if where is None else all_of([where, embedded])
            hits = await collection.query(vector=embedding, k=top_k, where=where, include=include, exact=exact)
        scored = zip(hits.records, hits.scores.tolist(), strict=True)
        return [document_from_record(record, embedding=embeddings, score=score) for record, score in scored]


async def _send(
    collection: AsyncCollection, documents: list[Document], metadatas: Mapping[str, Any], *, replace: bool
) -> None:
    ids = [document.id for document in documents]
    call = collection.upsert if replace else collection.add
    await call(
        ids,
        vectors_from_documents(documents, collection.info.dimension),
        [document.content for document in documents],
        [metadatas[record_id] for record_id in ids],
    )
