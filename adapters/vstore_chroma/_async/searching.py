"""The nearest records to a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from chromadb.api.models.AsyncCollection import AsyncCollection

from vstore.hits import Hits
from vstore.info import CollectionInfo
from vstore.records import Include, Records, VectorArray
from vstore.spi._async.searching import scan_top_k, top_up
from vstore.spi.batching import batches
from vstore.spi.scores import distances, ranked
from vstore_chroma._async.reading import COLUMNS, AsyncReader
from vstore_chroma.codec import included, to_records
from vstore_chroma.compile import EVERYTHING, Question
from vstore_chroma.precision import always_imprecise, converted, imprecise, indistinct

__all__ = ["AsyncSearcher"]

_CHUNK_FLOATS: Final = 400_000
_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000
_VECTORS: Final = Include(vectors=True)


class AsyncSearcher:
    """Queries of one collection. They take no lock."""

    def __init__(self, native: AsyncCollection, info: CollectionInfo, reader: AsyncReader) -> None:
        self._native = native
        self._metric = info.metric
        self._dimension = info.dimension
        self._read = reader

    async def nearest(self, queries: VectorArray, k: int, ids: Sequence[str], include: Include) -> list[Hits]:
        """Return the true nearest among ``ids``, whose vectors it reads in chunks."""

        async def get(wanted: list[str]) -> Records:
            return await self._read.by_ids(wanted, include) if included(include) else Records(wanted)

        rows = max(16, min(self._read.rows, _CHUNK_FLOATS // self._dimension))
        pages = (await self._read.by_ids(part, _VECTORS) for part in batches(ids, rows))
        return await scan_top_k(self._metric, queries, k, pages, get)

    async def approximate(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits]:
        """Return the k nearest as the index finds them, never fewer than match."""
        if asked.partial is not None:
            return await self.nearest(queries, k, await self._read.ids(asked), include)
        rows = max(1, min(_REQUEST_FLOATS // self._dimension, _RESPONSE_HITS // k))
        hits: list[Hits | None] = []
        for part in batches(queries, rows):
            hits += await self._found(part, k, asked, include)
        matches: list[str] | None = None

        async def count() -> int:
            nonlocal matches
            if asked == EVERYTHING:
                return await self._read.count(asked)
            matches = await self._read.ids(asked)
            return len(matches)

        async def exact(places: list[int]) -> list[Hits]:
            ids = await self._read.ids(asked) if matches is None else matches
            return await self.nearest(queries[places], k, ids, include)

        return await top_up(hits, k, count, exact)

    async def _found(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits | None]:
        """Return what the index finds; None for a query whose last hit is ``indistinct``."""
        again = always_imprecise(self._metric, self._dimension)
        fetched = Include(include.vectors or again, include.documents, include.metadatas)
        found = await self._read.call(
            self._native.query,
            query_embeddings=queries,
            n_results=k,
            where=asked.where,
            include=[*included(fetched), "distances"],
        )
        return [await self._refined(query, k, found, row, fetched, include) for row, query in enumerate(queries)]

    async def _refined(
        self, query: VectorArray, k: int, found: Any, row: int, fetched: Include, include: Include
    ) -> Hits | None:
        """Return one query's hits with distances as exact as MET-3 asks; None where the last hit is ``indistinct``."""
        reported = np.asarray(found["distances"][row], dtype=np.float64)
        if indistinct(self._metric, query, reported):
            return None
        columns = {name: found[name][row] for name in COLUMNS if found[name] is not None}
        records = to_records(columns, fetched, self._dimension)
        if not imprecise(self._metric, query, reported):
            return ranked(self._metric, records, converted(self._metric, reported), k)
        vectors = records.vectors
        if vectors is None:
            again = await self._read.by_ids(records.ids, _VECTORS)
            records, vectors = _both(records, again), again.ordered(records.ids).vectors
        assert vectors is not None
        return ranked(self._metric, records.only(include), distances(self._metric, query, vectors), k)


def _both(records: Records, others: Records) -> Records:
    """Return the records that are in both."""
    there = set(others.ids)
    return records if len(there) == len(records) else records.ordered([i for i in records.ids if i in there])
