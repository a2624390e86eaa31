"""The database over a client of qdrant_client: a server, or the client's own local mode."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from vstore.errors import AuthenticationFailed, Mismatch, NotFound, Unsupported
from vstore.info import CollectionInfo
from vstore.spi.codec import info_from_json
from vstore_qdrant._async._run import Closer
from vstore_qdrant._async.client_table import AsyncClientTable
from vstore_qdrant._async.database import AsyncTable
from vstore_qdrant._async.foreign import AsyncQdrantForeign
from vstore_qdrant.errors import guarded
from vstore_qdrant.schema import check_name, identity_of, new_collection, payload_indexes

__all__ = ["AsyncClientDatabase"]


@dataclass(frozen=True, slots=True)
class AsyncClientDatabase:
    """Implements ``AsyncDatabase``.

    Attributes:
        client: The client.
        guard: Entered around every call: local mode is corrupted by a second thread, and so has a lock.
        closer: What ``close`` does.
        local: Whether it is local mode, which has neither indexes nor settings of a search.
    """

    client: AsyncQdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    closer: Closer
    local: bool

    @property
    def native(self) -> AsyncQdrantClient:
        return self.client

    def foreign(self, *, substrings: bool) -> AsyncQdrantForeign:
        return AsyncQdrantForeign(self.client, self.guard, self.local, substrings)

    async def create(self, info: CollectionInfo) -> AsyncClientTable:
        with self.guard(), guarded():
            await self.client.create_collection(info.name, **new_collection(info))
        return await self.open(info.name)

    async def open(self, name: str) -> AsyncClientTable:
        found = await self._described(name)
        identity = identity_of(found)
        if identity is None:
            raise Mismatch.not_created_here(name)
        info = info_from_json(name, identity[0])
        if not self.local:
            for path, kind in payload_indexes(info).items():
                if path not in found.payload_schema:  # also where whoever created it got no further
                    with suppress(AuthenticationFailed), guarded():
                        await self.client.create_payload_index(name, path, field_schema=kind, wait=True)
        return AsyncClientTable(self.client, self.guard, info, identity, self.local)

    async def _described(self, name: str) -> models.CollectionInfo:
        check_name(name)
        with self.guard(), guarded():
            return await self.client.get_collection(name)

    async def names(self) -> list[str]:
        with self.guard(), guarded():
            found = await self.client.get_collections()
        out: list[str] = []
        for one in found.collections:
            try:
                if identity_of(await self._described(one.name)) is not None:
                    out.append(one.name)
            except NotFound:  # deleted since
                continue
        return out

    async def drop(self, name: str) -> None:
        await self.open(name)  # what vstore did not create it does not delete
        with self.guard(), guarded():
            if not await self.client.delete_collection(name):
                raise NotFound("it was deleted meanwhile")

    async def rename(self, table: AsyncTable, new: str) -> None:
        raise Unsupported("Qdrant does not rename collections")  # the capability says so before

    async def ping(self) -> None:
        with self.guard(), guarded():
            await self.client.get_collections()  # what tells its version asks for no key

    async def close(self) -> None:
        with self.guard():
            await self.closer()
