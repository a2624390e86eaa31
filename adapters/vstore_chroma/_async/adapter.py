"""One connection to Chroma and its collections."""

from __future__ import annotations

from collections.abc import Sequence

from chromadb.api import AsyncClientAPI
from chromadb.api.models.AsyncCollection import AsyncCollection

from vstore.capabilities import Capabilities
from vstore.errors import VStoreError
from vstore.indexing import HNSW, Index, Metric
from vstore.info import CollectionInfo
from vstore_chroma._async._run import Closer, Lock
from vstore_chroma._async.collection import AsyncChromaCollection
from vstore_chroma._async.foreign import AsyncChromaForeign, names
from vstore_chroma.errors import guarded, translate
from vstore_chroma.schema import check_name, info_of, is_marked, new_collection

__all__ = ["AsyncChromaAdapter"]


class AsyncChromaAdapter:
    """Implements ``AsyncAdapter``."""

    def __init__(
        self, client: AsyncClientAPI, capabilities: Capabilities, lock: Lock, close: Closer, secrets: Sequence[str]
    ) -> None:
        self._client = client
        self._capabilities = capabilities
        self._lock = lock
        self._close = close
        self._secrets = secrets

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def native(self) -> AsyncClientAPI:
        return self._client

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    @property
    def foreign(self) -> AsyncChromaForeign:
        return AsyncChromaForeign(self._client, self._capabilities, self._lock)

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return HNSW()

    async def create(self, info: CollectionInfo) -> AsyncChromaCollection:
        with guarded():
            native = await self._client.create_collection(**new_collection(info))
        return self._bind(native)

    async def open(self, name: str) -> AsyncChromaCollection:
        check_name(name)
        with guarded():
            return self._bind(await self._client.get_collection(name, embedding_function=None))

    async def names(self) -> list[str]:
        return await names(self._client, own=True)

    async def drop(self, name: str) -> None:
        collection = await self.open(name)  # what vstore did not create it does not delete
        # Chroma leaves the lists of a dropped collection's metadata behind, and records that get the same
        # row numbers, in any collection, inherit them; deleting the records first takes the lists away
        await collection.clear()
        with guarded():
            await self._client.delete_collection(name)

    async def ping(self) -> None:
        with guarded():
            await self._client.heartbeat()

    async def close(self) -> None:
        await self._close()

    def _bind(self, native: AsyncCollection) -> AsyncChromaCollection:
        info = info_of(native.name, native.metadata)
        marked = is_marked(native.metadata)
        return AsyncChromaCollection(native, info, self._capabilities, self._lock, marked=marked)
