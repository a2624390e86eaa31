"""What the LangChain store asks of its collection, call by call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from numpy.typing import ArrayLike

from vstore.embedding import Embedder
from vstore.errors import InvalidInput
from vstore.fields import UNNAMED, only_sparse
from vstore.filters import Filter
from vstore.integrations.door import AsyncDoor
from vstore.integrations.langchain._async._run import embed_documents, embed_query
from vstore.integrations.langchain.documents import (
    Batch,
    Found,
    Question,
    Scored,
    dimension_of,
    diverse,
    documents,
    relevant,
    scored,
)
from vstore.integrations.langchain.filters import as_filter, check_patterns
from vstore.integrations.metadata import pack_all
from vstore.records import IncludeName

__all__ = ["AsyncSteps"]


class AsyncSteps:
    """The calls of one store; a collection that is not there yet is empty."""

    def __init__(self, door: AsyncDoor, embedding: Embeddings | Embedder | None) -> None:
        self._door = door
        self._embedding = embedding

    async def add(self, batch: Batch, size: int | None) -> list[str]:
        """Writes records, replacing those of the same ids, and returns the ids."""
        for part in batch.parts(size):
            vectors = await embed_documents(self._needed(), part.texts)
            collection = await self._door.ready(dimension_of(vectors, part))
            nested = bool(collection.capabilities.nested_metadata)
            await collection.upsert(part.ids, vectors, part.texts, pack_all(part.metadatas, nested=nested))
        return batch.ids

    async def get(self, ids: Sequence[str]) -> list[Document]:
        """Returns the documents that are there, in the order asked."""
        collection = await self._door.existing()
        if collection is None:
            return []
        return documents(await collection.get(ids, include=["documents", "metadatas"]))

    async def delete(self, ids: Sequence[str] | None, where: Filter | Mapping[str, Any] | None) -> bool:
        """Deletes by ids or by a filter."""
        condition = as_filter(where)
        if (ids is None) == (condition is None):
            raise InvalidInput("delete takes ids= or filter=, one of them", hint="delete_collection() deletes all.")
        collection = await self._door.existing()
        if collection is not None:
            check_patterns(where, collection.capabilities)
            await collection.delete(ids, where=condition)
        return True

    async def nearest(self, query: str | ArrayLike, asked: Question) -> Scored:
        """Returns the nearest documents with their distances."""
        found = await self._found(query, asked, ["documents", "metadatas"])
        return [] if found is None else scored(found.hits)

    async def relevant(self, query: str, asked: Question, relevance: Callable[[float], float] | None) -> Scored:
        """Returns the nearest documents with their relevances."""
        if asked.fuse is not None:
            raise InvalidInput("a fused score is no relevance", hint="Ask similarity_search_with_score.")
        found = await self._found(query, asked, ["documents", "metadatas"])
        return [] if found is None else relevant(found.hits, found.metric, relevance)

    async def diverse(self, query: str | ArrayLike, asked: Question, k: int, lambda_mult: float) -> Scored:
        """Returns ``k`` of the nearest documents, chosen by maximal marginal relevance, with their distances."""
        found = await self._found(query, asked, ["vectors", "documents", "metadatas"])
        return [] if found is None else diverse(found.vector, found.hits, k, lambda_mult)

    async def _found(self, query: str | ArrayLike, asked: Question, include: list[IncludeName]) -> Found | None:
        where = as_filter(asked.filter)
        if asked.fuse is not None and not isinstance(query, str):
            raise InvalidInput("fuse= asks by words too, and a vector has none", hint="Search by a text.")
        embedding = self._needed() if isinstance(query, str) else None
        collection = await self._door.existing()
        if collection is None:
            return None
        check_patterns(asked.filter, collection.capabilities)
        vector = await embed_query(embedding, query) if embedding is not None and isinstance(query, str) else query
        hits = await collection.query(
            vector if asked.fuse is None else {UNNAMED: vector, only_sparse(collection.info.fields): query},
            k=asked.k,
            where=where,
            include=include,
            exact=asked.exact,
            search=asked.search,
            fuse=asked.fuse,
        )
        return Found(vector, hits, collection.info.metric)

    def _needed(self) -> Embeddings | Embedder:
        if self._embedding is None:
            raise InvalidInput(
                "a text needs an embedding, and the store has none",
                hint="Pass embedding=, or a collection that was opened with embedder=.",
            )
        return self._embedding
