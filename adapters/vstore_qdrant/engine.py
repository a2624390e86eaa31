"""The port over qdrant_edge: Qdrant's own engine in this process, a directory of shards.

The client's local mode would serve a path too, as a functional double in Python. The engine takes 10,000 x 384 in
1.6 s instead of 26.7, answers in 1.8 ms instead of 35, with a filter in 1 instead of 290, and opens them in 60 ms
instead of 1,400 (1.20.0 and 0.9.0, two cores).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Lock, RLock
from typing import Any, Final

import qdrant_edge as edge

from vstore.errors import NotFound, following
from vstore.types import CollectionInfo, VectorArray
from vstore_qdrant.building import build
from vstore_qdrant.capabilities import MAX_BATCH_ROWS
from vstore_qdrant.codec import Fields, Found, Payload, Points, stacked
from vstore_qdrant.conditions import Condition, number_fields
from vstore_qdrant.directory import Folder
from vstore_qdrant.engine_models import engine_config, engine_filter, engine_params
from vstore_qdrant.errors import guarded

__all__ = ["EngineDatabase", "EngineTable"]

# The engine holds the interpreter's lock during a call, and an event loop stands still for as long: about 15 ms
_FLOATS_AT_ONCE: Final = 200_000
# Acknowledged writes are in the engine's log, which outlives the process; a power cut may take the last of them.
# Flushing after so many points bounds both that and the time to replay the log on opening.
_POINTS_TO_FLUSH: Final = 10_000
# Bytes of vectors written since the index was built: fewer are quickly compared one by one
_BYTES_TO_BUILD: Final = 16 << 20
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


class EngineTable:
    """Implements ``Table``. One call at a time: the engine lets no two run at once anyway."""

    def __init__(self, folder: Folder, info: CollectionInfo) -> None:
        self._folder = folder
        self._info = info
        self._lock = RLock()
        self._shard: edge.EdgeShard | None = None
        self._closed = False
        self._rows = min(MAX_BATCH_ROWS, max(1, _FLOATS_AT_ONCE // info.dimension))
        self._unflushed = 0
        self._unbuilt = 0
        self._indexed: set[str] = set()
        with self._using():
            pass

    def _open(self) -> edge.EdgeShard:
        shard = edge.EdgeShard.load(str(self._folder.shard(self._info.name)))
        counts = shard.info()
        self._unbuilt = (counts.points_count - counts.indexed_vectors_count) * 4 * self._info.dimension
        return shard

    @property
    def info(self) -> CollectionInfo:
        return self._info

    @property
    def native(self) -> edge.EdgeShard | None:
        return self._shard

    @contextmanager
    def _using(self) -> Iterator[edge.EdgeShard]:
        with self._lock:
            if self._closed:
                raise NotFound("the collection was deleted, or the store was closed")
            with guarded():
                if self._shard is None:
                    self._shard = self._open()
                yield self._shard

    @contextmanager
    def _away(self, shard: edge.EdgeShard) -> Iterator[None]:
        """The shard is closed meanwhile; where it does not open again, the next call tries once more."""
        shard.flush()
        self._shard = None
        shard.close()
        try:
            yield
        finally:
            self._shard = self._open()

    @property
    def rows(self) -> int:
        return self._rows

    def upsert(self, points: Points) -> None:
        # the numbers of one vector at a time, which stay in the processor's cache
        made = [
            edge.Point(id=i, vector=vector.tolist(), payload=payload)
            for i, vector, payload in zip(points.ids, points.vectors, points.payloads, strict=True)
        ]
        self._update(edge.UpdateOperation.upsert_points(made))
        self._written(len(points))

    def overwrite(self, ids: Sequence[str], payloads: Sequence[Payload]) -> None:
        done: list[str] = []
        with following(done):
            for i, payload in zip(ids, payloads, strict=True):
                self._update(edge.UpdateOperation.overwrite_payload([i], payload))
                done.append(payload["id"])
        self._written(len(ids))

    def delete(self, ids: Sequence[str]) -> None:
        self._update(edge.UpdateOperation.delete_points(list(ids)))
        self._written(len(ids))

    def delete_where(self, condition: Condition) -> None:
        self._delete_by(self._chosen(condition))

    def clear(self) -> None:
        # an empty filter would select everything too; this one says so
        self._delete_by(edge.Filter(must_not=[edge.HasIdCondition({_NOBODY})]))

    def _delete_by(self, chosen: edge.Filter) -> None:
        with self._using() as shard:
            before = shard.info().points_count
            shard.update(edge.UpdateOperation.delete_points_by_filter(chosen))
            self._written(before - shard.info().points_count)

    def _update(self, operation: edge.UpdateOperation) -> None:
        with self._using() as shard:
            shard.update(operation)

    def _written(self, points: int) -> None:
        """Flushes and builds when enough was written."""
        with self._using() as shard:
            self._unflushed += points
            self._unbuilt += 4 * self._info.dimension * points
            if self._unflushed >= _POINTS_TO_FLUSH:
                shard.flush()
                self._unflushed = 0
            if self._unbuilt >= _BYTES_TO_BUILD:
                built = shard.info().indexed_vectors_count * 4 * self._info.dimension
                if self._unbuilt >= built // 2:
                    self._build(shard)

    def _build(self, shard: edge.EdgeShard) -> None:
        """The index, and room taken back from what was deleted; other calls on this collection wait."""
        try:
            with self._away(shard):
                build(self._folder.shard(self._info.name))
        finally:
            self._unbuilt = 0

    def _chosen(self, condition: Condition) -> edge.Filter:
        """A condition as a filter, with an index on every number it compares: 20 times faster at 10,000 records."""
        for name in sorted(number_fields(condition) - self._indexed):
            self._update(edge.UpdateOperation.create_field_index(name, edge.PayloadSchemaType.Float))
            self._indexed.add(name)
        return engine_filter(condition)

    def present(self, ids: Sequence[str]) -> list[str]:
        with self._using() as shard:
            return [str(point.id) for point in shard.retrieve(list(ids), False, False)]

    def retrieve(self, ids: Sequence[str], fields: Fields) -> Found:
        with self._using() as shard:
            return self._columns(shard.retrieve(list(ids), _selected(fields), fields.vectors), fields)

    def nearest(
        self, vectors: VectorArray, k: int, condition: Condition | None, fields: Fields, *, exact: bool, ef: int | None
    ) -> list[Found]:
        params = engine_params(self._info.index, exact=exact, ef=ef)
        chosen = None if condition is None else self._chosen(condition)
        selected = _selected(fields)
        out: list[Found] = []
        for vector in vectors.tolist():
            # the same as query, without its planning: 20 µs less
            request = edge.SearchRequest(
                query=edge.Query.Nearest(vector),
                limit=k,
                filter=chosen,
                params=params,
                with_vector=fields.vectors,
                with_payload=selected,
            )
            with self._using() as shard:
                found: Sequence[Any] = shard.search(request)
            out.append(self._columns(found, fields, [point.score for point in found]))
        return out

    def scroll(self, condition: Condition | None, limit: int, start: str | None, fields: Fields) -> tuple[Found, str]:
        request = edge.ScrollRequest(
            offset=start,
            limit=limit,
            filter=None if condition is None else self._chosen(condition),
            with_payload=_selected(fields),
            with_vector=fields.vectors,
        )
        with self._using() as shard:
            found: Sequence[Any] = shard.scroll(request)[0]
        return self._columns(found, fields), str(found[-1].id) if found else ""

    def count(self, condition: Condition | None) -> int:
        chosen = None if condition is None else self._chosen(condition)
        with self._using() as shard:
            return shard.count(edge.CountRequest(exact=True, filter=chosen))

    def move(self, name: str) -> None:
        """Renames the folder, for which the shard must be closed."""
        with self._using() as shard, self._away(shard):
            self._folder.rename(self._info.name, name)
            self._info = replace(self._info, name=name)

    def close(self) -> None:
        """Flushes and closes; every later call is ``NotFound``."""
        with self._lock, guarded():
            shard, self._shard, self._closed = self._shard, None, True
            if shard is not None:
                shard.flush()
                shard.close()

    def _columns(self, points: Sequence[Any], fields: Fields, scores: list[float] | None = None) -> Found:
        vectors = None
        if fields.vectors:
            vectors = stacked((point.vector for point in points), len(points), self._info.dimension)
        return Found([point.payload for point in points], vectors, scores)


@cache
def _selected(fields: Fields) -> edge.PayloadSelector:
    return edge.PayloadSelector.Include(list(fields.payload))


@dataclass(slots=True)
class _Shared:
    """What all stores of this process on one directory share: the engine opens a shard once."""

    folder: Folder
    tables: dict[str, EngineTable] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)
    writing: Lock = field(default_factory=Lock)
    users: int = 0


_shared: Final[dict[str, _Shared]] = {}
_registry: Final = Lock()


class EngineDatabase:
    """Implements ``Database``. As ``store.native`` it may be borrowed by another store of this process.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: str) -> None:
        """Takes a directory, which another store of this process may have already."""
        with _registry:
            if path not in _shared:
                _shared[path] = _Shared(Folder.take(Path(path)))
            self.path, self._in = path, _shared[path]
            self._in.users += 1

    @property
    def writing(self) -> Lock:
        """Held during writes by all stores on the directory."""
        return self._in.writing

    @property
    def native(self) -> EngineDatabase:
        return self

    @property
    def foreign(self) -> None:
        return None

    @property
    def shards(self) -> dict[str, edge.EdgeShard]:
        """The engine's shard of each collection that is open."""
        return {name: shard for name, table in self._in.tables.items() if (shard := table.native) is not None}

    def create(self, info: CollectionInfo) -> EngineTable:
        folder = self._in.folder
        with self._in.lock:
            made = folder.prepare()
            try:
                with guarded():
                    shard = edge.EdgeShard.create(str(made / "shard"), engine_config(info))
                    shard.update(edge.UpdateOperation.create_field_index("terms", edge.PayloadSchemaType.Keyword))
                    shard.flush()
                    shard.close()
                folder.publish(made, info)
            except BaseException:
                folder.discard(made)
                raise
            return self.open(info.name)

    def open(self, name: str) -> EngineTable:
        with self._in.lock:
            table = self._in.tables.get(name)
            if table is None:
                table = self._in.tables[name] = EngineTable(self._in.folder, self._in.folder.info(name))
            return table

    def names(self) -> list[str]:
        return self._in.folder.names()

    def drop(self, name: str) -> None:
        with self._in.lock:
            self._in.folder.info(name)
            if table := self._in.tables.pop(name, None):
                table.close()
            self._in.folder.remove(name)

    def rename(self, name: str, new: str) -> None:
        with self._in.lock:
            self.open(name).move(new)
            self._in.tables[new] = self._in.tables.pop(name)

    def ping(self) -> None:
        pass

    def close(self) -> None:
        with _registry:
            shared = self._in
            shared.users -= 1
            if shared.users:
                return
            del _shared[self.path]
            try:
                for table in shared.tables.values():
                    table.close()
            finally:
                shared.folder.release()
