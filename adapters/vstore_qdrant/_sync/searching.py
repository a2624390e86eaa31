# Generated from adapters/vstore_qdrant/_async/searching.py by tools/unasync.py: do not edit.
"""The nearest records to a vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from vstore.columns import Column, dense
from vstore.fields import Dense
from vstore.hits import Hits
from vstore.indexing import Metric
from vstore.records import Include, Records, VectorArray
from vstore.spi._sync.searching import scan_top_k, top_up
from vstore.spi.batching import batches, slices
from vstore.spi.latest import Latest
from vstore.spi.scores import distances, ranked
from vstore_qdrant._sync.database import Table
from vstore_qdrant.codec import Fields, Found, fields, next_point_id, point_id, to_records
from vstore_qdrant.conditions import All, Condition, NoneOf, Shorter
from vstore_qdrant.precision import converted, indistinct, longest_without_error, rest_is_farther, scaled
from vstore_qdrant.vectors import dimensions, having, read_columns, with_field

__all__ = ["Searcher", "compared", "pages_of", "records_of"]

_REQUEST_FLOATS: Final = 400_000
_RESPONSE_HITS: Final = 20_000
_IDS_AT_ONCE: Final = 1000
# of vectors that one exact query asks for by rank; beyond, all that match are read
_COMPARED_FLOATS: Final = 4_000_000
_SPARE: Final = 8


def records_of(table: Table, ids: Sequence[str], include: Include) -> Records:
    """Return the records with these ids, in their order."""
    wanted, parts = fields(include, table.info), list[Records]()
    for part in batches(ids, _IDS_AT_ONCE):
        found = table.retrieve([point_id(i) for i in part], wanted)
        parts.append(to_records(found, include, table.info))
    if not parts:
        parts = [to_records(Found([], read_columns(table.info, wanted.vectors, [])), include, table.info)]
    return Records.concat(parts).ordered(ids)


def pages_of(table: Table, condition: Condition | None, include: Include, rows: int) -> Iterator[Records]:
    """Yield all records that match, ``rows`` at a time."""
    wanted, start = fields(include, table.info), None
    while True:
        found, after = table.scroll(condition, rows, start, wanted)
        if not len(found):
            return
        yield to_records(found, include, table.info)
        start = next_point_id(after)


def compared(
    table: Table, field: str, queries: Column, k: int, condition: Condition | None, include: Include
) -> list[Hits]:
    """Return the true nearest, from the vectors of all records that match."""

    def get(ids: list[str]) -> Records:
        return records_of(table, ids, include)

    rows = max(1, min(_IDS_AT_ONCE, _REQUEST_FLOATS // max(1, dimensions(table.info))))
    pages = pages_of(table, condition, with_field(Include(), field), rows)
    return scan_top_k(table.info.field(field).metric, queries, k, pages, get, field)


class Searcher:
    """Queries of one dense field of a collection. They take no lock."""

    def __init__(self, table: Table, field: str) -> None:
        own = table.info.field(field)
        assert isinstance(own, Dense)
        self._table = table
        self._field = field
        self._metric = own.metric
        self._dimension = own.dimension
        self._fields: Latest[Include, Fields] = Latest(lambda include: fields(include, table.info))
        self._compared: Latest[Include, Fields] = Latest(lambda include: fields(with_field(include, field), table.info))

    def approximate(
        self, queries: VectorArray, k: int, condition: Condition | None, include: Include, ef: int | None
    ) -> list[Hits]:
        """Return the k nearest as the index finds them, never fewer than match."""
        metric, info = self._metric, self._table.info
        asked, scales = (queries, None) if metric is Metric.L2 else scaled(metric, queries)
        read = self._fields(include)
        ef = None if ef is None else max(k, ef)
        rows = max(1, min(_REQUEST_FLOATS // self._dimension, _RESPONSE_HITS // k))
        parts = (asked,) if len(asked) <= rows else (asked[part] for part in slices(len(asked), rows))
        found: list[Found] = []
        for part in parts:
            found += self._table.nearest(part, k, condition, read, field=self._field, exact=False, ef=ef)
        hits: list[Hits] = []
        close: list[int] = []
        whole = True
        for place, one in enumerate(found):
            distance = one.scores
            whole = whole and len(distance) >= k
            if scales is not None:
                distance = converted(metric, distance, scales[place])
            elif indistinct(queries, place):
                close.append(place)
            hits.append(ranked(metric, to_records(one, include, info), distance, k))
        return hits if whole and not close else self._topped_up(hits, close, queries, k, condition, include)

    def _topped_up(
        self,
        found: Sequence[Hits],
        close: Sequence[int],
        queries: VectorArray,
        k: int,
        condition: Condition | None,
        include: Include,
    ) -> list[Hits]:
        """Return the same hits, with the true ones at the places ``close``, and where fewer were found than match."""

        def count() -> int:
            return self._table.count(having(self._table.info, self._field, condition))

        def again(places: list[int]) -> list[Hits]:
            return self.exact(queries[places], k, condition, include)

        doubtful = set(close)
        return top_up([None if at in doubtful else one for at, one in enumerate(found)], k, count, again)

    def exact(self, queries: VectorArray, k: int, condition: Condition | None, include: Include) -> list[Hits]:
        """Return the true nearest: Qdrant's exact search finds more than k, which are compared in float64."""
        return [self._exact(query, k, condition, include) for query in queries]

    def _exact(self, query: VectorArray, k: int, condition: Condition | None, include: Include) -> Hits:
        read = with_field(include, self._field)
        wanted = self._compared(include)
        asked, scales = scaled(self._metric, query[None])
        scale = scales[0]
        limit = k + _SPARE
        while limit == k + _SPARE or limit * self._dimension <= _COMPARED_FLOATS:
            answers = self._table.nearest(asked, limit, condition, wanted, field=self._field, exact=True, ef=None)
            found = answers[0]
            records = to_records(found, read, self._table.info)
            hits = self._ranked(query, records, k)
            if len(found) == limit:
                # of what did not come, Qdrant has nothing nearer than this
                last = converted(self._metric, found.scores[-1:], scale)[0]
                known = self._others(query, last, scale, float(hits.distances[-1]), condition, read, limit)
                if known is None:
                    limit *= 2  # as many as float32 cannot tell from the last place, for the nearer among them
                    continue
                if len(known):
                    there = set(records.ids)
                    rest = known.take([place for place, i in enumerate(known.ids) if i not in there])
                    hits = self._ranked(query, Records.concat([records, rest]), k)
            return replace(hits, records=hits.records.only(include))
        own = having(self._table.info, self._field, condition)
        return (compared(self._table, self._field, query[None], k, own, include))[0]

    def _ranked(self, query: VectorArray, records: Records, k: int) -> Hits:
        return ranked(self._metric, records, distances(self._metric, query, dense(records.column(self._field))), k)

    def _others(
        self,
        query: VectorArray,
        last: float,
        scale: float,
        farthest: float,
        condition: Condition | None,
        read: Include,
        most: int,
    ) -> Records | None:
        """Return all records that Qdrant has at ``last`` or beyond and that may yet be no farther than ``farthest``.

        None where they are too many to be read one by one.
        """
        if self._metric is not Metric.DOT:
            return Records([]) if rest_is_farther(self._metric, self._dimension, last, farthest) else None
        bound = longest_without_error(query, last, scale, farthest)
        if bound is None:
            return None
        longer = NoneOf(Shorter(bound, self._field))
        present = having(self._table.info, self._field, condition)
        matching = longer if present is None else All((present, longer))
        if not (number := self._table.count(matching)):
            return Records([])
        if number > most:
            return None
        parts = [page for page in pages_of(self._table, matching, read, _IDS_AT_ONCE)]
        return Records.concat(parts) if parts else Records([])
