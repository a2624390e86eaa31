# Generated from vstore/_async/protocol.py by tools/unasync.py: do not edit.
"""The protocols an adapter implements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from vstore.capabilities import Capabilities
from vstore.errors import VStoreError
from vstore.filters.tree import Filter
from vstore.types import CollectionInfo, Hits, Include, Index, Records, Search, VectorArray

__all__ = ["Adapter", "CollectionAdapter", "Indexing"]


class Adapter(Protocol):
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

    def create(self, info: CollectionInfo) -> CollectionAdapter:
        """Creates an empty collection. ``AlreadyExists`` if there is one, in a race too."""
        ...

    def open(self, name: str) -> CollectionAdapter:
        """Opens a collection. ``NotFound`` if there is none, ``Mismatch`` if vstore did not create it."""
        ...

    def names(self) -> list[str]:
        """Names of the collections that vstore created, sorted."""
        ...

    def drop(self, name: str) -> None:
        """Deletes a collection. ``NotFound`` if there is none."""
        ...

    def ping(self) -> None:
        """One round trip to the database."""
        ...

    def close(self) -> None:
        """Closes what was opened; a borrowed client stays open."""
        ...


class CollectionAdapter(Protocol):
    """One collection. All calls may come from many threads, or tasks, at once."""

    @property
    def info(self) -> CollectionInfo:
        """What the collection is."""
        ...

    @property
    def native(self) -> object:
        """The client's own handle of this collection, or what stands for it."""
        ...

    def add(self, records: Records) -> None:
        """Inserts; ``AlreadyExists`` with the ids if any is there, and then nothing is written."""
        ...

    def upsert(self, records: Records) -> None:
        """Inserts or replaces whole records."""
        ...

    def update(self, records: Records, *, replace_metadata: bool) -> None:
        """Changes only the columns given; ``NotFound`` with the ids if any is missing, and then nothing is written.

        A document of None is removed. Metadata merges key by key, a value of None removes its key;
        with ``replace_metadata`` it replaces and holds no None.
        """
        ...

    def get(self, ids: Sequence[str], include: Include) -> Records:
        """The records found, each once, in the order of ``ids`` (which are distinct)."""
        ...

    def query(
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
    ) -> Iterator[tuple[Records, str]]:
        """Every record once, in pages of at most ``batch_size``, each with the token to go on behind it."""
        ...

    def delete_ids(self, ids: Sequence[str]) -> None:
        """Deletes the records that are there."""
        ...

    def delete_where(self, where: Filter) -> None:
        """Deletes the records that match."""
        ...

    def clear(self) -> None:
        """Deletes all records; the collection stays."""
        ...

    def count(self, where: Filter | None) -> int:
        """Exact number of records, or of those that match."""
        ...

    def rename(self, name: str) -> None:
        """Renames; ``AlreadyExists`` if the new name is taken. ``info`` tells the new name."""
        ...


@runtime_checkable
class Indexing(Protocol):
    """What a collection is besides, where an index is better built once than kept up record by record."""

    def defer_index(self) -> None:
        """Stops the upkeep of the index; queries are exact meanwhile. Does nothing where it is stopped already."""
        ...

    def build_index(self) -> None:
        """Builds the index that ``info`` tells and returns when it is ready. Does nothing where it is there."""
        ...
