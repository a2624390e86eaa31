"""The floor under vstore's async Milvus: what ``ExactMilvus`` promises of queries, by pymilvus's async client."""

from __future__ import annotations

import json
from asyncio import Condition
from typing import Any, Self

import numpy as np
from pymilvus import AsyncMilvusClient
from raw_milvus import YEARS, ExactMilvus, Hit

__all__ = ["AsyncExactMilvus"]


class AsyncExactMilvus:
    """The queries of ``ExactMilvus`` with an index.

    Attributes:
        floor: Makes and fills the collection, and computes what needs no server.
    """

    def __init__(self, uri: str, dimension: int) -> None:
        self.floor = ExactMilvus(uri, dimension, hnsw=True)
        self._uri = uri
        self._turns = Condition()
        self._readers = 0

    async def __aenter__(self) -> Self:
        self._client = AsyncMilvusClient(self._uri)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        self.floor.close()

    async def create(self, name: str) -> None:
        self._name = name
        self.floor.create(name)

    async def query(self, vector: np.ndarray, k: int) -> list[Hit]:
        return await self._search(vector, k, "")

    async def query_filtered(self, vector: np.ndarray, k: int) -> list[Hit]:
        return await self._search(vector, k, YEARS)

    async def _search(self, vector: np.ndarray, k: int, where: str) -> list[Hit]:
        floor = self.floor
        vector = floor.checked(vector)
        (found,) = await self._read(self._client.search, **floor.asked(vector, k, where))
        hits = list(found)
        if len(hits) < k and len(hits) < await self._count(where):
            return floor.nearest(vector, k, await self._read(self._client.query, **floor.whole(where)))
        ids, distances, unsure = floor.judged(hits)
        if unsure:
            again = f"id in {json.dumps([ids[place] for place in unsure])}"
            rows = await self._read(self._client.query, filter=again, output_fields=["id", "vector"])
            floor.correct(vector, ids, distances, rows)
        return floor.ordered(hits, ids, distances)

    async def _count(self, where: str) -> int:
        (row,) = await self._read(self._client.query, filter=where, output_fields=["count(*)"])
        return int(row["count(*)"])

    async def _read(self, method: Any, **asked: Any) -> Any:
        """Makes a request that no write of this client stands beside."""
        async with self._turns:
            self._readers += 1
        try:
            return await method(self._name, partition_names=[self.floor.partition], **asked, **self.floor.COMMON)
        finally:
            async with self._turns:
                self._readers -= 1
                self._turns.notify_all()
