# Generated from adapters/vstore_chroma/_async/adapter.py by tools/unasync.py: do not edit.
"""One connection to Chroma and its collections."""

from __future__ import annotations

from collections.abc import Sequence

from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection

from vstore.capabilities import Capabilities
from vstore.errors import VStoreError
from vstore.indexing import HNSW, Index, Metric
from vstore.info import CollectionInfo
from vstore_chroma._sync._run import Closer, Lock
from vstore_chroma._sync.collection import ChromaCollection
from vstore_chroma._sync.foreign import ChromaForeign, names
from vstore_chroma.errors import guarded, translate
from vstore_chroma.schema import check_name, info_of, is_marked, new_collection

__all__ = ["ChromaAdapter"]


class ChromaAdapter:
    """Implements ``Adapter``."""

    def __init__(
        self, client: ClientAPI, capabilities: Capabilities, lock: Lock, close: Closer, secrets: Sequence[str]
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
    def native(self) -> ClientAPI:
        return self._client

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    @property
    def foreign(self) -> ChromaForeign:
        return ChromaForeign(self._client, self._capabilities, self._lock)

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return HNSW()

    def create(self, info: CollectionInfo) -> ChromaCollection:
        with guarded():
            native = self._client.create_collection(**new_collection(info))
        return self._bind(native)

    def open(self, name: str) -> ChromaCollection:
        check_name(name)
        with guarded():
            return self._bind(self._client.get_collection(name, embedding_function=None))

    def names(self) -> list[str]:
        return names(self._client, own=True)

    def drop(self, name: str) -> None:
        collection = self.open(name)  # what vstore did not create it does not delete
        # Chroma leaves the lists of a dropped collection's metadata behind, and records that get the same
        # row numbers, in any collection, inherit them; deleting the records first takes the lists away
        collection.clear()
        with guarded():
            self._client.delete_collection(name)

    def ping(self) -> None:
        with guarded():
            self._client.heartbeat()

    def close(self) -> None:
        self._close()

    def _bind(self, native: Collection) -> ChromaCollection:
        info = info_of(native.name, native.metadata)
        marked = is_marked(native.metadata)
        return ChromaCollection(native, info, self._capabilities, self._lock, marked=marked)
