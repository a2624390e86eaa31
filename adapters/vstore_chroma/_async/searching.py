"""The nearest records to a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from chromadb.api.models.AsyncCollection import AsyncCollection

from vstore.hits import Hits
from vstore.info import CollectionInfo
from vstore.records import Include, Records, VectorArray
from vstore.spi._async._run import run_blocking
from vstore.spi.scores import TopK, distances, ranked
from vstore_chroma._async.reading import COLUMNS, AsyncReader
from vstore_chroma.codec import included, to_records
from vstore_chroma.compile import EVERYTHING, Question
from vstore_chroma.precision import always_imprecise, converted, imprecise, indistinct

__all__ = ["AsyncSearcher"]

_CHUNK_FLOATS: Final = 400_000
_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000


class AsyncSearcher:
    """Queries of one collection. They take no lock."""

    def __init__(self, native: AsyncCollection, info: CollectionInfo, reader: AsyncReader) -> None:
        self._native = native
        self._metric = info.metric
        self._dimension = info.dimension
        self._read = reader

    async def nearest(self, queries: VectorArray, k: int, ids: Sequence[str], include: Include) -> list[Hits]:
        """The true nearest among ``ids``: reads their vectors in chunks, and keeps k for each query."""
        best = TopK(self._metric, queries, k)
        rows = max(16, min(self._read.rows, _CHUNK_FLOATS // self._dimension))
        for start in range(0, len(ids), rows):
            chunk = await self._read.by_ids(ids[start : start + rows], Include(vectors=True))
            await run_blocking(best.take, chunk)
        wanted = best.ids
        records = await self._read.by_ids(wanted, include) if included(include) else Records(wanted)
        return best.hits(records)

    async def approximate(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits]:
        """The k nearest as the index finds them, never fewer than match."""
        if asked.partial is not None:
            return await self.nearest(queries, k, await self._read.ids(asked), include)
        rows = max(1, min(_REQUEST_FLOATS // self._dimension, _RESPONSE_HITS // k))
        hits: list[Hits] = []
        for start in range(0, len(queries), rows):
            hits += await self._search(queries[start : start + rows], k, asked, include)
        return hits

    async def _search(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits]:
        again = always_imprecise(self._metric, self._dimension)
        fetched = Include(include.vectors or again, include.documents, include.metadatas)
        found = await self._read.call(
            self._native.query,
            query_embeddings=queries,
            n_results=k,
            where=asked.where,
            include=[*included(fetched), "distances"],
        )
        hits = [await self._refined(query, k, found, row, fetched, include) for row, query in enumerate(queries)]
        if short := [row for row, one in enumerate(hits) if one is None or len(one) < k]:
            # the index lost some: of few matches, of records it cannot reach, or of a k near the count
            matches = None if asked == EVERYTHING else await self._read.ids(asked)
            total = len(matches) if matches is not None else await self._read.count(asked)
            short = [row for row in short if (one := hits[row]) is None or len(one) < min(k, total)]
            if short:
                ids = matches if matches is not None else await self._read.ids()
                for row, one in zip(short, await self.nearest(queries[short], k, ids, include), strict=True):
                    hits[row] = one
        return [one for one in hits if one is not None]

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
            again = await self._read.by_ids(records.ids, Include(vectors=True))
            records, vectors = _both(records, again), again.ordered(records.ids).vectors
        assert vectors is not None
        return ranked(self._metric, records.only(include), distances(self._metric, query, vectors), k)


def _both(records: Records, others: Records) -> Records:
    """The records that are in both."""
    there = set(others.ids)
    return records if len(there) == len(records) else records.ordered([i for i in records.ids if i in there])
