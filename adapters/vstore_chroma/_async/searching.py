"""The nearest records to a vector."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from chromadb.api.models.AsyncCollection import AsyncCollection

from vstore.columns import Column
from vstore.fields import Dense
from vstore.hits import Hits
from vstore.info import CollectionInfo
from vstore.records import Include, Records, VectorArray
from vstore.spi._async._run import run_blocking
from vstore.spi._async.searching import scan_top_k, top_up
from vstore.spi.batching import batches
from vstore.spi.partial import PartialFilter
from vstore.spi.recent import Recent
from vstore.spi.scores import distances, ranked
from vstore_chroma._async.reading import COLUMNS, AsyncReader
from vstore_chroma.capabilities import MAX_K
from vstore_chroma.codec import included, to_records
from vstore_chroma.compile import EVERYTHING, Question
from vstore_chroma.precision import always_imprecise, converted, imprecise, indistinct

__all__ = ["AsyncSearcher"]

_CHUNK_FLOATS: Final = 400_000
_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000
# so many matches are sooner compared than a filtered search of the index ends: 4 ms against 10, of 20,000 records
_FEW: Final = 256
# where some of a filter is looked at here, so many times k + 4 of the index's nearest are looked at first
_SIFTED: Final = 4
_VECTORS: Final = Include(vectors=True)


class AsyncSearcher:
    """Queries of one collection. They take no lock."""

    def __init__(self, native: AsyncCollection, info: CollectionInfo, reader: AsyncReader) -> None:
        self._native = native
        self._info = info
        self._metric = info.metric
        self._dimension = info.dimension
        self._read = reader
        self._again = info.dimension > 0 and always_imprecise(info.metric, info.dimension)
        self._many = Recent[bool]()

    async def exact(self, queries: Column, k: int, asked: Question, include: Include, field: str = "") -> list[Hits]:
        """Return the true nearest of the records that match, whose vectors it reads in chunks."""
        return await self._nearest(queries, k, self._read.pages(asked, _read(field), self._rows(field)), include, field)

    async def _among(self, ids: Sequence[str], queries: VectorArray, k: int, include: Include) -> list[Hits]:
        """Return the true nearest of some records."""
        pages = (await self._read.by_ids(part, _VECTORS) for part in batches(ids, self._rows("")))
        return await self._nearest(queries, k, pages, include, "")

    async def _nearest(
        self, queries: Column, k: int, pages: AsyncIterable[Records], include: Include, field: str
    ) -> list[Hits]:
        async def get(wanted: list[str]) -> Records:
            return await self._read.by_ids(wanted, include) if included(include) else Records(wanted)

        return await scan_top_k(self._info.field(field).metric, queries, k, pages, get, field)

    def _rows(self, name: str) -> int:
        """Return how many vectors of a field one chunk has."""
        field = self._info.field(name)
        return max(16, _CHUNK_FLOATS // field.dimension) if isinstance(field, Dense) else self._read.rows

    async def approximate(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits]:
        """Return the k nearest as the index finds them, never fewer than match."""
        if asked.partial is not None:
            return await self._sifted(queries, k, asked, asked.partial, include)
        if (few := await self._few(asked)) is not None:
            return await self._among(few, queries, k, include)
        hits = await self._asked(queries, k, asked, include)
        matches: list[str] | None = None

        async def count() -> int:
            nonlocal matches
            if asked == EVERYTHING:
                return await self._read.count(asked)
            matches = await self._read.ids(asked)
            return len(matches)

        async def exact(places: list[int]) -> list[Hits]:
            if matches is None:
                return await self.exact(queries[places], k, asked, include)
            return await self._among(matches, queries[places], k, include)

        return await top_up(hits, k, count, exact)

    async def _sifted(
        self, queries: VectorArray, k: int, asked: Question, partial: PartialFilter, include: Include
    ) -> list[Hits]:
        """Return those of the index's nearest that match, or the true nearest where too few of them do."""
        most = min(_SIFTED * (k + 4), MAX_K)

        def sift(hits: Hits | None) -> Hits | None:
            if hits is None or len(places := partial.places(hits.records)[:k]) < k:
                return None
            matches = hits.take(places)
            return replace(matches, records=matches.records.only(include))

        hits = await self._asked(queries, most, asked, partial.read(include))
        sifted = await run_blocking(lambda: [sift(one) for one in hits])
        return await top_up(sifted, k, None, lambda places: self.exact(queries[places], k, asked, include))

    async def _asked(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits | None]:
        """Return what the index finds for each query, in requests of a bounded size."""
        rows = max(1, min(_REQUEST_FLOATS // self._dimension, _RESPONSE_HITS // k))
        if len(queries) <= rows:
            return await self._found(queries, k, asked, include)
        hits: list[Hits | None] = []
        for part in batches(queries, rows):
            hits += await self._found(part, k, asked, include)
        return hits

    async def _few(self, asked: Question) -> list[str] | None:
        """Return the ids of the records that match, where they are soon compared; None where there were many lately."""
        if asked.where is None or (many := self._many.get(key := repr(asked.where))):
            return None
        if many is None:
            self._many.keep(key, True)  # queries of this filter that come meanwhile ask the index
        few: list[str] | None = []
        try:
            few = await self._read.few(asked.where, _FEW)
        finally:
            self._many.keep(key, few is None)
        return few

    async def _found(self, queries: VectorArray, k: int, asked: Question, include: Include) -> list[Hits | None]:
        """Return what the index finds; None for a query whose last hit is ``indistinct``."""
        fetched = replace(include, vectors=True) if self._again else include
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
        doubtful = imprecise(self._metric, query, reported)
        if doubtful and indistinct(self._metric, query, reported):
            return None
        columns = {name: found[name][row] for name in COLUMNS if found[name] is not None}
        records = to_records(columns, fetched, self._info)
        if not doubtful:
            return ranked(self._metric, records, converted(self._metric, reported), k)
        vectors = records.vectors
        if vectors is None:
            again = await self._read.by_ids(records.ids, _VECTORS)
            records, vectors = _both(records, again), again.ordered(records.ids).vectors
        assert vectors is not None
        return ranked(self._metric, records.only(include), distances(self._metric, query, vectors), k)


def _read(field: str) -> Include:
    """Return the column to compare with."""
    return Include(fields=(field,)) if field else _VECTORS


def _both(records: Records, others: Records) -> Records:
    """Return the records that are in both."""
    there = set(others.ids)
    return records if len(there) == len(records) else records.ordered([i for i in records.ids if i in there])
