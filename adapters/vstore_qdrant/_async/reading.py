"""The nearest records to a vector."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.scores import distances, ranked
from vstore.types import Hits, Include, Metric, Records, VectorArray
from vstore_qdrant._async.port import AsyncTable
from vstore_qdrant.codec import Found, fields, to_records, units
from vstore_qdrant.conditions import Condition

__all__ = ["AsyncReader"]

_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000
# Qdrant's scores are sums in float32. What is nearer to the last place than this, relative to the sizes
# involved, may stand on the wrong side of it.
_SCORE_ERROR: Final = 1e-5
_SPARE: Final = 8


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
        asked = self._asked(queries)
        recompute = self._recompute(queries)
        read = Include(include.vectors or recompute, include.documents, include.metadatas)
        rows = max(1, min(_REQUEST_FLOATS // self._dimension, _RESPONSE_HITS // k))
        hits: list[Hits] = []
        for start in range(0, len(queries), rows):
            part = slice(start, start + rows)
            answers = await self._table.nearest(
                asked[part], k, condition, fields(read, metric), exact=False, ef=max(k, ef) if ef else None
            )
            total: int | None = None
            for query, found in zip(queries[part], answers, strict=True):
                if len(found) < k:
                    # the graph lost some: of few matches, of records it cannot reach, or of a k near the count
                    total = await self._table.count(condition) if total is None else total
                    if len(found) < min(k, total):
                        hits += await self.exact(query[None], k, condition, include)
                        continue
                hits.append(self._hits(query, found, k, read, include, recompute=recompute))
        return hits

    async def exact(self, queries: VectorArray, k: int, condition: Condition | None, include: Include) -> list[Hits]:
        """The true nearest: more than k by Qdrant's exact search, compared again in float64."""
        return [await self._exact(query, k, condition, include) for query in queries]

    async def _exact(self, query: VectorArray, k: int, condition: Condition | None, include: Include) -> Hits:
        read = Include(True, include.documents, include.metadatas)
        asked = self._asked(query[None])
        limit = k + _SPARE
        while True:
            answer = await self._table.nearest(asked, limit, condition, fields(read, self._metric), exact=True, ef=None)
            found = answer[0]
            hits = self._hits(query, found, limit, read, read, recompute=True)
            if len(found) < limit or hits.distances[-1] > hits.distances[k - 1] + self._slack(query, hits, k):
                break
            limit *= 2
        return _without_vectors(hits[:k]) if not include.vectors else hits[:k]

    def _slack(self, query: VectorArray, hits: Hits, k: int) -> float:
        """How far two distances may be apart and yet come in the wrong order from Qdrant."""
        match self._metric:
            case Metric.COSINE:
                return _SCORE_ERROR
            case Metric.L2:
                return _SCORE_ERROR * float(hits.distances[k - 1])
            case Metric.DOT:
                vectors = hits.records.vectors
                assert vectors is not None
                longest = np.sqrt(np.square(vectors.astype(np.float64)).sum(axis=1).max())
                return _SCORE_ERROR * float(longest * np.linalg.norm(query.astype(np.float64)))

    def _asked(self, queries: VectorArray) -> VectorArray:
        return units(queries)[0] if self._metric is Metric.COSINE else queries

    def _recompute(self, queries: VectorArray) -> bool:
        return False

    def _hits(
        self, query: VectorArray, found: Found, k: int, read: Include, include: Include, *, recompute: bool
    ) -> Hits:
        records = to_records(found, read, self._dimension, self._metric)
        if recompute:
            assert records.vectors is not None
            distance = distances(self._metric, query, records.vectors)
        else:
            distance = self._distance(found)
        if read.vectors and not include.vectors:
            records = Records(records.ids, None, records.documents, records.metadatas)
        return ranked(self._metric, records, distance, k)

    def _distance(self, found: Found) -> NDArray[np.float64]:
        reported = np.asarray(found.scores or (), dtype=np.float64)
        match self._metric:
            case Metric.COSINE:
                return 1.0 - reported
            case Metric.L2:
                return reported
            case Metric.DOT:
                return -reported


def _without_vectors(hits: Hits) -> Hits:
    records = hits.records
    return Hits(Records(records.ids, None, records.documents, records.metadatas), hits.distances, hits.scores)
