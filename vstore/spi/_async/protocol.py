"""The protocols an adapter implements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vstore.capabilities import Capabilities
from vstore.errors import VStoreError
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Index, Search
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.records import Include, Records, VectorArray

if TYPE_CHECKING:
    from vstore.spi.foreign import Key, Rows

__all__ = [
    "AsyncAdapter",
    "AsyncCollectionAdapter",
    "AsyncCollectionReader",
    "AsyncForeignCollection",
    "AsyncForeignStore",
    "AsyncIndexing",
]


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

    @property
    def foreign(self) -> AsyncForeignStore | None:
        """The collections that vstore did not create; None where the capability ``mapping`` is NO."""
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


class AsyncCollectionReader(Protocol):
    """What can be read of one collection. All calls may come from many threads, or tasks, at once."""

    @property
    def info(self) -> CollectionInfo:
        """What the collection is."""
        ...

    @property
    def native(self) -> object:
        """The client's own handle of this collection, or what stands for it."""
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

    async def count(self, where: Filter | None) -> int:
        """Exact number of records, or of those that match."""
        ...


class AsyncCollectionAdapter(AsyncCollectionReader, Protocol):
    """One collection that vstore created."""

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

    async def delete_ids(self, ids: Sequence[str]) -> None:
        """Deletes the records that are there."""
        ...

    async def delete_where(self, where: Filter) -> None:
        """Deletes the records that match."""
        ...

    async def clear(self) -> None:
        """Deletes all records; the collection stays."""
        ...

    async def rename(self, name: str) -> None:
        """Renames; ``AlreadyExists`` if another one has the new name. ``info`` tells the new name.

        To the name that it has, it changes nothing, and is ``NotFound`` where the collection was deleted.
        """
        ...


@runtime_checkable
class AsyncIndexing(Protocol):
    """What a collection is besides, where an index is better built once than kept up record by record."""

    async def defer_index(self) -> None:
        """Stops the upkeep of the index; queries are exact meanwhile. Does nothing where it is stopped already."""
        ...

    async def build_index(self) -> None:
        """Builds the index that ``info`` tells and returns when it is ready. Does nothing where it is there."""


class AsyncForeignStore(Protocol):
    """The collections of one database that vstore did not create."""

    async def names(self) -> list[str]:
        """Their names, sorted; in PostgreSQL tables with a vector column."""
        ...

    async def propose(self, name: str, layout: str | None) -> RecordMapping:
        """How to read a collection, as complete as the database tells it.

        Args:
            name: The collection.
            layout: One of ``vstore.mapping.LAYOUTS``, whose package wrote it; None to find out from what is there.

        Raises:
            NotFound: There is none.
            Mismatch: vstore created it, or it does not have this layout.
        """
        ...

    async def open(self, name: str, mapping: RecordMapping) -> AsyncForeignCollection:
        """Opens one for reading; ``NotFound`` if there is none, ``Mismatch`` where the mapping does not fit it."""
        ...


class AsyncForeignCollection(Protocol):
    """The rows of one collection as the database holds them; ``vstore.core._async.mapped`` makes records of them."""

    @property
    def info(self) -> CollectionInfo:
        """What it is; ``index`` is ``Flat()`` where it has none that vstore knows."""
        ...

    @property
    def mapping(self) -> RecordMapping:
        """The mapping it was opened with, with id type, metric and dimension filled in."""
        ...

    @property
    def native(self) -> object:
        """The client's own handle, or what stands for it."""
        ...

    async def count(self) -> int:
        """Exact number of rows, without those the mapping skips."""
        ...

    async def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        """The rows with these ids, in any order."""
        ...

    def pages(self, size: int, after: str | None, include: Include) -> AsyncIterator[tuple[Rows, str]]:
        """Every row once, in an order of the database's keys, each page with the token to go on behind it."""
        ...

    async def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        """About the k nearest to one vector of shape (d,), by the database's index; None where it has no such query."""
        ...
