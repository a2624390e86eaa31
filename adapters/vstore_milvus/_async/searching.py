"""The nearest records to a vector."""

from __future__ import annotations

from typing import Any, Final

from vstore.errors import LimitExceeded, VStoreError
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Flat, Metric, Search
from vstore.records import Include, Records, VectorArray
from vstore.spi._async.searching import scan_top_k, top_up
from vstore.spi.batching import batches
from vstore.spi.scores import distances, ranked
from vstore_milvus._async._run import compute
from vstore_milvus._async.creation import AsyncCreation
from vstore_milvus._async.reading import ANSWER_BYTES, AsyncReader
from vstore_milvus._async.session import AsyncSession
from vstore_milvus.capabilities import MAX_WINDOW
from vstore_milvus.codec import fields, to_records
from vstore_milvus.errors import vanished
from vstore_milvus.precision import decided
from vstore_milvus.schema import searching

__all__ = ["AsyncSearcher"]

_REQUEST_FLOATS: Final = 4_000_000
_VECTORS: Final = Include(vectors=True)
_IDS: Final = Include()


class AsyncSearcher:
    """Queries of one collection. They take no lock."""

    def __init__(self, session: AsyncSession, reader: AsyncReader, creation: AsyncCreation) -> None:
        self._client = session.client
        self._creation = creation
        self._read = reader

    async def nearest(self, queries: VectorArray, k: int, where: Filter | None, include: Include) -> list[Hits]:
        """Return the true nearest, from the vectors of all records that match."""

        async def get(wanted: list[str]) -> Records:
            return await self._read.by_ids(wanted, include) if fields(include) != ["id"] else Records(wanted)

        pages = (page async for page, _ in self._read.pages(where, MAX_WINDOW, None, _VECTORS))
        return await scan_top_k(self._read.info.metric, queries, k, pages, get)

    async def exact(self, queries: VectorArray, k: int, where: Filter | None, include: Include) -> list[Hits]:
        """Return the true nearest.

        Without an index Milvus finds them itself, but compares in float32 and breaks ties at random: some more
        than k are fetched and compared in float64, until the last of them is farther than the k-th by more
        than what float32 can be off. A product may be off by the more the longer the vector, and none of those that
        did not come tells its length: under dot all are read.
        """
        info = self._read.info
        if not isinstance(info.index, Flat) or info.metric is Metric.DOT or self._read.partial(where) is not None:
            return await self.nearest(queries, k, where, include)
        condition = await self._read.condition(where)
        fetched = Include(vectors=True, documents=include.documents, metadatas=include.metadatas)
        hits: dict[int, Hits] = {}
        todo = list(range(len(queries)))
        wanted = k + max(10, k // 8)
        while todo and wanted <= MAX_WINDOW:
            found = await self._search(queries[todo], wanted, condition, fetched, None)
            if found is None:
                break
            hits |= zip(todo, found, strict=True)
            todo = [
                p for p in todo if len(hits[p]) == wanted and not decided(info.metric, queries[p], hits[p].distances, k)
            ]
            wanted *= 4
        if todo:
            hits |= zip(todo, await self.nearest(queries[todo], k, where, fetched), strict=True)
        best = [hits[place][:k] for place in range(len(queries))]
        return best if include.vectors else [one.without_vectors() for one in best]

    async def approximate(
        self, queries: VectorArray, k: int, where: Filter | None, include: Include, search: Search | None
    ) -> list[Hits]:
        """Return the k nearest as the index finds them, or the true ones; never fewer than match."""
        if self._read.partial(where) is not None:
            return await self.nearest(queries, k, where, include)
        condition = await self._read.condition(where)
        hits = await self._search(queries, k, condition, include, search)
        if hits is None:
            return await self.nearest(queries, k, where, include)

        async def count() -> int:
            return await self._read.count(where)

        async def exact(places: list[int]) -> list[Hits]:
            return await self.nearest(queries[places], k, where, include)

        return await top_up(hits, k, count, exact)

    async def _search(
        self, queries: VectorArray, k: int, condition: str | None, include: Include, search: Search | None
    ) -> list[Hits] | None:
        """Return what Milvus finds; None where another client keeps deleting hits before they are read.

        Its distances are float32 and, of product-quantized vectors, approximations: they are computed anew
        from the hits' vectors.
        """
        fetched = Include(vectors=True, documents=include.documents, metadatas=include.metadatas)
        room = ANSWER_BYTES // (k * self._read.width(fetched))
        if room:
            rows = max(1, min(room, _REQUEST_FLOATS // self._read.info.dimension, MAX_WINDOW))
            try:
                hits: list[Hits] = []
                for part in batches(queries, rows):
                    hits += await self._searched(part, k, condition, fetched, include, search)
                return hits
            except LimitExceeded:
                pass
            except VStoreError as error:
                if not vanished(error):
                    raise
                return None
        # too much for one answer: the ids alone, then the records
        hits = []
        for query in queries:
            found = await self._found(query[None], k, condition, _IDS, search)
            records = await self._read.by_ids([hit["id"] for hit in found[0]], fetched)
            hits.append(await compute(self._compared, query, records, include))
        return hits

    async def _searched(
        self,
        queries: VectorArray,
        k: int,
        condition: str | None,
        fetched: Include,
        include: Include,
        search: Search | None,
    ) -> list[Hits]:
        found = await self._found(queries, k, condition, fetched, search)

        def compared() -> list[Hits]:
            return [
                self._compared(
                    query, to_records([_row(hit) for hit in one], fetched, self._read.info.dimension), include
                )
                for query, one in zip(queries, found, strict=True)
            ]

        return await compute(compared)

    async def _found(
        self, queries: VectorArray, k: int, condition: str | None, fetched: Include, search: Search | None
    ) -> Any:
        return await self._creation.read(
            self._client.search,
            data=list(queries),
            filter=condition or "",
            limit=k,
            output_fields=fields(fetched),
            search_params=searching(self._read.info, search, k),
            anns_field="vector",
        )

    def _compared(self, query: VectorArray, records: Records, include: Include) -> Hits:
        assert records.vectors is not None
        distance = distances(self._read.info.metric, query, records.vectors)
        return ranked(self._read.info.metric, records.only(include), distance, max(1, len(records)))


def _row(hit: Any) -> dict[str, Any]:
    return {"id": hit["id"], **hit["entity"]}
