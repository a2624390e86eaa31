# Generated from adapters/vstore_qdrant/_async/client.py by tools/unasync.py: do not edit.
"""The database over a client of qdrant_client: a server, or the client's own local mode."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

from qdrant_client import QdrantClient, models

from vstore.errors import AuthenticationFailed, Mismatch, NotFound, Unsupported
from vstore.info import CollectionInfo
from vstore.spi.codec import info_from_json
from vstore_qdrant._sync._run import Closer
from vstore_qdrant._sync.client_table import ClientTable
from vstore_qdrant._sync.database import Table
from vstore_qdrant._sync.foreign import QdrantForeign
from vstore_qdrant.errors import guarded
from vstore_qdrant.schema import check_name, identity_of, new_collection, payload_indexes

__all__ = ["ClientDatabase"]


@dataclass(frozen=True, slots=True)
class ClientDatabase:
    """Implements ``Database``.

    Attributes:
        client: The client.
        guard: Entered around every call: local mode is corrupted by a second thread, and so has a lock.
        closer: What ``close`` does.
        local: Whether it is local mode, which has neither indexes nor settings of a search.
    """

    client: QdrantClient
    guard: Callable[[], AbstractContextManager[Any]]
    closer: Closer
    local: bool

    @property
    def native(self) -> QdrantClient:
        return self.client

    def foreign(self, *, substrings: bool) -> QdrantForeign:
        return QdrantForeign(self.client, self.guard, self.local, substrings)

    def create(self, info: CollectionInfo) -> ClientTable:
        with self.guard(), guarded():
            self.client.create_collection(info.name, **new_collection(info))
        return self.open(info.name)

    def open(self, name: str) -> ClientTable:
        found = self._described(name)
        identity = identity_of(found)
        if identity is None:
            raise Mismatch.not_created_here(name)
        info = info_from_json(name, identity[0])
        if not self.local:
            for path, kind in payload_indexes(info).items():
                if path not in found.payload_schema:  # also where whoever created it got no further
                    with suppress(AuthenticationFailed), guarded():
                        self.client.create_payload_index(name, path, field_schema=kind, wait=True)
        return ClientTable(self.client, self.guard, info, identity, self.local)

    def _described(self, name: str) -> models.CollectionInfo:
        check_name(name)
        with self.guard(), guarded():
            return self.client.get_collection(name)

    def names(self) -> list[str]:
        with self.guard(), guarded():
            found = self.client.get_collections()
        out: list[str] = []
        for one in found.collections:
            try:
                if identity_of(self._described(one.name)) is not None:
                    out.append(one.name)
            except NotFound:  # deleted since
                continue
        return out

    def drop(self, name: str) -> None:
        self.open(name)  # what vstore did not create it does not delete
        with self.guard(), guarded():
            if not self.client.delete_collection(name):
                raise NotFound("it was deleted meanwhile")

    def rename(self, table: Table, new: str) -> None:
        raise Unsupported("Qdrant does not rename collections")  # the capability says so before

    def ping(self) -> None:
        with self.guard(), guarded():
            self.client.get_collections()  # what tells its version asks for no key

    def close(self) -> None:
        with self.guard():
            self.closer()
