"""One collection of the engine: a shard, in the words of the port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from threading import RLock
from typing import Any, Final

import qdrant_edge as edge

from vstore.columns import Column
from vstore.errors import NotFound
from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.sparse import SparseVector
from vstore_qdrant.capabilities import MAX_BATCH_ROWS
from vstore_qdrant.codec import NOBODY, Fields, Found, Points
from vstore_qdrant.conditions import Condition, Terms, compared_fields, is_of_one_tenant, joined
from vstore_qdrant.engine_build import build
from vstore_qdrant.engine_folder import Folder
from vstore_qdrant.engine_models import INDEXES, engine_filter, engine_params
from vstore_qdrant.errors import guarded
from vstore_qdrant.vectors import Columns, all_fields, dimensions, point_vectors, read_columns, vector_name

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
# filters, and kinds of searches, of a collection: made anew when there are more, and filters when a term of theirs
# comes to be used
_KEPT: Final = 64
_FILTERED: Final = 1
_OF_ONE_TENANT: Final = 2
# whoever reads both reads all of a payload but the shadow, and lengths of vectors
_MOST: Final = frozenset(("document", "metadata"))
_guarded: Final = guarded()


@dataclass(slots=True, eq=False)
class _Search:
    """What searches of one kind have in common.

    Attributes:
        using: The vector's name, or None.
        vectors: Which vectors come with a hit.
        payload: What of its payload.
        params: The settings without a filter, with one, and within one partition.
    """

    using: str | None
    vectors: bool | list[str]
    payload: edge.PayloadSelector | bool
    params: tuple[edge.SearchParams, ...]


class EngineTable:
    """Implements ``Table``. One call at a time: the engine lets no two run at once anyway."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        # no properties: a search reads them, and every function on its way costs it a microsecond
        self.info: CollectionInfo
        self.info, self._lean = folder.described(name)
        self._lock = RLock()
        self._shard: edge.EdgeShard | None = None
        self._closed = False
        self._rows = min(MAX_BATCH_ROWS, max(1, _FLOATS_AT_ONCE // max(1, dimensions(self.info))))
        self._width = sum(
            4 * one.dimension if isinstance(one, Dense) else _SPARSE_BYTES for one in all_fields(self.info).values()
        )
        self._unflushed = 0
        self._unbuilt = 0
        self._indexed: set[str] = set()
        self._unused: set[str] = set()
        self._filters: dict[Condition, tuple[edge.Filter, int]] = {}
        self._latest: tuple[Condition, tuple[edge.Filter, int]] | None = None  # of them, found without its hash
        self._searches: dict[tuple[str, Fields, bool, int | None], _Search] = {}
        with _guarded:
            self._ready()

    def _open(self) -> edge.EdgeShard:
        shard = edge.EdgeShard.load(str(self._folder.shard(self.info.name)))
        counts = shard.info()
        self._unbuilt = counts.points_count * self._width - self._built(counts)
        self._indexed = set(counts.payload_schema)
        return shard

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
        vectors = point_vectors(self.info, points.vectors, len(points), edge.SparseVector)
        made = [
            edge.Point(id=i, vector=vector, payload=payload)
            for i, vector, payload in zip(points.ids, vectors, points.payloads, strict=True)
        ]
        used = {term for payload in points.payloads for term in payload.get("terms", ())}
        with self._lock, _guarded:
            self._ready()
            if not self._unused.isdisjoint(used):
                self._unused -= used
                self._filters.clear()
                self._latest = None
            self._update(edge.UpdateOperation.upsert_points(made))
            self._written(len(points))

    def delete(self, ids: Sequence[str]) -> None:
        self._update(edge.UpdateOperation.delete_points(list(ids)))
        self._written(len(ids))

    def delete_where(self, condition: Condition) -> None:
        with self._lock, _guarded:
            self._ready()
            self._delete_by(self._chosen(condition)[0])

    def clear(self) -> None:
        # an empty filter would select everything too; this one says so
        self._delete_by(edge.Filter(must_not=[edge.HasIdCondition({NOBODY})]))

    def _delete_by(self, chosen: edge.Filter) -> None:
        with self._lock, _guarded:
            shard = self._ready()
            before = shard.info().points_count
            shard.update(edge.UpdateOperation.delete_points_by_filter(chosen))
            self._written(before - shard.info().points_count)

    def _update(self, operation: edge.UpdateOperation) -> None:
        with self._lock, _guarded:
            shard = self._ready()
            shard.update(operation)

    def _written(self, points: int) -> None:
        """Flushes and builds when enough was written."""
        with self._lock, _guarded:
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
        return counts.indexed_vectors_count * self._width // len(all_fields(self.info))

    def _build(self, shard: edge.EdgeShard) -> None:
        """Builds the index and takes back the room of deleted points; other calls on this collection wait."""
        try:
            with self._away(shard):
                build(self._folder.shard(self.info.name))
        finally:
            self._unbuilt = 0

    def _chosen(self, condition: Condition) -> tuple[edge.Filter, int]:
        """Return a condition as a filter, and its kind, for as long as the lock is held; see ``_is_used``."""
        latest = self._latest
        if latest is not None and latest[0] is condition:
            return latest[1]
        chosen = self._filters.get(condition)
        if chosen is None:
            if len(self._filters) >= _KEPT:
                self._filters.clear()
            kind = _OF_ONE_TENANT if is_of_one_tenant(condition) else _FILTERED
            chosen = self._filters[condition] = self._compiled(condition), kind
        self._latest = condition, chosen
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
        with self._lock, _guarded:
            shard = self._ready()
            own = engine_filter(Terms((term,)))
            if shard.count(edge.CountRequest(exact=True, filter=own)):
                return True
        self._unused.add(term)
        return False

    def present(self, ids: Sequence[str]) -> list[str]:
        with self._lock, _guarded:
            shard = self._ready()
            return [str(point.id) for point in shard.retrieve(list(ids), False, False)]

    def retrieve(self, ids: Sequence[str], fields: Fields) -> Found:
        with self._lock, _guarded:
            shard = self._ready()
            found: Sequence[Any] = shard.retrieve(list(ids), self._selected(fields), self._vectors(fields))
        return Found([point.payload for point in found], self._columns(found, fields))

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
        asked = self._searches.get((field, fields, exact, ef)) or self._search(field, fields, exact, ef)
        out: list[Found] = []
        for vector in vectors:
            query = edge.Query.Nearest(
                _sparse(vector) if isinstance(vector, SparseVector) else vector.tolist(), asked.using
            )
            with self._lock, _guarded:
                shard = self._shard or self._ready()
                chosen, kind = (None, 0) if condition is None else self._chosen(condition)
                # the same as query, without its planning: 20 µs less
                found: Sequence[Any] = shard.search(
                    edge.SearchRequest(
                        query=query,
                        limit=k,
                        filter=chosen,
                        params=asked.params[kind],
                        with_vector=asked.vectors,
                        with_payload=asked.payload,
                    )
                )
            columns = self._columns(found, fields) if fields.vectors else {}
            out.append(Found([point.payload for point in found], columns, [point.score for point in found]))
        return out

    def _search(self, field: str, fields: Fields, exact: bool, ef: int | None) -> _Search:
        """Return what searches of one kind have in common, which is made once."""
        if len(self._searches) >= _KEPT:
            self._searches.clear()
        own = self.info.field(field)
        index = own.index if isinstance(own, Dense) else None
        made = self._searches[field, fields, exact, ef] = _Search(
            vector_name(self.info, field) or None,
            self._vectors(fields),
            self._selected(fields),
            tuple(
                engine_params(index, exact=exact, ef=ef, tenant=kind == _OF_ONE_TENANT, filtered=kind > 0)
                for kind in range(_OF_ONE_TENANT + 1)
            ),
        )
        return made

    def scroll(self, condition: Condition | None, limit: int, start: str | None, fields: Fields) -> tuple[Found, str]:
        with self._lock, _guarded:
            shard = self._ready()
            request = edge.ScrollRequest(
                offset=start,
                limit=limit,
                filter=None if condition is None else self._chosen(condition)[0],
                with_payload=self._selected(fields),
                with_vector=self._vectors(fields),
            )
            found: Sequence[Any] = shard.scroll(request)[0]
        columns = self._columns(found, fields)
        return Found([point.payload for point in found], columns), str(found[-1].id) if found else ""

    def count(self, condition: Condition | None) -> int:
        with self._lock, _guarded:
            shard = self._ready()
            chosen = None if condition is None else self._chosen(condition)[0]
            return shard.count(edge.CountRequest(exact=True, filter=chosen))

    def move(self, name: str) -> None:
        """Renames the folder, for which the shard must be closed."""
        with self._lock, _guarded:
            shard = self._ready()
            if name == self.info.name:
                return
            with self._away(shard):
                self._folder.rename(self.info.name, name)
                self.info = replace(self.info, name=name)

    def close(self) -> None:
        """Flushes and closes; every later call is ``NotFound``."""
        with self._lock, _guarded:
            shard, self._shard, self._closed = self._shard, None, True
            if shard is not None:
                shard.flush()
                shard.close()

    def _selected(self, fields: Fields) -> edge.PayloadSelector | bool:
        # a choice of names costs 3 µs a point, what a lean shadow mostly adds costs nothing
        return True if self._lean and _MOST.issubset(fields.payload) else _selector(fields.payload)

    def _vectors(self, fields: Fields) -> bool | list[str]:
        if not self.info.fields or not fields.vectors:
            return bool(fields.vectors)
        return [vector_name(self.info, name) for name in fields.vectors]

    def _columns(self, points: Sequence[Any], fields: Fields) -> Columns:
        names = fields.vectors
        return read_columns(self.info, names, (point.vector for point in points), widened=True) if names else {}


def _sparse(vector: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(vector.indices.tolist(), vector.values.tolist())


@cache
def _selector(names: tuple[str, ...]) -> edge.PayloadSelector:
    return edge.PayloadSelector.Include(list(names))
