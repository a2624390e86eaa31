# Generated from adapters/vstore_qdrant/_async/adapter.py by tools/unasync.py: do not edit.
"""One connection to Qdrant and its collections."""

from __future__ import annotations

from collections.abc import Sequence

from vstore.capabilities import Capabilities, Support
from vstore.errors import VStoreError
from vstore.indexing import HNSW, Index, Metric
from vstore.info import CollectionInfo
from vstore.spi.protocol import ForeignStore
from vstore_qdrant._sync._run import Lock
from vstore_qdrant._sync.collection import QdrantCollection
from vstore_qdrant._sync.database import Database, Table
from vstore_qdrant.errors import translate

__all__ = ["QdrantAdapter"]


class QdrantAdapter:
    """Implements ``Adapter`` over either port."""

    def __init__(self, database: Database, capabilities: Capabilities, lock: Lock, secrets: Sequence[str] = ()) -> None:
        self._database = database
        self._capabilities = capabilities
        self._lock = lock
        self._secrets = secrets

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def native(self) -> object:
        return self._database.native

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    @property
    def foreign(self) -> ForeignStore | None:
        return self._database.foreign(substrings=self._capabilities.document_contains.support is Support.NATIVE)

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return HNSW()

    def create(self, info: CollectionInfo) -> QdrantCollection:
        return self._bind(self._database.create(info))

    def open(self, name: str) -> QdrantCollection:
        return self._bind(self._database.open(name))

    def names(self) -> list[str]:
        return sorted(self._database.names())

    def drop(self, name: str) -> None:
        self._database.drop(name)

    def ping(self) -> None:
        self._database.ping()

    def close(self) -> None:
        self._database.close()

    def _bind(self, table: Table) -> QdrantCollection:
        return QdrantCollection(self._database, table, self._capabilities, self._lock)
