# Generated from vstore/spi/_async/protocol.py by tools/unasync.py: do not edit.
"""The protocols an adapter implements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vstore.capabilities import Capabilities
from vstore.columns import Column, VectorArray
from vstore.errors import VStoreError
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import Index, Metric, Search
from vstore.info import CollectionInfo
from vstore.mapping import RecordMapping
from vstore.records import Include, Records

if TYPE_CHECKING:
    from vstore.spi.foreign import Key, Rows
    from vstore.spi.layouts import Layout

__all__ = [
    "Adapter",
    "CollectionAdapter",
    "CollectionReader",
    "ForeignCollection",
    "ForeignDescribing",
    "ForeignLayouts",
    "ForeignStore",
    "ForeignWriter",
    "Indexing",
]


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

    @property
    def foreign(self) -> ForeignStore | None:
        """The collections that vstore did not create; None where the capability ``mapping`` is NO."""
        ...

    def translate(self, error: Exception) -> VStoreError:
        """Return the contract's error for one the client raised; ``BackendError`` where none fits."""
        ...

    def default_index(self, dimension: int, metric: Metric) -> Index:
        """Return the index of a field of this dimension and metric whose creator names none."""
        ...

    def create(self, info: CollectionInfo) -> CollectionAdapter:
        """Creates an empty collection. ``AlreadyExists`` if there is one, in a race too."""
        ...

    def open(self, name: str) -> CollectionAdapter:
        """Opens a collection. ``NotFound`` if there is none, ``Mismatch`` if vstore did not create it."""
        ...

    def names(self) -> list[str]:
        """Return the names of the collections that vstore created, sorted."""
        ...

    def drop(self, name: str) -> None:
        """Deletes a collection. ``NotFound`` if there is none."""
        ...

    def ping(self) -> None:
        """Makes one round trip to the database."""
        ...

    def close(self) -> None:
        """Closes what was opened; a borrowed client stays open."""
        ...


class CollectionReader(Protocol):
    """What can be read of one collection. All calls may come from many threads, or tasks, at once."""

    @property
    def info(self) -> CollectionInfo:
        """What the collection is."""
        ...

    @property
    def native(self) -> object:
        """The client's own handle of this collection, or what stands for it."""
        ...

    def get(self, ids: Sequence[str], include: Include) -> Records:
        """Return the records found, each once, in the order of ``ids`` (which are distinct)."""
        ...

    def query(
        self,
        vectors: Column,
        k: int,
        where: Filter | None,
        include: Include,
        *,
        exact: bool,
        search: Search | None,
        field: str = "",
    ) -> list[Hits]:
        """Return the k nearest to each query, by distance and then id.

        Args:
            vectors: The queries: shape (nq, d), or sparse vectors, none of them empty.
            k: Most hits of each.
            where: Which records, or None for all.
            include: The columns of the hits.
            exact: Whether the true nearest are wanted. A query of a sparse field always gives them, with the scores of
                ``vstore.spi.scores.sparse_distances``.
            search: Settings of this search, never with ``exact`` and never for a sparse field.
            field: The field to compare; empty for the one without a name. Records whose field is absent, or shares no
                index with a sparse query, match nothing.
        """
        ...

    def scan(
        self, where: Filter | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[tuple[Records, str]]:
        """Yield every record once, in pages of at most ``batch_size``, each with the token to go on behind it."""
        ...

    def count(self, where: Filter | None) -> int:
        """Return the exact number of records, or of those that match."""
        ...


class CollectionAdapter(CollectionReader, Protocol):
    """One collection that vstore created.

    Records carry the named fields in ``Records.fields``: in ``add`` and ``upsert`` a field that is not there is absent
    in all of them, in ``update`` it stays as it is. A row of NaN, or an empty sparse one, is absent; in ``update`` it
    removes the record's vector. Sparse columns are in order (SPV-1), and are not the caller's own. Where the collection
    has no field without a name (``info.dimension`` is 0), ``records.vectors`` is None and ``include.vectors`` False.
    """

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

    def delete_ids(self, ids: Sequence[str]) -> None:
        """Deletes the records that are there."""
        ...

    def delete_where(self, where: Filter) -> None:
        """Deletes the records that match."""
        ...

    def clear(self) -> None:
        """Deletes all records; the collection stays."""
        ...

    def rename(self, name: str) -> None:
        """Renames; ``AlreadyExists`` if another one has the new name. ``info`` tells the new name.

        To the name that it has, it changes nothing, and is ``NotFound`` where the collection was deleted.
        """
        ...


@runtime_checkable
class Indexing(Protocol):
    """What a collection is besides, where an index is better built once than kept up record by record."""

    def defer_index(self) -> None:
        """Stops the upkeep of the index; queries are exact meanwhile. Does nothing where it is stopped already."""
        ...

    def build_index(self) -> None:
        """Builds the index that ``info`` tells and returns when it is ready. Does nothing where it is there."""


class ForeignStore(Protocol):
    """The collections of one database that vstore did not create."""

    def names(self) -> list[str]:
        """Return the names, sorted; in PostgreSQL tables with a vector column."""
        ...

    def propose(self, name: str, layout: str | None) -> RecordMapping:
        """Return how to read a collection, as complete as the database tells it.

        Args:
            name: The collection.
            layout: One of ``vstore.mapping.LAYOUTS``, whose package wrote it; None to find out from what is there.

        Raises:
            NotFound: There is none.
            Mismatch: vstore created it, or it does not have this layout.
        """
        ...

    def open(self, name: str, mapping: RecordMapping) -> ForeignCollection:
        """Opens one for reading; ``NotFound`` if there is none, ``Mismatch`` where the mapping does not fit it."""
        ...


class ForeignCollection(Protocol):
    """The rows of one collection as the database holds them; ``vstore.core._sync.mapped`` makes records of them."""

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

    def count(self) -> int:
        """Return the exact number of rows, without those that the mapping skips."""
        ...

    def fetch(self, keys: Sequence[Key], include: Include) -> Rows:
        """Return the rows with these ids, in any order."""
        ...

    def pages(
        self, size: int, after: str | None, include: Include, where: Filter | None = None
    ) -> Iterator[tuple[Rows, str]]:
        """Yield every row once, in an order of the database's keys, each page with the token to go on behind it.

        Args:
            size: Most rows of a page.
            after: The token to go on behind; None to begin.
            include: The columns.
            where: A filter in normal form, or None. It is evaluated on the records of the rows: those of which it is
                not true may be left out, and none of which it is true (``vstore.spi.narrowing``).
        """
        ...

    def nearest(self, vector: VectorArray, k: int, include: Include) -> Rows | None:
        """Return about the k nearest to one vector of shape (d,), by the index; None where there is no such query."""
        ...


@runtime_checkable
class ForeignLayouts(Protocol):
    """What an ``ForeignStore`` is besides, where it makes collections as other packages make theirs."""

    @property
    def layouts(self) -> Mapping[str, Layout]:
        """What each package writes, by the name of its layout; those that are not made are not in it."""
        ...

    def create(self, layout: Layout, info: CollectionInfo) -> RecordMapping:
        """Makes an empty collection, and returns how it is read.

        Args:
            layout: One of ``layouts``, or one that was ``described``.
            info: What the layout has a place for, and no more.

        Raises:
            AlreadyExists: The name is taken.
            InvalidInput: The database, or the package, has no such names.
        """
        ...

    def drop(self, name: str, layout: Layout) -> None:
        """Deletes a collection of this layout; ``NotFound`` if there is none, ``Mismatch`` where it is another's."""
        ...


@runtime_checkable
class ForeignDescribing(Protocol):
    """What an ``ForeignLayouts`` is besides, where it makes collections by mappings of the caller's."""

    def described(self, mapping: RecordMapping) -> Layout | None:
        """Return the layout that a mapping describes; None where it makes none after all.

        Args:
            mapping: One that ``vstore.spi.described.check_described`` lets pass.

        Raises:
            InvalidInput: It does not say all that is needed to make a collection.
            Unsupported: It says what the database does not make.
        """
        ...


@runtime_checkable
class ForeignWriter(Protocol):
    """What an ``ForeignCollection`` is besides, where rows can be written."""

    @property
    def read_only(self) -> str:
        """Why rows cannot be written through this mapping, in words; empty where they can."""
        ...

    def put(self, rows: Rows) -> None:
        """Inserts rows, or replaces them; all columns are there, and no two keys are equal.

        Raises:
            InvalidInput: A field for which the collection has no place; nothing was sent.
            PartialWrite: It failed midway where the database cannot roll back.
        """
        ...

    def remove(self, keys: Sequence[Key]) -> None:
        """Deletes the rows with these ids that are there."""
        ...
