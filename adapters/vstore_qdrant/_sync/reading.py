# Generated from adapters/vstore_qdrant/_async/reading.py by tools/unasync.py: do not edit.
"""The nearest records to a vector."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore.spi.scores import distances, ranked
from vstore.types import Hits, Include, Metric, VectorArray
from vstore_qdrant._sync.port import Table
from vstore_qdrant.codec import Found, fields, to_records, units
from vstore_qdrant.conditions import Condition

__all__ = ["Reader"]

_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000
# Qdrant's scores are sums in float32; at up to 8,192 components they are off by a tenth of what MET-3 allows
# (qdrant-edge 0.9). What is nearer to the last place than this, relative to the sizes involved, may yet stand
# on the wrong side of it.
_SCORE_ERROR: Final = 1e-5
_SPARE: Final = 8
# squares of smaller differences underflow float32
_SMALL_DIFFERENCE: Final = 1e-18
# a query of this length may lie among vectors with such differences
_SMALL_QUERY: Final = 1e-12
_QUERY_EXPONENT: Final = 70


class Reader:
    """Queries of one collection. They take no lock."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._metric = table.info.metric
        self._dimension = table.info.dimension

    def approximate(
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
            answers = self._table.nearest(
                asked[part], k, condition, read, exact=False, ef=None if ef is None else max(k, ef)
            )
            total = -1
            for query, scale, found in zip(queries[part], scales[part], answers, strict=True):
                if len(found) < k and total < 0:
                    total = self._table.count(condition)
                # where the graph lost some: of few matches, of records it cannot reach, or of a k near the count
                if len(found) < min(k, total) or self._blind(query):
                    hits += self.exact(query[None], k, condition, include)
                else:
                    records = to_records(found, include, metric)
                    hits.append(ranked(metric, records, self._distance(found, scale), k))
        return hits

    def exact(self, queries: VectorArray, k: int, condition: Condition | None, include: Include) -> list[Hits]:
        """The true nearest: more than k by Qdrant's exact search, compared again in float64."""
        return [self._exact(query, k, condition, include) for query in queries]

    def _exact(self, query: VectorArray, k: int, condition: Condition | None, include: Include) -> Hits:
        read = Include(True, include.documents, include.metadatas)
        asked, _ = self._asked(query[None])
        limit = k + _SPARE
        while True:
            found = (self._table.nearest(asked, limit, condition, fields(read, self._metric), exact=True, ef=None))[0]
            records = to_records(found, read, self._metric)
            assert records.vectors is not None
            hits = ranked(self._metric, records, distances(self._metric, query, records.vectors), limit)
            if len(hits) < limit or hits.distances[-1] > hits.distances[k - 1] + self._slack(query, hits, k):
                return hits[:k] if include.vectors else hits[:k].without_vectors()
            limit *= 2  # as many as are level with the last place, for the lower ids among them

    def _slack(self, query: VectorArray, hits: Hits, k: int) -> float:
        """How far two distances may be apart and yet come in the wrong order from Qdrant."""
        match self._metric:
            case Metric.COSINE:
                return _SCORE_ERROR
            case Metric.L2:
                return _SMALL_DIFFERENCE + _SCORE_ERROR * float(hits.distances[k - 1])
            case Metric.DOT:
                vectors = hits.records.vectors
                assert vectors is not None
                longest = np.sqrt(np.square(vectors.astype(np.float64)).sum(axis=1).max())
                return _SCORE_ERROR * float(longest * np.linalg.norm(query.astype(np.float64)))

    def _asked(self, queries: VectorArray) -> tuple[VectorArray, NDArray[np.float64]]:
        """The vectors to ask for, and what their scores are to be multiplied by.

        Under dot a power of two brings each to a length near 2**70, exactly: with vectors of 1e-45 to 1e15 no product
        over- or underflows.
        """
        match self._metric:
            case Metric.COSINE:
                return units(queries)[0], np.ones(len(queries))
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
