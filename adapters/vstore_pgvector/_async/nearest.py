"""The nearest records of a collection: pgvector picks by float32, and what that leaves open float64 decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.info import CollectionInfo
from vstore.records import Include, Records, VectorArray
from vstore.spi.scores import TopK, distances, scores
from vstore_pgvector._async._run import compute
from vstore_pgvector._async.session import AsyncSession
from vstore_pgvector.codec import decode, decode_vectors, pack_texts, pack_vector, pack_vectors
from vstore_pgvector.compile import Condition
from vstore_pgvector.doubt import Doubt, overlapping, slack
from vstore_pgvector.statements import Statements

__all__ = ["AsyncNearest"]

Row: TypeAlias = tuple[Any, ...]

_QUERIES_AT_ONCE: Final = 100
_BYTES_AT_ONCE: Final = 16 << 20
_IDS_AT_ONCE: Final = 10_000


class AsyncNearest:
    """Answers the queries of one collection."""

    def __init__(self, session: AsyncSession, sql: Statements, info: CollectionInfo) -> None:
        self._session = session
        self._sql = sql
        self._metric = info.metric
        self._dimension = info.dimension
        self._vectors_at_once = max(1, min(_IDS_AT_ONCE, _BYTES_AT_ONCE // (4 * info.dimension)))

    async def exact(
        self,
        connection: AsyncConnection[Any],
        vectors: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> list[Hits]:
        """The true nearest."""
        found = await self._rows(connection, vectors, k + 1, condition, include, exact=True)
        return [
            await self._decided(connection, vector, rows, k, condition, include)
            for vector, rows in zip(vectors, found, strict=True)
        ]

    async def _decided(
        self,
        connection: AsyncConnection[Any],
        vector: VectorArray,
        rows: list[Row],
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> Hits:
        """The k nearest of one vector, from the k + 1 that pgvector takes for them, or from more where that is open."""
        doubt = Doubt(self._metric, vector)
        low, high = doubt.bounds(_distances(rows), _norms(rows))
        # Of the records that did not come none is nearer than this.
        rest = float(low[-1]) if len(rows) > k else np.inf
        if len(rows) > k and np.partition(high, k - 1)[k - 1] < rest:
            rows.pop()
        known = await self._settled(connection, vector, rows, include, doubt)
        farthest = np.sort(np.where(np.isnan(known), high[: len(rows)], known))[:k][-1:]
        if (farthest < rest).all():
            return self._hits(rows, known, k, include)
        return await self._compared(connection, vector, k, condition, include, doubt.limit(float(farthest[0])))

    async def approximate(
        self,
        connection: AsyncConnection[Any],
        vectors: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> list[Hits]:
        """What the index finds; exactly what there is where it finds too little, or cannot have told anything apart."""
        found = await self._rows(connection, vectors, k, condition, include, exact=False)
        hits: list[Hits | None] = []
        for vector, rows in zip(vectors, found, strict=True):
            doubt = Doubt(self._metric, vector)
            # Too few: there are no more, or the index scan gave up.
            if len(rows) < k or doubt.sunken(_norms(rows)):
                hits.append(None)
            else:
                known = await self._settled(connection, vector, rows, include, doubt)
                hits.append(self._hits(rows, known, k, include))
        missing = [place for place, one in enumerate(hits) if one is None]
        if missing:
            again = await self.exact(connection, vectors[missing], k, condition, include)
            for place, one in zip(missing, again, strict=True):
                hits[place] = one
        return [one for one in hits if one is not None]

    async def _rows(
        self,
        connection: AsyncConnection[Any],
        vectors: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
        *,
        exact: bool,
    ) -> list[list[Row]]:
        """For each vector the rows of ``Statements.nearest``."""
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        many = len(vectors) > 1
        statement = self._sql.nearest(k, include, exact, text, many)
        sloped = exact and self._metric is Metric.DOT
        oid = self._session.server.vector_oid or 0
        found: list[list[Row]] = [[] for _ in vectors]
        for start in range(0, len(vectors), _QUERIES_AT_ONCE):
            part = vectors[start : start + _QUERIES_AT_ONCE]
            given: list[Any] = [pack_vectors(part, oid) if many else pack_vector(part[0])]
            if sloped:
                slacks = [self._slack(vector) for vector in part]
                given.append(slacks if many else slacks[0])
            # With a condition the plan hangs on its values: psycopg must not keep one.
            prepare = False if many or condition is not None else None
            for row in await self._session.fetch(connection, statement, (*given, *params), prepare=prepare):
                found[start + row[2] - 1].append(row)
        return found

    def _slack(self, vector: VectorArray) -> float:
        return slack(self._dimension, float(np.linalg.norm(vector.astype(np.float64))))

    async def _settled(
        self, connection: AsyncConnection[Any], vector: VectorArray, rows: Sequence[Row], include: Include, doubt: Doubt
    ) -> NDArray[np.float64]:
        """The float64 distances of those rows whose place among the others, or whose value, is open; else NaN."""
        distance, norms = _distances(rows), _norms(rows)
        known = np.full(len(rows), np.nan)
        if not rows:
            return known
        unsure = np.flatnonzero(overlapping(*doubt.bounds(distance, norms)) | doubt.loose(distance, norms))
        if include.vectors:
            known[unsure] = self._true(vector, [rows[place][4] for place in unsure.tolist()])
            return known
        for start in range(0, len(unsure), self._vectors_at_once):
            places = {rows[place][0]: place for place in unsure[start : start + self._vectors_at_once].tolist()}
            fetched = await self._session.fetch(connection, self._sql.vectors, (pack_texts(list(places)),))
            there = [places[row[0]] for row in fetched]  # all but those deleted a moment ago
            known[there] = self._true(vector, [row[1] for row in fetched])
        return known

    def _true(self, vector: VectorArray, stored: Sequence[bytes]) -> NDArray[np.float64]:
        return distances(self._metric, vector, decode_vectors(stored, self._dimension))

    def _hits(self, rows: Sequence[Row], known: NDArray[np.float64], k: int, include: Include) -> Hits:
        distance = np.where(np.isnan(known), _distances(rows), known)
        order = sorted(range(len(rows)), key=lambda place: (distance[place], rows[place][0]))[:k]
        chosen = distance[np.asarray(order, dtype=np.intp)]
        records = decode([rows[place] for place in order], include, self._dimension, start=3)
        return Hits(records, chosen, scores(self._metric, chosen))

    async def _compared(
        self,
        connection: AsyncConnection[Any],
        vector: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
        limit: float,
    ) -> Hits:
        """The k nearest, from the vectors of all records that may be among them: those up to ``limit``."""
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        sloped = [self._slack(vector)] if self._metric is Metric.DOT else []
        best = TopK(self._metric, vector[None], k)
        after: list[str] = []
        while True:
            statement = self._sql.within(self._vectors_at_once, bool(after), text)
            given = (pack_vector(vector), *sloped, limit, *after, *params)
            rows = await self._session.fetch(connection, statement, given, prepare=False)
            if rows:
                part = decode_vectors([row[1] for row in rows], self._dimension)
                await compute(len(rows), best.take, Records([row[0] for row in rows], part))
                after = [rows[-1][0]]
            if len(rows) < self._vectors_at_once:
                break
        chosen: list[Row] = []
        for start in range(0, len(best.ids), _IDS_AT_ONCE):
            ids = pack_texts(best.ids[start : start + _IDS_AT_ONCE])
            chosen += await self._session.fetch(connection, self._sql.get(include), (ids,))
        return best.hits(decode(chosen, include, self._dimension))[0]


def _distances(rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.array([row[1] for row in rows], dtype=np.float64)


def _norms(rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.array([row[3] for row in rows], dtype=np.float64)
