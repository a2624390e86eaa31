"""The protocols an adapter implements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, runtime_checkable

from vstore.capabilities import Capabilities
from vstore.errors import VStoreError
from vstore.filters.tree import Filter
from vstore.types import CollectionInfo, Hits, Include, Index, Records, Search, VectorArray

__all__ = ["AsyncAdapter", "AsyncCollectionAdapter", "AsyncIndexing"]


class AsyncAdapter(Protocol):
    """One live connection to one database."""

    @property
    def capabilities(self) -> Capabilities:
        """What this connection can do; read once, after connecting."""
        ...

    @property
    def native(self) -> object:
        """The client underneath."""
        ...

    @property
    def secrets(self) -> Sequence[str]:
        """Texts that must not appear in an error: passwords, tokens."""
        ...

    def translate(self, error: Exception) -> VStoreError:
        """The contract's error for one the client raised; ``BackendError`` where none fits."""
        ...

    def default_index(self, dimension: int) -> Index:
        """The index for a collection whose creator names none."""
        ...

    async def create(self, info: CollectionInfo) -> AsyncCollectionAdapter:
        """Creates an empty collection. ``AlreadyExists`` if there is one, in a race too."""
        ...

    async def open(self, name: str) -> AsyncCollectionAdapter:
        """Opens a collection. ``NotFound`` if there is none, ``Mismatch`` if vstore did not create it."""
        ...

    async def names(self) -> list[str]:
        """Names of the collections that vstore created, sorted."""
        ...

    async def drop(self, name: str) -> None:
        """Deletes a collection. ``NotFound`` if there is none."""
        ...

    async def ping(self) -> None:
        """One round trip to the database."""
        ...

    async def close(self) -> None:
        """Closes what was opened; a borrowed client stays open."""
        ...


class AsyncCollectionAdapter(Protocol):
    """One collection. All calls may come from many threads, or tasks, at once."""

    @property
    def info(self) -> CollectionInfo:
        """What the collection is."""
        ...

    @property
    def native(self) -> object:
        """The client's own handle of this collection, or what stands for it."""
        ...

    async def add(self, records: Records) -> None:
        """Inserts; ``AlreadyExists`` with the ids if any is there, and then nothing is written."""
        ...

    async def upsert(self, records: Records) -> None:
        """Inserts or replaces whole records."""
        ...

    async def update(self, records: Records, *, replace_metadata: bool) -> None:
        """Changes only the columns given; ``NotFound`` with the ids if any is missing, and then nothing is written.

        A document of None is removed. Metadata merges key by key, a value of None removes its key;
        with ``replace_metadata`` it replaces and holds no None.
        """
        ...

    async def get(self, ids: Sequence[str], include: Include) -> Records:
        """The records found, each once, in the order of ``ids`` (which are distinct)."""
        ...

    async def query(
        self,
        vectors: VectorArray,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
    ) -> list[Hits]:
        """For each row of ``vectors`` (nq, d) the k nearest, by distance and then id."""
        ...

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[tuple[Records, str]]:
        """Every record once, in pages of at most ``batch_size``, each with the token to go on behind it."""
        ...

    async def delete_ids(self, ids: Sequence[str]) -> None:
        """Deletes the records that are there."""
        ...

    async def delete_where(self, where: Filter) -> None:
        """Deletes the records that match."""
        ...

    async def clear(self) -> None:
        """Deletes all records; the collection stays."""
        ...

    async def count(self, where: Filter | None) -> int:
        """Exact number of records, or of those that match."""
        ...

    async def rename(self, name: str) -> None:
        """Renames; ``AlreadyExists`` if the new name is taken. ``info`` tells the new name."""
        ...


@runtime_checkable
class AsyncIndexing(Protocol):
    """What a collection is besides, where an index is better built once than kept up record by record."""

    async def defer_index(self) -> None:
        """Stops the upkeep of the index; queries are exact meanwhile. Does nothing where it is stopped already."""
        ...

    async def build_index(self) -> None:
        """Builds the index that ``info`` tells and returns when it is ready. Does nothing where it is there."""
        ...
