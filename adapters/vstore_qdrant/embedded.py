"""The port over qdrant_edge: Qdrant's own engine in this process, a directory of shards.

The client's local mode would serve a path too, as a functional double in Python. The engine takes 10,000 x 384 in
1.6 s instead of 26.7, answers in 1.8 ms instead of 35, with a filter in 1 instead of 290, and opens them in 60 ms
instead of 1,400 (1.20.0 and 0.9.0, two cores).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, RLock

import qdrant_edge as edge

from vstore.info import CollectionInfo
from vstore.spi.forking import abandon, in_children
from vstore_qdrant._sync.database import Table
from vstore_qdrant.conditions import metadata_field
from vstore_qdrant.engine_folder import Folder
from vstore_qdrant.engine_models import engine_config
from vstore_qdrant.engine_shard import EngineTable
from vstore_qdrant.errors import guarded

__all__ = ["EngineDatabase"]


@dataclass(slots=True)
class _Shared:
    """What all stores of this process on one directory share: the engine opens a shard once."""

    folder: Folder
    tables: dict[str, EngineTable] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)
    writing: Lock = field(default_factory=Lock)
    users: int = 0


_shared: dict[str, _Shared] = {}
_registry = Lock()


def _forget() -> None:
    """Leaves what is open to the parent, in a forked child: a finaliser would flush its files."""
    global _shared, _registry
    abandon(_shared)
    _shared, _registry = {}, Lock()


in_children(_forget)


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
                    if info.partition_by is not None:
                        tenant = edge.KeywordIndexParams(is_tenant=True)
                        path = metadata_field((info.partition_by,))
                        shard.update(edge.UpdateOperation.create_field_index(path, tenant))
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
                table = self._in.tables[name] = EngineTable(self._in.folder, name)
            return table

    def names(self) -> list[str]:
        return self._in.folder.names()

    def drop(self, name: str) -> None:
        with self._in.lock:
            self._in.folder.described(name)
            if table := self._in.tables.pop(name, None):
                table.close()
            self._in.folder.remove(name)

    def rename(self, table: Table, new: str) -> None:
        assert isinstance(table, EngineTable)
        with self._in.lock:
            name = table.info.name
            table.move(new)  # one that was deleted is closed, and has nothing of the next collection of its name
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
