"""One connection to Qdrant and its collections."""

from __future__ import annotations

from collections.abc import Sequence

from vstore.capabilities import Capabilities, Support
from vstore.errors import VStoreError
from vstore.indexing import HNSW, Index, Metric
from vstore.info import CollectionInfo
from vstore.spi.protocol import AsyncForeignStore
from vstore_qdrant._async._run import Lock
from vstore_qdrant._async.collection import AsyncQdrantCollection
from vstore_qdrant._async.database import AsyncDatabase, AsyncTable
from vstore_qdrant.errors import translate

__all__ = ["AsyncQdrantAdapter"]


class AsyncQdrantAdapter:
    """Implements ``AsyncAdapter`` over either port."""

    def __init__(
        self, database: AsyncDatabase, capabilities: Capabilities, lock: Lock, secrets: Sequence[str] = ()
    ) -> None:
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
    def foreign(self) -> AsyncForeignStore | None:
        return self._database.foreign(substrings=self._capabilities.document_contains.support is Support.NATIVE)

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return HNSW()

    async def create(self, info: CollectionInfo) -> AsyncQdrantCollection:
        return self._bind(await self._database.create(info))

    async def open(self, name: str) -> AsyncQdrantCollection:
        return self._bind(await self._database.open(name))

    async def names(self) -> list[str]:
        return sorted(await self._database.names())

    async def drop(self, name: str) -> None:
        await self._database.drop(name)

    async def ping(self) -> None:
        await self._database.ping()

    async def close(self) -> None:
        await self._database.close()

    def _bind(self, table: AsyncTable) -> AsyncQdrantCollection:
        return AsyncQdrantCollection(self._database, table, self._capabilities, self._lock)
