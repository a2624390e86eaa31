# Generated from adapters/vstore_pgvector/_async/searching.py by tools/unasync.py: do not edit.
"""The nearest records by a dense field: pgvector picks by float32, and what that leaves open float64 decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from vstore.fields import Dense
from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Include, Records, VectorArray
from vstore.spi._sync.searching import scan_top_k, top_up
from vstore.spi.batching import batches, slices
from vstore.spi.scores import distances, scores
from vstore_pgvector._sync.session import Session
from vstore_pgvector.binary import pack_texts
from vstore_pgvector.codec import decode, place_of
from vstore_pgvector.compile import Condition
from vstore_pgvector.precision import ErrorBounds, overlapping, slack
from vstore_pgvector.queries import DenseQueries
from vstore_pgvector.statements import Statements
from vstore_pgvector.vectors import decode_vectors, pack_vector, pack_vectors

__all__ = ["Searcher"]

Row: TypeAlias = tuple[Any, ...]

_QUERIES_AT_ONCE: Final = 100
_BYTES_AT_ONCE: Final = 16 << 20
_IDS_AT_ONCE: Final = 10_000


class Searcher:
    """Answers the queries of one dense field of a collection."""

    def __init__(self, session: Session, sql: Statements, name: str, field: Dense) -> None:
        self._session = session
        self._sql = sql
        self._queries = DenseQueries(sql, name, field)
        self._name = name
        self._metric = field.metric
        self._dimension = field.dimension
        self._vectors_at_once = max(1, min(_IDS_AT_ONCE, _BYTES_AT_ONCE // (4 * field.dimension)))

    def exact(
        self,
        connection: Connection[Any],
        vectors: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> list[Hits]:
        """Return the true nearest."""
        found = self._rows(connection, vectors, k + 1, condition, include, None)
        return [
            self._decided(connection, vector, rows, k, condition, include)
            for vector, rows in zip(vectors, found, strict=True)
        ]

    def _decided(
        self,
        connection: Connection[Any],
        vector: VectorArray,
        rows: list[Row],
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> Hits:
        """Return the k nearest of one vector, from the k + 1 that pgvector found, or from more if need be."""
        error = ErrorBounds(self._metric, vector)
        if self._are_clear(error, rows):
            return self._hits(rows[:k], include)
        low, high = error.bounds(_distances(rows), _norms(rows))
        # Of the records that did not come none is nearer than this.
        rest = float(low[-1]) if len(rows) > k else np.inf
        if len(rows) > k and np.partition(high, k - 1)[k - 1] < rest:
            rows.pop()
        known = self._settled(connection, vector, rows, include, error)
        most = high[: len(rows)]
        farthest = np.sort(most if known is None else np.where(np.isnan(known), most, known))[:k][-1:]
        if (farthest < rest).all():
            return self._hits(self._ordered(rows, known)[:k], include)
        return self._compared(connection, vector, k, condition, include, error.limit(float(farthest[0])))

    def approximate(
        self,
        connection: Connection[Any],
        vectors: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
        candidates: int,
    ) -> list[Hits]:
        """Return the nearest of so many candidates that the index finds.

        Where these are too few, or the index cannot tell records apart, they are the true nearest.
        """
        found = self._rows(connection, vectors, k, condition, include, candidates)
        hits: list[Hits | None] = []
        for vector, rows in zip(vectors, found, strict=True):
            error = ErrorBounds(self._metric, vector)
            if len(rows) < k:  # there are no more, or the index scan gave up
                hits.append(None)
            elif self._are_clear(error, rows):
                hits.append(self._hits(rows, include))
            elif error.underflowed(_norms(rows)):
                hits.append(None)
            else:
                known = self._settled(connection, vector, rows, include, error)
                hits.append(self._hits(self._ordered(rows, known), include))

        def again(places: list[int]) -> list[Hits]:
            return self.exact(connection, vectors[places], k, condition, include)

        return top_up(hits, k, None, again)

    def _rows(
        self,
        connection: Connection[Any],
        vectors: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
        candidates: int | None,
    ) -> list[list[Row]]:
        """Return the rows of ``DenseQueries.nearest`` for each vector."""
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        many = len(vectors) > 1
        statement = self._queries.nearest(k, include, candidates, text, many)
        sloped = candidates is None and self._metric is Metric.DOT
        if not many:
            slack = (self._slack(vectors[0]),) if sloped else ()
            return [self._session.ask(connection, statement, (pack_vector(vectors[0]), *slack, *params))]
        found: list[list[Row]] = [[] for _ in vectors]
        for chosen in slices(len(vectors), _QUERIES_AT_ONCE):
            part = vectors[chosen]
            given: list[Any] = [pack_vectors(part, self._session.type_ids.vector)]
            if sloped:
                given.append([self._slack(vector) for vector in part])
            for row in self._session.fetch(connection, statement, (*given, *params), prepare=False):
                found[chosen.start + row[2] - 1].append(row)
        return found

    def _slack(self, vector: VectorArray) -> float:
        return slack(self._dimension, float(np.linalg.norm(vector.astype(np.float64))))

    def _settled(
        self,
        connection: Connection[Any],
        vector: VectorArray,
        rows: Sequence[Row],
        include: Include,
        error: ErrorBounds,
    ) -> NDArray[np.float64] | None:
        """Return the float64 distances of rows whose order or value float32 leaves open; NaN for the others.

        None is that for all rows.
        """
        if not rows:
            return None
        distance, norms = _distances(rows), _norms(rows)
        is_unsure = overlapping(*error.bounds(distance, norms)) | error.imprecise(distance, norms)
        if not is_unsure.any():
            return None
        unsure, known = is_unsure.nonzero()[0], np.full(len(rows), np.nan)
        if (column := place_of(self._name, include)) is not None:
            known[unsure] = self._true(vector, [rows[place][4 + column] for place in unsure.tolist()])
            return known
        for part in batches(unsure, self._vectors_at_once):
            places = {rows[place][0]: place for place in part.tolist()}
            fetched = self._session.fetch(connection, self._queries.vectors, (pack_texts(list(places)),))
            there = [places[row[0]] for row in fetched]  # all but those deleted a moment ago
            known[there] = self._true(vector, [row[1] for row in fetched])
        return known

    def _true(self, vector: VectorArray, stored: Sequence[bytes]) -> NDArray[np.float64]:
        return distances(self._metric, vector, decode_vectors(stored, self._dimension))

    def _are_clear(self, error: ErrorBounds, rows: Sequence[Row]) -> bool:
        norms = [row[3] for row in rows] if self._metric is Metric.DOT else ()
        return error.are_clear([row[1] for row in rows], norms)

    def _ordered(self, rows: Sequence[Row], known: NDArray[np.float64] | None) -> list[Row]:
        """Return the rows by distance and id, with known distances in the place of those that pgvector computed."""
        if known is not None:
            pairs = zip(rows, known.tolist(), strict=True)
            rows = [row if math.isnan(true) else (row[0], true, *row[2:]) for row, true in pairs]
        return sorted(rows, key=lambda row: (row[1], row[0]))

    def _hits(self, rows: Sequence[Row], include: Include) -> Hits:
        distance = np.array([row[1] for row in rows], dtype=np.float64)
        return Hits(decode(rows, include, self._sql.info, start=3), distance, scores(self._metric, distance))

    def _compared(
        self,
        connection: Connection[Any],
        vector: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
        limit: float,
    ) -> Hits:
        """Return the k nearest, from the vectors of all records that may be among them: those up to ``limit``."""

        def get(ids: list[str]) -> Records:
            chosen: list[Row] = []
            for part in batches(ids, _IDS_AT_ONCE):
                chosen += self._session.fetch(connection, self._sql.get(include), (pack_texts(part),))
            return decode(chosen, include, self._sql.info)

        pages = self._within(connection, vector, condition, limit)
        return (scan_top_k(self._metric, vector[None], k, pages, get))[0]

    def _within(
        self, connection: Connection[Any], vector: VectorArray, condition: Condition | None, limit: float
    ) -> Iterator[Records]:
        """Yields the vectors of the records that pgvector takes to be no farther than ``limit``."""
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        sloped = [self._slack(vector)] if self._metric is Metric.DOT else []
        after: list[str] = []
        while True:
            statement = self._queries.within(self._vectors_at_once, bool(after), text)
            given = (pack_vector(vector), *sloped, limit, *after, *params)
            rows = self._session.fetch(connection, statement, given, prepare=False)
            if rows:
                yield Records([row[0] for row in rows], decode_vectors([row[1] for row in rows], self._dimension))
                after = [rows[-1][0]]
            if len(rows) < self._vectors_at_once:
                return


def _distances(rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.array([row[1] for row in rows], dtype=np.float64)


def _norms(rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.array([row[3] for row in rows], dtype=np.float64)
