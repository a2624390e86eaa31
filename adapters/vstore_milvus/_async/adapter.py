"""One connection to Milvus and its collections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymilvus import AsyncMilvusClient

from vstore.capabilities import Capabilities
from vstore.errors import AlreadyExists, NotFound, VStoreError
from vstore.indexing import HNSW, Flat, Index, Metric
from vstore.info import CollectionInfo
from vstore.keys import check_plain
from vstore_milvus._async._run import Closer
from vstore_milvus._async.collection import AsyncMilvusCollection
from vstore_milvus._async.creation import AsyncCreation
from vstore_milvus._async.foreign import AsyncMilvusForeign
from vstore_milvus._async.session import AsyncSession
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

__all__ = ["AsyncMilvusAdapter"]


class AsyncMilvusAdapter:
    """Implements ``AsyncAdapter``."""

    def __init__(self, session: AsyncSession, close: Closer, secrets: Sequence[str]) -> None:
        self._session = session
        self._client = session.client
        self._lock = session.locks.writing
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

    def default_index(self, dimension: int, metric: Metric) -> Index:
        return Flat() if self._session.lite else HNSW()

    async def create(self, info: CollectionInfo) -> AsyncMilvusCollection:
        layout = Layout(info, Kind.PACKED if self._session.packs else Kind.COLUMNS)
        layout.check()
        name, properties = info.name, new_properties(layout)
        schema = layout.schema()
        async with self._lock:
            # The server takes a second creation with the same fields in silence and keeps the first one's
            # properties: look before, and look after whose properties are there.
            if await self._described(name) is not None:
                raise AlreadyExists("the collection, or an alias of that name, exists already")
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
                await self._finish(name, described)
            except BaseException:
                await self._session.call(self._client.drop_collection, name)
                raise
            creation = AsyncCreation(self._session, info, described)
            self._session.begin(creation.token)
            self._session.names[creation.token] = name
        return AsyncMilvusCollection(self._session, info, creation)

    async def open(self, name: str) -> AsyncMilvusCollection:
        while True:
            moves = self._session.moves
            described = await self._found(name)
            info = info_of(name, described)
            try:
                # loading what is loaded costs a millisecond; Milvus Lite has nothing loaded when it is opened
                await self._session.call(self._client.load_collection, name)
                unfinished = without_partition(described)
            except VStoreError as error:
                if not without_index(error):
                    raise
                unfinished = True
            if unfinished:  # whoever created it was stopped midway, or is there at this moment
                async with self._lock:
                    await self._finish(name, await self._found(name))
                continue
            creation = AsyncCreation(self._session, info, described)
            if await creation.known_as(name, moves):
                return AsyncMilvusCollection(self._session, info, creation)

    async def _finish(self, name: str, described: dict[str, Any]) -> None:
        """Makes the partition and the indexes of a new collection, and loads it."""
        call = self._session.call
        if without_partition(described):
            await call(self._client.create_partition, name, partition_of(described))
        # sync=False: pymilvus would sleep for half a second to look at an index without rows
        await call(self._client.create_index, name, layout_of(name, described).indexes(), sync=False)
        await call(self._client.load_collection, name)

    async def names(self) -> list[str]:
        found: list[str] = []
        for name in await self._session.call(self._client.list_collections):
            described = await self._described(name)
            if described is not None and token_of(described):
                found.append(name)
        return sorted(found)

    async def drop(self, name: str) -> None:
        async with self._lock:
            described = await self._found(name)
            info = info_of(name, described)  # what vstore did not create it does not delete
            creation = AsyncCreation(self._session, info, described)
            await creation.known_as(name, self._session.moves)
            await creation.drop()

    async def ping(self) -> None:
        await self._session.call(self._client.get_server_version)

    async def close(self) -> None:
        await self._close()

    async def _described(self, name: str) -> dict[str, Any] | None:
        """Return what Milvus says of a name, which may be an alias; None where it has neither."""
        try:
            check_plain(name)
            found: dict[str, Any] = await self._session.call(self._client.describe_collection, name)
        except NotFound:
            return None
        return found

    async def _found(self, name: str) -> dict[str, Any]:
        """Return what Milvus says of the collection of that name.

        Raises:
            NotFound: There is none. An alias is none: it would be a second name, and Milvus Lite would delete the
                collection that has it.
        """
        described = await self._described(name)
        if described is None or described["collection_name"] != name:
            raise NotFound.of_collection(name)
        return described
