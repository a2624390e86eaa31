"""The nearest records to a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Include, Records, VectorArray
from vstore.spi.scores import TopK, distances, float32_error, ranked
from vstore_qdrant._async.port import AsyncTable
from vstore_qdrant.codec import Found, behind, fields, point_id, to_records, units
from vstore_qdrant.conditions import All, Condition, NoneOf, Shorter

__all__ = ["AsyncReader"]

_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000
_IDS_AT_ONCE: Final = 1000
# of vectors that one exact query asks for by rank; beyond, all that match are read
_COMPARED_FLOATS: Final = 4_000_000
_SPARE: Final = 8
# below it a float32 may be zero: a product or square is off by as much, whatever its size
_SMALLEST: Final = float(np.finfo(np.float32).tiny)
# no vector is longer (VEC-1)
_LONGEST: Final = 2e15
# what JSON readers may lose of a length, many times over
_LENGTH_READ: Final = 1 - 1e-9
# a query of this length may lie among vectors with such differences
_SMALL_QUERY: Final = 1e-12
_QUERY_EXPONENT: Final = 70


class AsyncReader:
    """Queries of one collection. They take no lock."""

    def __init__(self, table: AsyncTable) -> None:
        self._table = table
        self._metric = table.info.metric
        self._dimension = table.info.dimension

    async def approximate(
        self, queries: VectorArray, k: int, condition: Condition | None, include: Include, ef: int | None
    ) -> list[Hits]:
        """The k nearest as the index finds them, never fewer than match."""
        metric = self._metric
        asked, scales = self._asked(queries)
        read = fields(include, metric)
        rows = max(1, min(_REQUEST_FLOATS // self._dimension, _RESPONSE_HITS // k))
        hits: list[Hits] = []
        for start in range(0, len(queries), rows):
            part = slice(start, start + rows)
            answers = await self._table.nearest(
                asked[part], k, condition, read, exact=False, ef=None if ef is None else max(k, ef)
            )
            total = -1
            for query, scale, found in zip(queries[part], scales[part], answers, strict=True):
                if len(found) < k and total < 0:
                    total = await self._table.count(condition)
                # where the graph lost some: of few matches, of records it cannot reach, or of a k near the count
                if len(found) < min(k, total) or self._blind(query):
                    hits += await self.exact(query[None], k, condition, include)
                else:
                    records = to_records(found, include, metric)
                    hits.append(ranked(metric, records, self._distance(found, scale), k))
        return hits

    async def exact(self, queries: VectorArray, k: int, condition: Condition | None, include: Include) -> list[Hits]:
        """The true nearest: more than k by Qdrant's exact search, compared again in float64."""
        return [await self._exact(query, k, condition, include) for query in queries]

    async def by_ids(self, ids: Sequence[str], include: Include) -> Records:
        """The records with these ids, in their order."""
        parts = [Records([])]
        for start in range(0, len(ids), _IDS_AT_ONCE):
            wanted = [point_id(i) for i in ids[start : start + _IDS_AT_ONCE]]
            found = await self._table.retrieve(wanted, fields(include, self._metric))
            parts.append(to_records(found, include, self._metric))
        return Records.concat(parts[1:]).ordered(ids)

    async def _exact(self, query: VectorArray, k: int, condition: Condition | None, include: Include) -> Hits:
        read = Include(True, include.documents, include.metadatas)
        wanted = fields(read, self._metric)
        asked, scales = self._asked(query[None])
        scale = float(scales[0])
        limit = k + _SPARE
        while limit == k + _SPARE or limit * self._dimension <= _COMPARED_FLOATS:
            found = (await self._table.nearest(asked, limit, condition, wanted, exact=True, ef=None))[0]
            records = to_records(found, read, self._metric)
            hits = self._ranked(query, records, k)
            if len(found) == limit:
                # of what did not come, Qdrant has nothing nearer than this
                last = float(self._distance(found, scale)[-1])
                known = await self._others(query, last, scale, float(hits.distances[-1]), condition, read, limit)
                if known is None:
                    limit *= 2  # as many as float32 cannot tell from the last place, for the nearer among them
                    continue
                if len(known):
                    there = set(records.ids)
                    rest = known.take([place for place, i in enumerate(known.ids) if i not in there])
                    hits = self._ranked(query, Records.concat([records, rest]), k)
            return hits if include.vectors else hits.without_vectors()
        return await self._compared(query, k, condition, include)

    def _ranked(self, query: VectorArray, records: Records, k: int) -> Hits:
        assert records.vectors is not None
        return ranked(self._metric, records, distances(self._metric, query, records.vectors), k)

    async def _others(
        self,
        query: VectorArray,
        last: float,
        scale: float,
        farthest: float,
        condition: Condition | None,
        read: Include,
        most: int,
    ) -> Records | None:
        """All records that Qdrant has at ``last`` or beyond and that may yet be no farther than ``farthest``.

        None where they are too many to be read one by one.
        """
        relative = float32_error(self._dimension)
        lost = 2 * self._dimension * _SMALLEST
        match self._metric:
            case Metric.COSINE:
                return Records([]) if last - 2 * relative > farthest else None
            case Metric.L2:
                return Records([]) if last * last * (1 - relative) - lost > farthest * farthest else None
            case Metric.DOT:
                pass
        # Qdrant is the less sure of a product the longer the vector: it takes so long a one to be off by so much
        spread, doubt = last - farthest - lost * scale, relative * float(np.linalg.norm(query.astype(np.float64)))
        if spread <= 0 or doubt == 0:
            return None
        longer = NoneOf(Shorter(min(_LONGEST, spread / doubt * _LENGTH_READ)))
        matching = longer if condition is None else All((condition, longer))
        if not (number := await self._table.count(matching)):
            return Records([])
        if number > most:
            return None
        parts: list[Records] = []
        await self._through(matching, read, parts.append)
        return Records.concat(parts) if parts else Records([])

    async def _compared(self, query: VectorArray, k: int, condition: Condition | None, include: Include) -> Hits:
        """The true nearest, from the vectors of all records that match, read page by page."""
        best = TopK(self._metric, query[None], k)
        await self._through(condition, Include(vectors=True), best.take)
        return best.hits(await self.by_ids(best.ids, include))[0]

    async def _through(self, condition: Condition | None, read: Include, take: Callable[[Records], None]) -> None:
        wanted, rows = fields(read, self._metric), max(1, min(_IDS_AT_ONCE, _REQUEST_FLOATS // self._dimension))
        start: str | None = None
        while True:
            found, after = await self._table.scroll(condition, rows, start, wanted)
            if not len(found):
                return
            take(to_records(found, read, self._metric))
            start = behind(after)

    def _asked(self, queries: VectorArray) -> tuple[VectorArray, NDArray[np.float64]]:
        """The vectors to ask for, and what their scores are to be multiplied by.

        Under dot a power of two brings each to a length near 2**70, exactly: with vectors of 1e-45 to 1e15 no product
        over- or underflows.
        """
        match self._metric:
            case Metric.COSINE:
                return units(queries), np.ones(len(queries))
            case Metric.L2:
                return queries, np.ones(len(queries))
            case Metric.DOT:
                norms = np.linalg.norm(queries.astype(np.float64), axis=1)
                exponents = np.frexp(norms)[1] - _QUERY_EXPONENT
                return np.ldexp(queries, -exponents[:, None]), np.ldexp(np.ones(len(queries)), exponents)

    def _blind(self, query: VectorArray) -> bool:
        return self._metric is Metric.L2 and float(np.dot(query, query)) < _SMALL_QUERY**2

    def _distance(self, found: Found, scale: float) -> NDArray[np.float64]:
        reported = np.asarray(found.scores or (), dtype=np.float64) * scale
        match self._metric:
            case Metric.COSINE:
                return 1.0 - reported
            case Metric.L2:
                return reported
            case Metric.DOT:
                return -reported
