# Generated from adapters/vstore_pgvector/_async/sparse.py by tools/unasync.py: do not edit.
"""The nearest records by a sparse field: pgvector picks by float32, and float64 decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np
from psycopg import Connection

from vstore.fields import Sparse
from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Include, Records
from vstore.sparse import SparseArray, SparseVector
from vstore.spi.batching import batches, slices
from vstore.spi.scores import TopK, float32_error, is_settled, ranked, sparse_distances
from vstore_pgvector._sync._run import compute
from vstore_pgvector._sync.session import Session
from vstore_pgvector.binary import pack_texts
from vstore_pgvector.codec import decode
from vstore_pgvector.compile import Condition
from vstore_pgvector.queries import SparseQueries
from vstore_pgvector.statements import Statements
from vstore_pgvector.vectors import bands_of, decode_sparse, pack_bands, pack_query

__all__ = ["SparseSearcher"]

Row: TypeAlias = tuple[Any, ...]

_QUERIES_AT_ONCE: Final = 100
# How many more than k are fetched, so that hits whose scores float32 cannot tell apart seldom need another statement.
_MORE: Final = 16
_VECTORS_AT_ONCE: Final = 1_000  # of up to 128 kB each
_IDS_AT_ONCE: Final = 10_000


class SparseSearcher:
    """Answers the queries of one sparse field of a collection, always exactly."""

    def __init__(self, session: Session, sql: Statements, name: str, field: Sparse) -> None:
        self._session = session
        self._sql = sql
        self._queries = SparseQueries(sql, name, field)
        self._name = name

    def exact(
        self,
        connection: Connection[Any],
        queries: SparseArray,
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> list[Hits]:
        """Return the true nearest."""
        wanted = replace(include, fields=tuple(dict.fromkeys((*include.fields, self._name))))
        found = self._rows(connection, queries, k + _MORE, condition, wanted)
        return [
            self._decided(connection, query, rows, k, condition, include, wanted)
            for query, rows in zip(queries, found, strict=True)
        ]

    def _rows(
        self,
        connection: Connection[Any],
        queries: SparseArray,
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> list[list[Row]]:
        """Return the rows of ``SparseQueries.nearest`` for each query."""
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        found: list[list[Row]] = [[] for _ in range(len(queries))]
        for chosen in slices(len(queries), _QUERIES_AT_ONCE):
            part = queries[chosen]
            bands = bands_of(part)
            statement = self._queries.nearest(k, include, bands, text)
            given = pack_bands(part, self._session.type_ids.sparsevec, bands)
            for row in self._session.fetch(connection, statement, (*given, *params)):
                found[chosen.start + row[2] - 1].append(row)
        return found

    def _decided(
        self,
        connection: Connection[Any],
        query: SparseVector,
        rows: list[Row],
        k: int,
        condition: Condition | None,
        include: Include,
        fetched: Include,
    ) -> Hits:
        """Return the k nearest of one query, from the rows that pgvector found, or from more if need be."""
        records = compute(len(rows), decode, rows, fetched, self._sql.info, start=2)
        column = records.fields[self._name]
        assert isinstance(column, SparseArray)
        distance = sparse_distances(query, column)
        ordered, error = np.sort(distance), float32_error(len(query))
        if len(rows) < k + _MORE or is_settled(ordered, k, rows[-1][1], error):
            return ranked(Metric.DOT, records.only(include), distance, k)
        # pgvector may take a record at this distance for so much farther
        limit = float(ordered[k - 1]) * (1 - error)
        return self._compared(connection, query, k, condition, include, limit)

    def _compared(
        self,
        connection: Connection[Any],
        query: SparseVector,
        k: int,
        condition: Condition | None,
        include: Include,
        limit: float,
    ) -> Hits:
        """Return the k nearest, from the vectors of all records that may be among them: those up to ``limit``."""
        queries = SparseArray.stack([query])
        best = TopK(Metric.DOT, queries, k, self._name)
        bands = bands_of(queries)
        vectors = pack_query(query, bands)
        text, params = (None, ()) if condition is None else (condition.sql, condition.params)
        after: list[str] = []
        rows: list[Row] | None = None
        while rows is None or len(rows) == _VECTORS_AT_ONCE:
            statement = self._queries.within(_VECTORS_AT_ONCE, bands, bool(after), text)
            given = (*vectors, limit, *after, *params)
            rows = self._session.fetch(connection, statement, given, prepare=False)
            if rows:
                column = compute(len(rows), decode_sparse, [row[1] for row in rows])
                best.take(Records([row[0] for row in rows], fields={self._name: column}))
                after = [rows[-1][0]]
        chosen: list[Row] = []
        for part in batches(best.ids, _IDS_AT_ONCE):
            chosen += self._session.fetch(connection, self._sql.get(include), (pack_texts(part),))
        return best.hits(decode(chosen, include, self._sql.info))[0]
