"""The nearest records to a vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from vstore.columns import Column, take_rows
from vstore.errors import LimitExceeded, VStoreError
from vstore.fields import Dense, Field
from vstore.hits import Hits
from vstore.indexing import Flat, Metric
from vstore.records import Include, Records, VectorArray
from vstore.sparse import SparseArray, SparseVector
from vstore.spi._async.searching import top_up
from vstore.spi.batching import batches
from vstore.spi.scores import TopK, column_distances, ranked
from vstore_milvus._async._run import compute
from vstore_milvus._async.creation import AsyncCreation
from vstore_milvus._async.reading import ANSWER_BYTES, AsyncReader
from vstore_milvus._async.session import AsyncSession
from vstore_milvus.capabilities import MAX_WINDOW
from vstore_milvus.codec import to_records
from vstore_milvus.errors import vanished
from vstore_milvus.messages import Found, found, search
from vstore_milvus.precision import converted, decided, doubtful, is_precise
from vstore_milvus.question import Question
from vstore_milvus.restriction import Restriction
from vstore_milvus.vectors import PackedVectors, Row, searching

__all__ = ["AsyncSearcher"]

_REQUEST_BYTES: Final = 16_000_000
_EXACT_UP_TO: Final = 10_000
_SOON_READ: Final = 200  # hits: to read them takes no longer than to have another thread do it
_IDS: Final = Include()


class AsyncSearcher:
    """Queries of one collection. They take no lock."""

    def __init__(self, session: AsyncSession, reader: AsyncReader, creation: AsyncCreation) -> None:
        self._session = session
        self._creation = creation
        self._read = reader
        self._layout = creation.layout
        self._fields = {name: creation.layout.info.field(name) for name in creation.layout.vectors}

    async def query(self, queries: Column, k: int, asked: Question, *, exact: bool) -> list[Hits]:
        """Return the nearest to each query, the true ones where they are asked for and for a sparse field."""
        if isinstance(self._layout.vectors[asked.field], PackedVectors) or self._read.partial(asked.where) is not None:
            return await self._nearest(queries, k, asked)
        if isinstance(queries, SparseArray):
            return await self._exact(queries, k, asked)
        field = self._field(asked)
        if exact or await self._is_small_part(asked):
            # An index, and the lengths that float32 hides under dot (``decided``), leave nothing but to read them all
            by_milvus = isinstance(field, Dense) and isinstance(field.index, Flat) and field.metric is not Metric.DOT
            return await (self._exact if by_milvus else self._nearest)(queries, k, replace(asked, search=None))
        return await self._approximate(queries, k, asked)

    def _field(self, asked: Question) -> Field:
        return self._fields[asked.field]

    async def _is_small_part(self, asked: Question) -> bool:
        """Return whether records of one partition are asked for that are so few that the true nearest come (TEN-3)."""
        partition, _ = self._layout.split(asked.where)
        field = self._field(asked)
        if not partition or (isinstance(field, Dense) and isinstance(field.index, Flat)):
            return False
        return await self._read.counted(partition) <= _EXACT_UP_TO

    async def _nearest(self, queries: Column, k: int, asked: Question) -> list[Hits]:
        """Return the true nearest, from the vectors of all records that match."""
        best = TopK(self._field(asked).metric, queries, k, asked.field)
        async for page, _ in self._read.pages(asked.where, MAX_WINDOW, None, asked.compared, asked.field):
            await compute(best.take, page)
        wanted = Records(best.ids) if asked.include == _IDS else await self._read.by_ids(best.ids, asked.include)
        return best.hits(wanted)

    async def _exact(self, queries: Column, k: int, asked: Question) -> list[Hits]:
        """Return the true nearest, as Milvus finds them.

        Without an index, and of sparse vectors, Milvus compares with every record, but in float32, and breaks ties at
        random: some more than k are fetched and compared in float64, until the last of them is farther than the k-th by
        more than what float32 can be off. A product of dense vectors may be off by the more the longer the vector, and
        none of those that did not come tells its length: under dot all are read.
        """
        metric = self._field(asked).metric
        among = await self._read.restriction(asked.where, asked.field)
        hits: dict[int, Hits] = {}
        todo = list(range(len(queries)))
        wanted = k + max(10, k // 8)
        while todo and wanted <= MAX_WINDOW:
            found = await self._search(_rows(queries, todo), wanted, among, asked)
            if found is None:
                break
            hits |= zip(todo, found, strict=True)
            todo = [p for p in todo if len(hits[p]) == wanted and not decided(metric, queries[p], hits[p].distances, k)]
            wanted *= 4
        if todo:
            hits |= zip(todo, await self._nearest(_rows(queries, todo), k, asked), strict=True)
        return [_only(hits[place][:k], asked.include) for place in range(len(queries))]

    async def _approximate(self, queries: VectorArray, k: int, asked: Question) -> list[Hits]:
        """Return the k nearest as the index finds them, or the true ones; never fewer than match."""
        among = await self._read.restriction(asked.where, asked.field)
        hits: list[Hits] | None = None
        if len(queries) == 1 and is_precise(self._field(asked)):
            hits = await self._reported(queries, k, among, asked)
        if hits is None:
            found = await self._search(queries, k, among, asked)
            if found is None:
                return await self._nearest(queries, k, asked)
            hits = [_only(one, asked.include) for one in found]

        async def count() -> int:
            return await self._read.count(asked.where, asked.field)

        async def exact(places: list[int]) -> list[Hits]:
            return await self._nearest(queries[places], k, asked)

        return await top_up(hits, k, count, exact)

    async def _reported(self, queries: VectorArray, k: int, among: Restriction, asked: Question) -> list[Hits] | None:
        """Return what Milvus finds for one query, by its own distances but for the doubtful ones; None where it cannot.

        The vectors of the hits take longer than the search.
        """
        include, field = asked.include, self._field(asked)
        if k * self._layout.width(include) > ANSWER_BYTES:
            return None
        try:
            (found,) = await self._found(queries, k, among, include, asked)
        except LimitExceeded:
            return None
        except VStoreError as error:
            if not vanished(error):
                raise
            return None
        records = to_records(_rows_of(found), include, self._layout)
        distance = converted(field.metric, np.array([reported for _, reported in found], dtype=np.float64))
        unsure = doubtful(field.metric, queries[0], distance).tolist()
        if unsure:
            ids = [records.ids[place] for place in unsure]
            fetched = (await self._read.by_ids(ids, asked.compared)).ordered(ids)
            if len(fetched) < len(ids):  # another client has deleted one
                return None
            distance[unsure] = column_distances(field.metric, queries[0], fetched.column(asked.field))[1]
        return [ranked(field.metric, records, distance, k)]

    async def _search(self, queries: Column, k: int, among: Restriction, asked: Question) -> list[Hits] | None:
        """Return what Milvus finds, with the field; None where another client deletes hits before they are read.

        Its distances are float32 and, of product-quantized vectors, approximations: they are computed anew
        from the hits' vectors.
        """
        fetched = asked.fetched
        room = ANSWER_BYTES // (k * self._layout.width(fetched))
        if room:
            rows = max(1, min(room, _REQUEST_BYTES // self._layout.vectors[asked.field].width, MAX_WINDOW))
            try:
                hits: list[Hits] = []
                for part in batches(queries, rows):
                    found = await self._found(part, k, among, fetched, asked)
                    hits += await compute(self._all_compared, part, found, asked)
                return hits
            except LimitExceeded:
                pass
            except VStoreError as error:
                if not vanished(error):
                    raise
                return None
        # too much for one answer: the ids alone, then the records
        hits = []
        for place in range(len(queries)):
            query = _rows(queries, [place])
            found = await self._found(query, k, among, _IDS, asked)
            records = await self._read.by_ids([row["id"] for row, _ in found[0]], fetched)
            hits.append(await compute(self._compared, query[0], records, asked))
        return hits

    async def _found(
        self, queries: Column, k: int, among: Restriction, fetched: Include, asked: Question
    ) -> list[list[Found]]:
        """Return the k nearest to each query among the records of a restriction, as Milvus finds them."""
        if wanted := among.wanted(k):
            found = await self._asked(queries, wanted, among.beside, fetched, asked)
            kept = [among.keep(hits, k) for hits in found]
            if all(len(hits) == k for hits in kept):
                return kept
        return await self._asked(queries, k, among.condition, fetched, asked)

    async def _asked(
        self, queries: Column, k: int, condition: str | None, fetched: Include, asked: Question
    ) -> list[list[Found]]:
        column = self._layout.vectors[asked.field].columns[0]
        settings = searching(self._field(asked), asked.search, k)
        request = search(queries, column, settings, k, condition, self._layout.columns(fetched))
        if self._session.lite:
            await self._creation.put_away()
        answer = await self._creation.read(self._session.search, request=request)
        return found(answer) if len(queries) * k <= _SOON_READ else await compute(found, answer)

    def _all_compared(self, queries: Column, found: list[list[Found]], asked: Question) -> list[Hits]:
        return [
            self._compared(query, to_records(_rows_of(one), asked.fetched, self._layout), asked)
            for query, one in zip(queries, found, strict=True)
        ]

    def _compared(self, query: VectorArray | SparseVector, records: Records, asked: Question) -> Hits:
        metric = self._field(asked).metric
        places, distance = column_distances(metric, query, records.column(asked.field))
        return ranked(metric, records.take(places.tolist()), distance, max(1, len(places)))


def _rows(queries: Column, places: list[int]) -> Column:
    return take_rows(queries, np.array(places, dtype=np.intp))


def _only(hits: Hits, include: Include) -> Hits:
    return replace(hits, records=hits.records.only(include))


def _rows_of(hits: Sequence[Found]) -> list[Row]:
    return [row for row, _ in hits]
