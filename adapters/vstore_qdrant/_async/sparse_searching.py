"""The nearest records to a sparse vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Include
from vstore.sparse import SparseArray, SparseVector
from vstore.spi.batching import slices
from vstore.spi.scores import column_distances, float32_error, is_settled, ranked
from vstore_qdrant._async.database import AsyncTable
from vstore_qdrant._async.searching import compared
from vstore_qdrant.codec import Found, fields, to_records
from vstore_qdrant.conditions import Condition
from vstore_qdrant.vectors import having, with_field

__all__ = ["AsyncSparseSearcher"]

_SPARE: Final = 16
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

    async def nearest(self, queries: SparseArray, k: int, condition: Condition | None, include: Include) -> list[Hits]:
        """Return the k nearest to each query, none of which is empty."""
        return await self._nearest(list(queries), k, k + _SPARE, condition, include)

    async def _nearest(
        self, queries: Sequence[SparseVector], k: int, limit: int, condition: Condition | None, include: Include
    ) -> list[Hits]:
        read = with_field(include, self._field)
        wanted = fields(read, self._table.info)
        hits: list[Hits | None] = []
        for part in slices(len(queries), max(1, _RESPONSE_HITS // limit)):
            asked = SparseArray.stack(queries[part])
            answers = await self._table.nearest(
                asked, limit, condition, wanted, field=self._field, exact=False, ef=None
            )
            hits += [
                self._settled(query, found, k, limit, read, include)
                for query, found in zip(queries[part], answers, strict=True)
            ]
        again = [place for place, one in enumerate(hits) if one is None]
        rest = [queries[place] for place in again]
        more = limit * _GROWTH
        if not rest:
            found = []
        elif more <= max(_RANKED, 2 * k):
            found = await self._nearest(rest, k, more, condition, include)
        else:
            own = having(self._table.info, self._field, condition)
            found = await compared(self._table, self._field, SparseArray.stack(rest), k, own, include)
        known = dict(zip(again, found, strict=True))
        return [one for place, before in enumerate(hits) if (one := known.get(place, before)) is not None]

    def _settled(
        self, query: SparseVector, found: Found, k: int, limit: int, read: Include, include: Include
    ) -> Hits | None:
        """Return the hits among what was found; None where one that was not may belong to them."""
        records = to_records(found, read, self._table.info)
        positions, distance = column_distances(Metric.DOT, query, records.column(self._field))
        error = float32_error(len(query))
        if len(found) == limit and not is_settled(np.sort(distance), k, -found.scores[-1], error):
            return None
        hits = ranked(Metric.DOT, records.take(positions.tolist()), distance, k)
        return replace(hits, records=hits.records.only(include))
