"""The SQL of queries of one field. Pure.

In each statement the inner query picks rows; of several that are equally far, any may come. The outer one converts
their columns, which else happens before the sort, for every row. Numbers stand in the text so that a prepared plan
knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from vstore.fields import Dense, Sparse
from vstore.indexing import Metric
from vstore.records import Include
from vstore_pgvector.statements import Statements, field_columns, half_unit, on_condition, sent, signs
from vstore_pgvector.vectors import is_binary, is_halved

__all__ = ["DenseQueries", "SparseQueries"]

_OPERATOR: Final = {Metric.COSINE: "<=>", Metric.L2: "<->", Metric.DOT: "<#>"}


def _source(types: Sequence[str], names: Sequence[str], many: bool) -> str:
    """Return SQL for the parameters of one query, or of ``many``, and the number of each query from 1."""
    listed = ", ".join([*names, "number"])
    if many:
        return f"unnest({', '.join(f'%s::{kind}[]' for kind in types)}) with ordinality as q({listed})"
    return f"(select {', '.join(f'%s::{kind}' for kind in types)}, 1) as q({listed})"


class DenseQueries:
    """The statements that compare the vectors of a dense field."""

    def __init__(self, sql: Statements, name: str, field: Dense) -> None:
        self._sql = sql
        self._name = name
        (self._column,) = field_columns(name, field)
        self._sent = sent(name, field)
        self._operator = _OPERATOR[field.metric]
        self._dot = field.metric is Metric.DOT
        self._is_coarse = is_binary(field) or is_halved(field)
        self._coarse, self._nearness = (signs, "<~>") if is_binary(field) else (half_unit, "<=>")
        self._dimension = field.dimension
        self._norm = "0::float8" if field.metric is Metric.COSINE else f"vector_norm({self._column})"
        self._there = f"{self._column} is not null" if name else None
        self.nearest = lru_cache(maxsize=256)(self._nearest)

    def _nearest(self, k: int, include: Include, candidates: int | None, condition: str | None, many: bool) -> bytes:
        """Return SQL for the k nearest of each vector: id, distance, vector's number from 1, norm or 0, columns.

        They are the nearest of so many candidates of the index, or of all records where ``candidates`` is None.
        Parameters: the vector, or the array of ``many``; for all records under dot its slack, or theirs; the
        condition's.
        """
        head = f"select id, {self._distance('query')}, number, {self._norm}{self._sql.columns(include)} from "
        if candidates is None:
            return (head + self._compared(k, condition, many)).encode()
        return (head + self._by_index(k, include, candidates, condition, many)).encode()

    def _compared(self, k: int, condition: str | None, many: bool) -> str:
        """Return SQL for the rows of which all others are compared with each vector.

        ``+ 0`` keeps a query from the index: planner settings do not reach plans that psycopg has prepared. A sort
        copies every row, so that it gets no more of each than its place and distance.
        """
        types, names = (["vector", "float8"], ["query", "slack"]) if self._dot else (["vector"], ["query"])
        table = f"{self._sql.table}{on_condition(self._there, condition)}"
        return (
            f"{_source(types, names, many)} cross join lateral (select ctid as place, "
            f"{self._measure('q.query', 'q.slack')} + 0 as far from {table} order by far limit {k:d}) as near "
            f"join {self._sql.table} as t on t.ctid = near.place order by far"
        )

    def _by_index(self, k: int, include: Include, candidates: int, condition: str | None, many: bool) -> str:
        """Return SQL for the rows that the index finds for each vector."""
        raw = self._sql.raw_columns(include, self._name)
        if condition is not None:  # which no index serves then: a prepared plan cannot leave that on the vectors
            condition = f"coalesce({condition}, false)"
        table = f"{self._sql.table}{on_condition(self._there, condition)}"
        if self._is_coarse:  # the index ranks by less than the vectors, and these rank what it finds
            sides = (self._coarse(vector, self._dimension) for vector in (self._column, "q.query"))
            nearness = f" {self._nearness} ".join(sides)
            table = f"(select id{raw} from {table} order by {nearness} limit {candidates:d}) as candidates"
        return (
            f"{_source(['vector'], ['query'], many)} cross join lateral "
            f"(select id{raw} from {table} order by {self._distance('q.query')} limit {k:d}) as near"
        )

    def _distance(self, query: str) -> str:
        return f"({self._column} {self._operator} {query})"

    def _measure(self, query: str, slack: str) -> str:
        """Return a bound below each true distance, less what ``ErrorBounds.limit`` adds; long products are coarse."""
        distance = self._distance(query)
        return f"({distance} - {slack} * vector_norm({self._column}))" if self._dot else distance

    def within(self, rows: int, after: bool, condition: str | None) -> str:
        """Return ids and vectors of records that may be near enough, by ascending id.

        Parameters: the vector, its slack under dot, the limit, the last id, the condition's.
        """
        near = f"{self._measure('%s::vector', '%s::float8')} <= %s::float8"
        conditions = on_condition(near, "id > %s::text" if after else None, condition)
        return f"select id, {self._sent} from {self._sql.table}{conditions} order by id limit {rows:d}"

    @property
    def vectors(self) -> str:
        """The vectors of these ids."""
        return f"select id, {self._sent} from {self._sql.table} where id = any(%s::text[])"


class SparseQueries:
    """The statements that compare the vectors of a sparse field, in the bands of indices that a query has."""

    def __init__(self, sql: Statements, name: str, field: Sparse) -> None:
        self._sql = sql
        self._name = name
        self._columns = field_columns(name, field)
        self._sent = sent(name, field)
        self.nearest = lru_cache(maxsize=256)(self._nearest)

    def _distance(self, bands: Sequence[int], queries: Sequence[str]) -> str:
        """Return SQL for the distance: NULL or 0 where no index is shared."""
        products = [f"{self._columns[band]} <#> {query}" for band, query in zip(bands, queries, strict=True)]
        if len(products) == 1:
            return f"({products[0]})"
        return "(" + " + ".join(f"coalesce({product}, 0)" for product in products) + ")"

    def _nearest(self, k: int, include: Include, bands: tuple[int, ...], condition: str | None) -> str:
        """Return SQL for the k nearest of each query that share an index: id, distance, query's number, columns.

        Parameters: an array a band, NULL where a query has no value there; the condition's. ``offset 0`` has each
        distance computed once.
        """
        names = [f"band{band}" for band in bands]
        distance = self._distance(bands, [f"q.{name}" for name in names])
        return (
            f"select id, distance, number{self._sql.columns(include)} "
            f"from {_source(['sparsevec'] * len(bands), names, True)} "
            f"cross join lateral (select * from (select ctid as place, {distance} as distance "
            f"from {self._sql.table}{on_condition(condition)} offset 0) as every_one "
            f"where distance < 0 order by distance limit {k:d}) as near "
            f"join {self._sql.table} as t on t.ctid = near.place order by distance"
        )

    def within(self, rows: int, bands: Sequence[int], after: bool, condition: str | None) -> str:
        """Return ids and vectors of records that may be near enough, by ascending id.

        Parameters: the query's vector in each band, the limit, the last id, the condition's.
        """
        near = f"{self._distance(bands, ['%s::sparsevec'] * len(bands))} <= %s::float8"
        conditions = on_condition(near, "id > %s::text" if after else None, condition)
        return f"select id, {self._sent} from {self._sql.table}{conditions} order by id limit {rows:d}"
