"""One connection to Milvus and its collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymilvus import AsyncMilvusClient

from vstore.capabilities import Capabilities
from vstore.errors import AlreadyExists, Mismatch, NotFound, VStoreError
from vstore.keys import check_plain
from vstore.types import HNSW, CollectionInfo, Flat, Index
from vstore_milvus._async._run import Closer
from vstore_milvus._async.collection import AsyncMilvusCollection
from vstore_milvus._async.foreign import AsyncMilvusForeign
from vstore_milvus._async.session import AsyncSession
from vstore_milvus.errors import translate, without_index
from vstore_milvus.schema import fields_of, index_of, info_of, new_properties, token_of

__all__ = ["AsyncMilvusAdapter"]


class AsyncMilvusAdapter:
    """Implements ``AsyncAdapter``."""

    def __init__(self, session: AsyncSession, close: Closer, secrets: Sequence[str]) -> None:
        self._session = session
        self._client = session.client
        self._lock = session.turns.writing
        self._close = close
        self._secrets = secrets

    @property
    def capabilities(self) -> Capabilities:
        return self._session.capabilities

    @property
    def native(self) -> AsyncMilvusClient:
        return self._client

    @property
    def secrets(self) -> Sequence[str]:
        return self._secrets

    @property
    def foreign(self) -> AsyncMilvusForeign:
        return AsyncMilvusForeign(self._session)

    def translate(self, error: Exception) -> VStoreError:
        return translate(error)

    def default_index(self, dimension: int) -> Index:
        return Flat() if self._session.lite else HNSW()

    async def create(self, info: CollectionInfo) -> AsyncMilvusCollection:
        name, properties = info.name, new_properties(info)
        schema = fields_of(info)
        async with self._lock:
            # The server takes a second creation with the same fields in silence and keeps the first one's
            # properties: look before, and look after whose properties are there.
            if await self._described(name) is not None:
                raise AlreadyExists("the collection exists already")
            await self._session.call(
                self._client.create_collection,
                name,
                schema=schema,
                properties=properties,
                consistency_level="Session",
            )
            described = await self._described(name)
            if described is None or token_of(described) != token_of({"properties": properties}):
                raise AlreadyExists("another client has created the collection at this moment")
            try:
                await self._finish(info)
            except BaseException:
                await self._session.call(self._client.drop_collection, name)
                raise
        self._session.begin(token_of(described))
        return self._bind(info, described)

    async def open(self, name: str) -> AsyncMilvusCollection:
        described = await self._described(name)
        if described is None:
            raise NotFound("there is no such collection", hint="list_collections() names those that are there.")
        info = info_of(name, described)
        try:
            # loading what is loaded costs a millisecond; Milvus Lite has nothing loaded when it is opened
            await self._session.call(self._client.load_collection, name)
        except VStoreError as error:
            if not without_index(error):
                raise
            await self._finish(info)  # whoever created it was stopped midway, or is there at this moment
        return self._bind(info, described)

    async def _finish(self, info: CollectionInfo) -> None:
        """Makes the index of a new collection, and loads it."""
        # sync=False: pymilvus would sleep for half a second to look at an index without rows
        await self._session.call(self._client.create_index, info.name, index_of(info), sync=False)
        await self._session.call(self._client.load_collection, info.name)

    async def names(self) -> list[str]:
        found: list[str] = []
        for name in await self._session.call(self._client.list_collections):
            described = await self._described(name)
            if described is not None and token_of(described):
                found.append(name)
        return sorted(found)

    async def drop(self, name: str) -> None:
        async with self._lock:
            described = await self._described(name)
            if described is None:
                raise NotFound("there is no such collection", hint="list_collections() names those that are there.")
            info_of(name, described)  # what vstore did not create it does not delete
            await self._session.call(self._client.drop_collection, name)
            self._session.dropped.add(token_of(described))

    async def ping(self) -> None:
        await self._session.call(self._client.get_server_version)

    async def close(self) -> None:
        await self._close()

    async def _described(self, name: str) -> dict[str, Any] | None:
        try:
            check_plain(name)
            found: dict[str, Any] = await self._session.call(self._client.describe_collection, name)
        except NotFound:
            return None
        return found

    def _bind(self, info: CollectionInfo, described: dict[str, Any]) -> AsyncMilvusCollection:
        token = token_of(described)
        if not token:
            raise Mismatch(f"{info.name!r} exists, but vstore did not create it")
        self._session.names[token] = info.name
        return AsyncMilvusCollection(self._session, info, token)
