"""One collection of the engine: a shard, in the words of the port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from threading import RLock
from typing import Any, Final

import qdrant_edge as edge

from vstore.columns import Column
from vstore.errors import NotFound
from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.records import VectorArray
from vstore.sparse import SparseVector
from vstore_qdrant.capabilities import MAX_BATCH_ROWS
from vstore_qdrant.codec import Fields, Found, Points
from vstore_qdrant.conditions import Condition, Terms, compared_fields, is_of_one_tenant, joined
from vstore_qdrant.engine_build import build
from vstore_qdrant.engine_folder import Folder
from vstore_qdrant.engine_models import INDEXES, engine_filter, engine_params
from vstore_qdrant.errors import guarded
from vstore_qdrant.vectors import all_fields, dimensions, point_vectors, read_columns, vector_name

__all__ = ["EngineTable"]

# The engine holds the interpreter's lock during a call, and an event loop stands still for as long: about 15 ms
_FLOATS_AT_ONCE: Final = 200_000
# Acknowledged writes are in the engine's log, which outlives the process; a power cut may take the last of them.
# Flushing after so many points bounds both that and the time to replay the log on opening.
_POINTS_TO_FLUSH: Final = 10_000
# Bytes of vectors written since the index was built: fewer are quickly compared one by one
_BYTES_TO_BUILD: Final = 16 << 20
# what a sparse vector is taken for there, whose index the engine keeps up and gives its final form when it builds
_SPARSE_BYTES: Final = 1024
# of a collection, made anew when more are asked for, or when one of their terms comes to be used
_FILTERS: Final = 64
# whoever reads both reads all of a payload but the shadow, and lengths of vectors
_MOST: Final = frozenset(("document", "metadata"))
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


class EngineTable:
    """Implements ``Table``. One call at a time: the engine lets no two run at once anyway."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._info, self._lean = folder.described(name)
        self._lock = RLock()
        self._shard: edge.EdgeShard | None = None
        self._closed = False
        self._rows = min(MAX_BATCH_ROWS, max(1, _FLOATS_AT_ONCE // max(1, dimensions(self._info))))
        self._width = sum(
            4 * one.dimension if isinstance(one, Dense) else _SPARSE_BYTES for one in all_fields(self._info).values()
        )
        self._unflushed = 0
        self._unbuilt = 0
        self._indexed: set[str] = set()
        self._unused: set[str] = set()
        self._filters: dict[Condition, edge.Filter] = {}
        self._made_params: dict[tuple[str, bool, int | None, bool, bool], edge.SearchParams] = {}
        with guarded():
            self._ready()

    def _open(self) -> edge.EdgeShard:
        shard = edge.EdgeShard.load(str(self._folder.shard(self._info.name)))
        counts = shard.info()
        self._unbuilt = counts.points_count * self._width - self._built(counts)
        self._indexed = set(counts.payload_schema)
        return shard

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def native(self) -> edge.EdgeShard | None:
        return self._shard

    def _ready(self) -> edge.EdgeShard:
        """Return the open shard, for as long as the lock is held."""
        if self._closed:
            raise NotFound("the collection was deleted, or the store was closed")
        if self._shard is None:
            self._shard = self._open()
        return self._shard

    @contextmanager
    def _away(self, shard: edge.EdgeShard) -> Iterator[None]:
        """Closes the shard meanwhile; where it does not open again, the next call tries once more."""
        shard.flush()
        self._shard = None
        shard.close()
        try:
            yield
        finally:
            self._shard = self._open()

    @property
    def lean(self) -> bool:
        return self._lean

    @property
    def rows(self) -> int:
        return self._rows

    def upsert(self, points: Points) -> None:
        vectors = point_vectors(self._info, points.vectors, len(points), edge.SparseVector)
        made = [
            edge.Point(id=i, vector=vector, payload=payload)
            for i, vector, payload in zip(points.ids, vectors, points.payloads, strict=True)
        ]
        used = {term for payload in points.payloads for term in payload.get("terms", ())}
        with self._lock, guarded():
            self._ready()
            if not self._unused.isdisjoint(used):
                self._unused -= used
                self._filters.clear()
            self._update(edge.UpdateOperation.upsert_points(made))
            self._written(len(points))

    def delete(self, ids: Sequence[str]) -> None:
        self._update(edge.UpdateOperation.delete_points(list(ids)))
        self._written(len(ids))

    def delete_where(self, condition: Condition) -> None:
        with self._lock, guarded():
            self._ready()
            self._delete_by(self._chosen(condition))

    def clear(self) -> None:
        # an empty filter would select everything too; this one says so
        self._delete_by(edge.Filter(must_not=[edge.HasIdCondition({_NOBODY})]))

    def _delete_by(self, chosen: edge.Filter) -> None:
        with self._lock, guarded():
            shard = self._ready()
            before = shard.info().points_count
            shard.update(edge.UpdateOperation.delete_points_by_filter(chosen))
            self._written(before - shard.info().points_count)

    def _update(self, operation: edge.UpdateOperation) -> None:
        with self._lock, guarded():
            shard = self._ready()
            shard.update(operation)

    def _written(self, points: int) -> None:
        """Flushes and builds when enough was written."""
        with self._lock, guarded():
            shard = self._ready()
            self._unflushed += points
            self._unbuilt += self._width * points
            if self._unflushed >= _POINTS_TO_FLUSH:
                shard.flush()
                self._unflushed = 0
            if self._unbuilt >= _BYTES_TO_BUILD and self._unbuilt >= self._built(shard.info()) // 2:
                self._build(shard)

    def _built(self, counts: edge.ShardInfo) -> int:
        """Return about how many bytes of vectors are indexed, of which the engine counts those of all fields."""
        return counts.indexed_vectors_count * self._width // len(all_fields(self._info))

    def _build(self, shard: edge.EdgeShard) -> None:
        """Builds the index and takes back the room of deleted points; other calls on this collection wait."""
        try:
            with self._away(shard):
                build(self._folder.shard(self._info.name))
        finally:
            self._unbuilt = 0

    def _chosen(self, condition: Condition) -> edge.Filter:
        """Return a condition as a filter, for as long as the lock is held; see ``_is_used``."""
        chosen = self._filters.get(condition)
        if chosen is None:
            if len(self._filters) >= _FILTERS:
                self._filters.clear()
            chosen = self._filters[condition] = self._compiled(condition)
        return chosen

    def _compiled(self, condition: Condition) -> edge.Filter:
        """Return a condition as a filter, and index every value it compares: 20 times faster at 10,000 records.

        A field has one index. Another kind of value there is found without it.
        """
        asked = joined(condition, self._is_used)
        for name, kind in sorted(compared_fields(asked).items()):
            if name not in self._indexed:
                self._update(edge.UpdateOperation.create_field_index(name, INDEXES[kind]))
                self._indexed.add(name)
        return engine_filter(asked)

    def _is_used(self, term: str) -> bool:
        """Return whether a record has a term. What was found unused is so until this table writes it: no other does."""
        if term in self._unused:
            return False
        with self._lock, guarded():
            shard = self._ready()
            own = engine_filter(Terms((term,)))
            if shard.count(edge.CountRequest(exact=True, filter=own)):
                return True
        self._unused.add(term)
        return False

    def present(self, ids: Sequence[str]) -> list[str]:
        with self._lock, guarded():
            shard = self._ready()
            return [str(point.id) for point in shard.retrieve(list(ids), False, False)]

    def retrieve(self, ids: Sequence[str], fields: Fields) -> Found:
        with self._lock, guarded():
            shard = self._ready()
            return self._columns(shard.retrieve(list(ids), self._selected(fields), self._vectors(fields)), fields)

    def nearest(
        self,
        vectors: Column,
        k: int,
        condition: Condition | None,
        fields: Fields,
        *,
        field: str,
        exact: bool,
        ef: int | None,
    ) -> list[Found]:
        using = vector_name(self._info, field) or None
        params = self._params(field, exact, ef, condition)
        read = self._vectors(fields)
        selected = self._selected(fields)
        out: list[Found] = []
        for vector in vectors:
            query = edge.Query.Nearest(_query(vector), using)
            with self._lock, guarded():
                shard = self._ready()
                # the same as query, without its planning: 20 µs less
                request = edge.SearchRequest(
                    query=query,
                    limit=k,
                    filter=None if condition is None else self._chosen(condition),
                    params=params,
                    with_vector=read,
                    with_payload=selected,
                )
                found: Sequence[Any] = shard.search(request)
            out.append(self._columns(found, fields, [point.score for point in found]))
        return out

    def _params(self, field: str, exact: bool, ef: int | None, condition: Condition | None) -> edge.SearchParams:
        """Return the settings of one search, which are made once."""
        filtered = condition is not None
        asked = field, exact, ef, filtered, filtered and is_of_one_tenant(condition)
        found = self._made_params.get(asked)
        if found is None:
            if len(self._made_params) >= _FILTERS:
                self._made_params.clear()
            own = self._info.field(field)
            index = own.index if isinstance(own, Dense) else None
            found = engine_params(index, exact=exact, ef=ef, tenant=asked[-1], filtered=filtered)
            self._made_params[asked] = found
        return found

    def scroll(self, condition: Condition | None, limit: int, start: str | None, fields: Fields) -> tuple[Found, str]:
        with self._lock, guarded():
            shard = self._ready()
            request = edge.ScrollRequest(
                offset=start,
                limit=limit,
                filter=None if condition is None else self._chosen(condition),
                with_payload=self._selected(fields),
                with_vector=self._vectors(fields),
            )
            found: Sequence[Any] = shard.scroll(request)[0]
        return self._columns(found, fields), str(found[-1].id) if found else ""

    def count(self, condition: Condition | None) -> int:
        with self._lock, guarded():
            shard = self._ready()
            chosen = None if condition is None else self._chosen(condition)
            return shard.count(edge.CountRequest(exact=True, filter=chosen))

    def move(self, name: str) -> None:
        """Renames the folder, for which the shard must be closed."""
        with self._lock, guarded():
            shard = self._ready()
            if name == self._info.name:
                return
            with self._away(shard):
                self._folder.rename(self._info.name, name)
                self._info = replace(self._info, name=name)

    def close(self) -> None:
        """Flushes and closes; every later call is ``NotFound``."""
        with self._lock, guarded():
            shard, self._shard, self._closed = self._shard, None, True
            if shard is not None:
                shard.flush()
                shard.close()

    def _selected(self, fields: Fields) -> edge.PayloadSelector | bool:
        # a choice of names costs 3 µs a point, what a lean shadow mostly adds costs nothing
        return True if self._lean and _MOST.issubset(fields.payload) else _selector(fields.payload)

    def _vectors(self, fields: Fields) -> bool | list[str]:
        if not self._info.fields or not fields.vectors:
            return bool(fields.vectors)
        return [vector_name(self._info, name) for name in fields.vectors]

    def _columns(self, points: Sequence[Any], fields: Fields, scores: list[float] | None = None) -> Found:
        names = fields.vectors
        vectors = read_columns(self._info, names, (point.vector for point in points), widened=True) if names else {}
        return Found([point.payload for point in points], vectors, scores)


def _query(vector: VectorArray | SparseVector) -> list[float] | edge.SparseVector:
    if isinstance(vector, SparseVector):
        return edge.SparseVector(vector.indices.tolist(), vector.values.tolist())
    numbers: list[float] = vector.tolist()
    return numbers


@cache
def _selector(names: tuple[str, ...]) -> edge.PayloadSelector:
    return edge.PayloadSelector.Include(list(names))
