"""The floor under vstore's async Chroma: what ``ExactChroma`` promises of queries, by chromadb's async client."""

from __future__ import annotations

from asyncio import Semaphore, timeout
from typing import Any

import chromadb
import numpy as np
from raw_chroma import EXACT_YEARS, TEXTUAL, checked, compared, is_lost, ordered, stored

from vstore import Records

__all__ = ["AsyncExactChroma"]

PATIENCE = 30.0
AT_ONCE = 16


class AsyncExactChroma:
    """The queries of ``ExactChroma``, on a server. A request waits no longer than ``PATIENCE`` (ERR-3).

    ``AT_ONCE`` requests are under way at once: the pool of httpx takes longer the more connections are idle.
    """

    def __init__(self, host: str, port: int, dimension: int) -> None:
        self._address = {"host": host, "port": port}
        self._dimension = dimension
        self._turns = Semaphore(AT_ONCE)

    async def create(self, name: str, m: int = 16, ef: int = 100) -> None:
        client = await chromadb.AsyncHttpClient(**self._address)
        client._server._clients = {}  # chromadb would share one with other clients, and the pool that they have filled
        self._collection: Any = await client.create_collection(
            name,
            embedding_function=None,
            configuration={"hnsw": {"space": "l2", "max_neighbors": m, "ef_construction": ef, "ef_search": ef}},
        )

    async def ingest(self, records: Records) -> None:
        """Adds records of a new collection, in batches."""
        kept = [stored(metadata) for metadata in records.metadatas or ()]
        vectors = checked(records.vectors, 2, self._dimension)
        for start in range(0, len(records), 2_000):
            part = slice(start, start + 2_000)
            await self._collection.add(records.ids[part], vectors[part], kept[part], records[part].documents)

    async def query(self, vector: np.ndarray, k: int) -> Any:
        return await self._nearest(vector, k, None)

    async def query_filtered(self, vector: np.ndarray, k: int) -> Any:
        return await self._nearest(vector, k, EXACT_YEARS)

    async def _nearest(self, vector: np.ndarray, k: int, where: Any) -> Any:
        vector = checked(vector, 1, self._dimension)
        wanted = [*TEXTUAL, "distances"]
        asked = {"query_embeddings": vector[None], "n_results": k, "where": where, "include": wanted}
        found = await self._sent(self._collection.query, **asked)
        ids, squares = found["ids"][0], np.asarray(found["distances"][0], dtype=np.float64)
        few = len(ids) < k and len(ids) < len((await self._sent(self._collection.get, where=where, include=[]))["ids"])
        if few or is_lost(squares, vector):
            everything = ["embeddings", *TEXTUAL]
            return compared(vector, k, await self._sent(self._collection.get, where=where, include=everything))
        return ordered(ids, np.sqrt(squares), found["documents"][0], found["metadatas"][0])

    async def _sent(self, request: Any, **asked: Any) -> Any:
        async with timeout(PATIENCE), self._turns:
            return await request(**asked)
