# Generated from adapters/vstore_milvus/_async/adapter.py by tools/unasync.py: do not edit.
"""One connection to Milvus and its collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymilvus import MilvusClient

from vstore.capabilities import Capabilities
from vstore.errors import AlreadyExists, Mismatch, NotFound, VStoreError
from vstore.keys import check_plain
from vstore.types import HNSW, CollectionInfo, Flat, Index
from vstore_milvus._sync._run import Closer
from vstore_milvus._sync.collection import MilvusCollection
from vstore_milvus._sync.foreign import MilvusForeign
from vstore_milvus._sync.session import Session
from vstore_milvus.errors import translate, without_index
from vstore_milvus.schema import fields_of, index_of, info_of, new_properties, token_of

__all__ = ["MilvusAdapter"]


class MilvusAdapter:
    """Implements ``Adapter``."""

    def __init__(self, session: Session, close: Closer, secrets: Sequence[str]) -> None:
        self._session = session
        self._client = session.client
        self._lock = session.turns.writing
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

    def default_index(self, dimension: int) -> Index:
        return Flat() if self._session.lite else HNSW()

    def create(self, info: CollectionInfo) -> MilvusCollection:
        name, properties = info.name, new_properties(info)
        schema = fields_of(info)
        with self._lock:
            # The server takes a second creation with the same fields in silence and keeps the first one's
            # properties: look before, and look after whose properties are there.
            if self._described(name) is not None:
                raise AlreadyExists("the collection exists already")
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
                self._finish(info)
            except BaseException:
                self._session.call(self._client.drop_collection, name)
                raise
        self._session.begin(token_of(described))
        return self._bind(info, described)

    def open(self, name: str) -> MilvusCollection:
        described = self._described(name)
        if described is None:
            raise NotFound("there is no such collection", hint="list_collections() names those that are there.")
        info = info_of(name, described)
        try:
            # loading what is loaded costs a millisecond; Milvus Lite has nothing loaded when it is opened
            self._session.call(self._client.load_collection, name)
        except VStoreError as error:
            if not without_index(error):
                raise
            self._finish(info)  # whoever created it was stopped midway, or is there at this moment
        return self._bind(info, described)

    def _finish(self, info: CollectionInfo) -> None:
        """Makes the index of a new collection, and loads it."""
        # sync=False: pymilvus would sleep for half a second to look at an index without rows
        self._session.call(self._client.create_index, info.name, index_of(info), sync=False)
        self._session.call(self._client.load_collection, info.name)

    def names(self) -> list[str]:
        found: list[str] = []
        for name in self._session.call(self._client.list_collections):
            described = self._described(name)
            if described is not None and token_of(described):
                found.append(name)
        return sorted(found)

    def drop(self, name: str) -> None:
        with self._lock:
            described = self._described(name)
            if described is None:
                raise NotFound("there is no such collection", hint="list_collections() names those that are there.")
            info_of(name, described)  # what vstore did not create it does not delete
            self._session.call(self._client.drop_collection, name)
            self._session.dropped.add(token_of(described))

    def ping(self) -> None:
        self._session.call(self._client.get_server_version)

    def close(self) -> None:
        self._close()

    def _described(self, name: str) -> dict[str, Any] | None:
        try:
            check_plain(name)
            found: dict[str, Any] = self._session.call(self._client.describe_collection, name)
        except NotFound:
            return None
        return found

    def _bind(self, info: CollectionInfo, described: dict[str, Any]) -> MilvusCollection:
        token = token_of(described)
        if not token:
            raise Mismatch(f"{info.name!r} exists, but vstore did not create it")
        self._session.names[token] = info.name
        return MilvusCollection(self._session, info, token)
