# Generated from adapters/vstore_milvus/_async/adapter.py by tools/unasync.py: do not edit.
"""One connection to Milvus and its collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymilvus import MilvusClient

from vstore.capabilities import Capabilities
from vstore.errors import AlreadyExists, NotFound, VStoreError
from vstore.indexing import HNSW, Flat, Index, Metric
from vstore.info import CollectionInfo
from vstore.keys import check_plain
from vstore_milvus._sync._run import Closer
from vstore_milvus._sync.collection import MilvusCollection
from vstore_milvus._sync.creation import Creation
from vstore_milvus._sync.foreign import MilvusForeign
from vstore_milvus._sync.session import Session
from vstore_milvus.errors import translate, without_index
from vstore_milvus.layout import Kind, Layout
from vstore_milvus.schema import (
    info_of,
    layout_of,
    new_properties,
    partition_of,
    token_of,
    without_partition,
)

__all__ = ["MilvusAdapter"]


class MilvusAdapter:
    """Implements ``Adapter``."""

    def __init__(self, session: Session, close: Closer, secrets: Sequence[str]) -> None:
        self._session = session
        self._client = session.client
        self._lock = session.locks.writing
        self._close = close
        self._secrets = secrets

    @property
    def capabilities(self) -> Capabilities:
        return self._session.capabilities

    @property
    def native(self) -> MilvusClient:
        return self._client

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    @property
    def foreign(self) -> MilvusForeign:
        return MilvusForeign(self._session)

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return Flat() if self._session.lite else HNSW()

    def create(self, info: CollectionInfo) -> MilvusCollection:
        layout = Layout(info, Kind.PACKED if self._session.packs else Kind.COLUMNS)
        layout.check()
        name, properties = info.name, new_properties(layout)
        schema = layout.schema()
        with self._lock:
            # The server takes a second creation with the same fields in silence and keeps the first one's
            # properties: look before, and look after whose properties are there.
            if self._described(name) is not None:
                raise AlreadyExists("the collection, or an alias of that name, exists already")
            self._session.call(
                self._client.create_collection,
                name,
                schema=schema,
                properties=properties,
                consistency_level="Session",
            )
            described = self._described(name)
            if described is None or token_of(described) != token_of({"properties": properties}):
                raise AlreadyExists("another client has created the collection at this moment")
            try:
                self._finish(name, described)
            except BaseException:
                self._session.call(self._client.drop_collection, name)
                raise
            creation = Creation(self._session, info, described)
            self._session.begin(creation.token)
            self._session.names[creation.token] = name
        return MilvusCollection(self._session, info, creation)

    def open(self, name: str) -> MilvusCollection:
        while True:
            moves = self._session.moves
            described = self._found(name)
            info = info_of(name, described)
            try:
                # loading what is loaded costs a millisecond; Milvus Lite has nothing loaded when it is opened
                self._session.call(self._client.load_collection, name)
                unfinished = without_partition(described)
            except VStoreError as error:
                if not without_index(error):
                    raise
                unfinished = True
            if unfinished:  # whoever created it was stopped midway, or is there at this moment
                with self._lock:
                    self._finish(name, self._found(name))
                continue
            creation = Creation(self._session, info, described)
            if creation.known_as(name, moves):
                return MilvusCollection(self._session, info, creation)

    def _finish(self, name: str, described: dict[str, Any]) -> None:
        """Makes the partition and the indexes of a new collection, and loads it."""
        call = self._session.call
        if without_partition(described):
            call(self._client.create_partition, name, partition_of(described))
        # sync=False: pymilvus would sleep for half a second to look at an index without rows
        call(self._client.create_index, name, layout_of(name, described).indexes(), sync=False)
        call(self._client.load_collection, name)

    def names(self) -> list[str]:
        found: list[str] = []
        for name in self._session.call(self._client.list_collections):
            described = self._described(name)
            if described is not None and token_of(described):
                found.append(name)
        return sorted(found)

    def drop(self, name: str) -> None:
        with self._lock:
            described = self._found(name)
            info = info_of(name, described)  # what vstore did not create it does not delete
            creation = Creation(self._session, info, described)
            creation.known_as(name, self._session.moves)
            creation.drop()

    def ping(self) -> None:
        self._session.call(self._client.get_server_version)

    def close(self) -> None:
        self._close()

    def _described(self, name: str) -> dict[str, Any] | None:
        """Return what Milvus says of a name, which may be an alias; None where it has neither."""
        try:
            check_plain(name)
            found: dict[str, Any] = self._session.call(self._client.describe_collection, name)
        except NotFound:
            return None
        return found

    def _found(self, name: str) -> dict[str, Any]:
        """Return what Milvus says of the collection of that name.

        Raises:
            NotFound: There is none. An alias is none: it would be a second name, and Milvus Lite would delete the
                collection that has it.
        """
        described = self._described(name)
        if described is None or described["collection_name"] != name:
            raise NotFound.of_collection(name)
        return described
