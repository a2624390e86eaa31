# Generated from adapters/vstore_qdrant/_async/collection.py by tools/unasync.py: do not edit.
"""One collection of Qdrant: writes, and reads by id."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Final

import numpy as np

from vstore.capabilities import Capabilities, Support
from vstore.columns import Column, take_rows
from vstore.errors import AlreadyExists, NotFound, partial_write_context
from vstore.fields import Dense
from vstore.filters.tree import DocumentContains, Filter, HasText, Leaf
from vstore.hits import Hits
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.records import Include, Records
from vstore.sparse import SparseArray
from vstore.spi._sync.batching import write_parts
from vstore.spi._sync.searching import scan_top_k
from vstore.spi.batching import batches, slices
from vstore.spi.latest import Latest
from vstore.spi.partial import PartialFilter, split_filter
from vstore_qdrant._sync._run import Lock
from vstore_qdrant._sync.database import Database, Table
from vstore_qdrant._sync.searching import Searcher, records_of
from vstore_qdrant._sync.sparse_searching import SparseSearcher
from vstore_qdrant.codec import (
    Fields,
    Points,
    changed,
    fields,
    next_point_id,
    point_id,
    split,
    to_points,
    to_records,
    weights,
)
from vstore_qdrant.compile import compile_filter
from vstore_qdrant.conditions import Condition
from vstore_qdrant.vectors import all_fields, columns_of, dimensions, kept, with_field

__all__ = ["QdrantCollection"]

_IDS_AT_ONCE: Final = 1000
_IDS: Final = Include()
_READ_FLOATS: Final = 400_000
# of one write of an engine: beyond what its tables take of dense vectors, so that long sparse ones alone are split
_ENGINE_NUMBERS: Final = 400_000
_ALL_BUT_SHADOWS: Final = ("id", "document", "metadata", "exact", "norm", "norms")


class QdrantCollection:
    """Implements ``CollectionAdapter``.

    Every write holds the store's lock, since Qdrant's own calls are not what the contract promises: there is
    an upsert but no add, and an update neither merges as ours does nor keeps what filters are answered from.
    """

    def __init__(self, database: Database, table: Table, capabilities: Capabilities, lock: Lock) -> None:
        self._database = database
        self._table = table
        self._lock = lock
        self._bytes = capabilities.limits.max_batch_bytes if capabilities.mode == "server" else None
        self._substrings = capabilities.document_contains.support is Support.NATIVE
        self._translated = Latest(self._translate)
        self._dense: dict[str, Searcher] = {}
        self._sparse: dict[str, SparseSearcher] = {}
        for name, field in all_fields(table.info).items():
            if isinstance(field, Dense):
                self._dense[name] = Searcher(table, name)
            else:
                self._sparse[name] = SparseSearcher(table, name)

    @property
    def info(self) -> CollectionInfo:
        return self._table.info

    @property
    def native(self) -> object:
        return self._table.native

    def add(self, records: Records) -> None:
        ids = [point_id(i) for i in records.ids]
        with self._lock:
            if taken := self._present(ids):
                raise AlreadyExists.of_records([i for i, point in zip(records.ids, ids, strict=True) if point in taken])
            self._insert(records, ids)

    def upsert(self, records: Records) -> None:
        ids = [point_id(i) for i in records.ids]
        with self._lock:
            self._insert(records, ids)

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        # Whole points are written. Qdrant would take payloads alone, as one operation a point: eight times slower on a
        # server, and beside an upsert of another process it would leave the vector of the one with the other's text
        ids = [point_id(i) for i in records.ids]
        rows = min(self._table.rows, max(1, _READ_FLOATS // max(1, dimensions(self.info))))
        with self._lock:
            if len(ids) > rows:
                self._all_there(records.ids, ids, self._present(ids))
            done: list[str] = []
            for part in slices(len(ids), rows):
                with partial_write_context(done):
                    points = self._updated(records[part], ids[part], replace_metadata=replace_metadata)
                self._upsert(records.ids[part], points, done)

    def _updated(self, records: Records, ids: list[str], *, replace_metadata: bool) -> Points:
        """Return the points as the update leaves them."""
        columns, lengths = kept(self.info, columns_of(records), len(records))
        rest = tuple(name for name in all_fields(self.info) if name not in columns)
        found = self._table.retrieve(ids, Fields(_ALL_BUT_SHADOWS, rest))
        places = {payload["id"]: place for place, payload in enumerate(found.payloads)}
        self._all_there(records.ids, records.ids, places)
        order = np.array([places[i] for i in records.ids], dtype=np.intp)
        columns |= {name: take_rows(found.vectors[name], order) for name in rest}
        payloads = [
            changed(
                found.payloads[old],
                records,
                place,
                replace_metadata=replace_metadata,
                lengths=lengths[place],
                lean=self._table.lean,
            )
            for place, old in enumerate(order.tolist())
        ]
        return Points(ids, columns, payloads)

    @staticmethod
    def _all_there(names: Sequence[str], ids: Sequence[str], there: Container[str]) -> None:
        if missing := [name for name, i in zip(names, ids, strict=True) if i not in there]:
            raise NotFound.of_records(missing)

    def get(self, ids: Sequence[str], include: Include) -> Records:
        return records_of(self._table, ids, include)

    def query(
        self,
        vectors: Column,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
        field: str = "",
    ) -> list[Hits]:
        condition: Condition | None = None
        if where is not None:
            partial, condition = self._translated(where)
            if partial is not None:
                return self._filtered_here(field, vectors, k, where, include)
        if isinstance(vectors, SparseArray):
            return self._sparse[field].nearest(vectors, k, condition, include)
        if exact:
            return self._dense[field].exact(vectors, k, condition, include)
        ef = None if search is None else search.ef
        return self._dense[field].approximate(vectors, k, condition, include, ef)

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        # Qdrant scrolls in the order of ids, from a given one on: what is written meanwhile moves nothing
        partial = self._partial(where)
        asked, read = (where, include) if partial is None else (partial.asked, partial.read(include))
        condition, wanted = self._condition(asked), fields(read, self.info)
        while True:
            start = None if after is None else next_point_id(after)
            found, after = self._table.scroll(condition, batch_size, start, wanted)
            if not len(found):
                return
            page = to_records(found, read, self.info)
            if partial is not None:
                page = partial.keep(page, include)
            if page.ids:
                yield page, after

    def delete_ids(self, ids: Sequence[str]) -> None:
        with self._lock:
            self._delete(ids)

    def delete_where(self, where: Filter) -> None:
        with self._lock:
            if self._partial(where) is None:
                self._table.delete_where(self._compiled(where))
                return
            ids = [record_id for page, _ in self.scan(where, _IDS_AT_ONCE, None, _IDS) for record_id in page.ids]
            self._delete(ids)

    def clear(self) -> None:
        with self._lock:
            self._table.clear()

    def count(self, where: Filter | None) -> int:
        if self._partial(where) is not None:
            return sum([len(page) for page, _ in self.scan(where, _IDS_AT_ONCE, None, _IDS)])
        return self._table.count(self._condition(where))

    def rename(self, name: str) -> None:
        with self._lock:
            self._database.rename(self._table, name)

    def _translate(self, where: Filter) -> tuple[PartialFilter | None, Condition | None]:
        """Return how to answer a part of a filter, or all of it."""
        partial = self._partial(where)
        return partial, self._compiled(where) if partial is None else None

    def _condition(self, where: Filter | None) -> Condition | None:
        return None if where is None else self._compiled(where)

    def _compiled(self, where: Filter) -> Condition:
        return compile_filter(where, self.info.partition_by, lean=self._table.lean)

    def _partial(self, where: Filter | None) -> PartialFilter | None:
        """Return how to answer a filter on parts of texts where Qdrant cannot; None where it answers all of it."""
        if where is None:
            return None
        beyond: tuple[type[Leaf], ...] = (HasText,) if self._substrings else (HasText, DocumentContains)
        return split_filter(where, lambda leaf: isinstance(leaf, beyond))

    def _filtered_here(self, field: str, queries: Column, k: int, where: Filter | None, include: Include) -> list[Hits]:
        """Return the true nearest, from the vectors of all records that match."""

        def get(ids: list[str]) -> Records:
            return self.get(ids, include)

        pages = (page for page, _ in self.scan(where, _IDS_AT_ONCE, None, with_field(_IDS, field)))
        return scan_top_k(self.info.field(field).metric, queries, k, pages, get, field)

    def _delete(self, ids: Sequence[str]) -> None:
        parts = ((part, [point_id(i) for i in part]) for part in batches(ids, _IDS_AT_ONCE))
        write_parts(parts, self._table.delete)

    def _present(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for part in batches(ids, _IDS_AT_ONCE):
            found.update(self._table.present(part))
        return found

    def _insert(self, records: Records, ids: list[str]) -> None:
        done: list[str] = []
        for rows in slices(len(ids), self._table.rows):
            points = to_points(records[rows], ids[rows], self.info, lean=self._table.lean)
            self._upsert(records.ids[rows], points, done)

    def _upsert(self, ids: Sequence[str], points: Points, done: list[str]) -> None:
        """Writes the points of some ids, which are appended to ``done`` request by request."""
        parts = ((ids[part], points[part]) for part in self._requests(points))
        write_parts(parts, self._table.upsert, done)

    def _requests(self, points: Points) -> list[slice]:
        if self._bytes is None:
            return split(points.numbers, _ENGINE_NUMBERS)
        return split(weights(points), self._bytes)
