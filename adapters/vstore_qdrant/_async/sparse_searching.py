"""The nearest records to a sparse vector."""

from __future__ import annotations

from typing import Final

from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Include
from vstore.sparse import SparseArray, SparseVector
from vstore.spi.batching import slices
from vstore.spi.latest import Latest
from vstore.spi.scores import column_distances, float32_error, is_settled, nearest, scores
from vstore_qdrant._async.database import AsyncTable
from vstore_qdrant._async.searching import compared
from vstore_qdrant.codec import Fields, Found, fields, to_records
from vstore_qdrant.conditions import Condition
from vstore_qdrant.vectors import having, with_field

__all__ = ["AsyncSparseSearcher"]

# beyond the first k: float32 rarely leaves it open whether the last of so few belongs to them
_SPARE: Final = 4
# Qdrant goes through all records that share an index whatever number is asked for
_GROWTH: Final = 8
# that one query asks for by rank; beyond, the vectors of all that match are read page by page
_RANKED: Final = 10_000
_RESPONSE_HITS: Final = 20_000


class AsyncSparseSearcher:
    """Queries of one sparse field of a collection: always the true nearest.

    Qdrant finds all records that share an index with the query and ranks them by float32 scores. More than k are asked
    for, and compared again in float64, until none that was left out can be among the first k. They take no lock.
    """

    def __init__(self, table: AsyncTable, field: str) -> None:
        self._table = table
        self._field = field
        self._fields: Latest[Include, Fields] = Latest(lambda include: fields(with_field(include, field), table.info))

    async def nearest(self, queries: SparseArray, k: int, condition: Condition | None, include: Include) -> list[Hits]:
        """Return the k nearest to each query, none of which is empty."""
        return await self._nearest(queries, k, k + _SPARE, condition, include)

    async def _nearest(
        self, queries: SparseArray, k: int, limit: int, condition: Condition | None, include: Include
    ) -> list[Hits]:
        read = self._fields(include)
        rows = max(1, _RESPONSE_HITS // limit)
        hits: list[Hits | None] = []
        for part in (queries,) if len(queries) <= rows else (queries[part] for part in slices(len(queries), rows)):
            answers = await self._table.nearest(part, limit, condition, read, field=self._field, exact=False, ef=None)
            hits += [self._settled(query, found, k, limit, include) for query, found in zip(part, answers, strict=True)]
        again = [place for place, one in enumerate(hits) if one is None]
        if not again:
            return [one for one in hits if one is not None]
        rest, more = queries.take(again), limit * _GROWTH
        if more <= max(_RANKED, 2 * k):
            found = await self._nearest(rest, k, more, condition, include)
        else:
            own = having(self._table.info, self._field, condition)
            found = await compared(self._table, self._field, rest, k, own, include)
        known = dict(zip(again, found, strict=True))
        return [one for place, before in enumerate(hits) if (one := known.get(place, before)) is not None]

    def _settled(self, query: SparseVector, found: Found, k: int, limit: int, include: Include) -> Hits | None:
        """Return the hits among what was found; None where one that was not may belong to them."""
        positions, distance = column_distances(Metric.DOT, query, found.vectors[self._field])
        places: list[int] = positions.tolist()
        order = nearest(distance, [found.payloads[place]["id"] for place in places], k)
        distance = distance[order]
        if len(found) == limit and not is_settled(distance, k, -found.scores[-1], float32_error(len(query))):
            return None
        records = to_records(found.take([places[place] for place in order], include), include, self._table.info)
        return Hits(records, distance, scores(Metric.DOT, distance))
