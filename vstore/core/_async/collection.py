"""``AsyncCollection``: validates everything once, then hands columns to the adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, overload

from numpy.typing import ArrayLike

from vstore.core._async.composing import AsyncComposer
from vstore.core._async.parting import AsyncParting
from vstore.core.columns import Given, columns_of
from vstore.core.validate import check_filter, check_ids
from vstore.errors import InvalidInput, PartialWrite, check_flag
from vstore.filters.tree import Filter
from vstore.keys import check_name
from vstore.records import Metadata, Record, Records
from vstore.sparse import SparseInput
from vstore.spi._async.protocol import AsyncIndexing

__all__ = ["AsyncCollection"]


class AsyncCollection(AsyncParting):
    """One collection of records, each with an id, a vector, a document and metadata. A store makes it.

    It may be used from many threads, or tasks, at once.

    Example:
        >>> docs = await store.create_collection("docs", dimension=3, metric="cosine")
        >>> await docs.upsert(["a"], [[1.0, 0.0, 0.2]], ["on rain"], [{"year": 2024}])
        >>> hits = await docs.query([1.0, 0.1, 0.0], k=5, where=F("year") >= 2020)
    """

    @overload
    async def add(self, records: Records | Iterable[Record], /) -> None: ...
    @overload
    async def add(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        sparse: SparseInput | None = None,
    ) -> None: ...
    async def add(
        self,
        ids: Iterable[str] | Records | Iterable[Record],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        sparse: SparseInput | None = None,
    ) -> None:
        """Insert new records, given as columns of equal length or as records.

        Args:
            ids: One id a record, 1 to 512 UTF-8 bytes, no two equal. Or, alone, ``Records``, a ``Page`` of a scan, or
                an iterable of ``Record``.
            vectors: Numbers of shape (n, dimension), taken as float32. Without vectors the embedder embeds the
                documents.
            documents: One str or None a record.
            metadatas: One dict or None a record, of str, bool, int, float, datetime and lists of one of these.
            fields: A column for each named field that is given. Of a dense one an array of shape (n, dimension), where
                a row of NaN is absent, or a list of vectors and None; of a sparse one what ``SparseArray.of`` takes. An
                embedder of a field that is not given embeds the documents.
            sparse: The column of the only sparse field.

        Raises:
            AlreadyExists: Any id exists; ``error.ids`` names them and nothing was written.
            InvalidInput: A record breaks the contract; nothing was sent.
            PartialWrite: It failed midway where the database cannot roll back; ``error.written`` names the ids.

        Example:
            >>> await docs.add(["a", "b"], [[1.0, 0.0, 0.2], [0.1, 1.0, 0.0]], metadatas=[{"year": 2024}, {}])
            >>> await docs.add([Record("c", [0.0, 1.0, 1.0], "on snow")])
        """
        with self._writing("add") as (writer, observed):
            records = await self._composer.whole(columns_of(ids, vectors, documents, metadatas, fields, sparse))
            if observed is not None:
                observed.batch = len(records.ids)
            if records.ids:
                try:
                    await writer.add(records)
                except PartialWrite as error:
                    error.retryable = False  # the same call again would find what this one has written
                    raise

    @overload
    async def upsert(self, records: Records | Iterable[Record], /) -> None: ...
    @overload
    async def upsert(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        sparse: SparseInput | None = None,
    ) -> None: ...
    async def upsert(
        self,
        ids: Iterable[str] | Records | Iterable[Record],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        sparse: SparseInput | None = None,
    ) -> None:
        """Insert records, or replace them whole: nothing of an old record stays.

        Args:
            ids: One id a record, or records alone, as in ``add``; and so are the others.
            vectors: Numbers of shape (n, dimension).
            documents: One str or None a record.
            metadatas: One dict or None a record.
            fields: A column for each named field that is given.
            sparse: The column of the only sparse field.

        Raises:
            InvalidInput: A record breaks the contract; nothing was sent.
            PartialWrite: It failed midway where the database cannot roll back; ``error.written`` names the ids.

        Example:
            >>> async for page in source.scan():
            ...     await target.upsert(page)
        """
        with self._writing("upsert") as (writer, observed):
            records = await self._composer.whole(columns_of(ids, vectors, documents, metadatas, fields, sparse))
            if observed is not None:
                observed.batch = len(records.ids)
            if records.ids:
                await writer.upsert(records)

    async def update(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        sparse: SparseInput | None = None,
        replace_metadata: bool = False,
    ) -> None:
        """Change the columns given, of records that exist.

        Args:
            ids: Which records.
            vectors: New vectors. If none are given and the collection has an embedder, it embeds new documents again,
                so that a vector never stays behind its text; then no document may be None.
            documents: New documents; None removes a record's document.
            metadatas: Merged key by key into what is there; a value of None removes its key.
            fields: New vectors of named fields, as in ``add``; an absent one removes the record's.
            sparse: New vectors of the only sparse field.
            replace_metadata: Whether the metadata replaces what is there.

        Raises:
            NotFound: Any id is missing; ``error.ids`` names them and nothing was written.
            InvalidInput: A record breaks the contract, or there are new documents without vectors, and the collection
                was created with an embedder and opened without.

        Example:
            >>> await docs.update(["a"], metadatas=[{"year": 2025, "draft": None}])
        """
        with self._writing("update") as (writer, observed):
            check_flag("replace_metadata", replace_metadata)
            given = Given(ids, vectors, documents, metadatas, fields, sparse)
            records = await self._composer.changes(given, replace_metadata=replace_metadata)
            if observed is not None:
                observed.batch = len(records.ids)
            if records.ids:
                await writer.update(records, replace_metadata=replace_metadata)

    async def delete(
        self, ids: Iterable[str] | None = None, *, where: Filter | Mapping[str, Any] | None = None
    ) -> None:
        """Delete records by id or by filter. Ids that are missing are no error.

        Args:
            ids: Which records; an empty list deletes none.
            where: A filter built with ``F``, or its dict form.

        Raises:
            InvalidInput: Neither or both are given, or the filter is empty or true of every record.

        Example:
            >>> await docs.delete(["a", "b"])
            >>> await docs.delete(where=F("year") < 2000)
        """
        with self._writing("delete") as (writer, observed):
            if (ids is None) == (where is None):
                raise InvalidInput("delete takes exactly one of ids= and where=", hint="clear() deletes everything.")
            if ids is not None:
                wanted = list(dict.fromkeys(check_ids(ids, distinct=False)))
                if observed is not None:
                    observed.batch = len(wanted)
                if wanted:
                    await writer.delete_ids(wanted)
                return
            condition = check_filter(where if where is not None else {}, self._capabilities)
            if condition is True:
                raise InvalidInput("this filter is true of every record", hint="clear() deletes everything.")
            if condition is not False:
                await writer.delete_where(condition)

    async def clear(self) -> None:
        """Delete all records; the collection stays."""
        with self._writing("clear") as (writer, _):
            await writer.clear()

    async def defer_index(self) -> None:
        """Stop the upkeep of the index until ``build_index``, where that makes a large load faster; else do nothing.

        Meanwhile every query compares with all records. The state outlives the process: a collection whose load was
        given up needs ``build_index`` too.
        """
        with self._whole("defer_index"):
            if isinstance(self._adapter, AsyncIndexing):
                await self._adapter.defer_index()

    async def build_index(self) -> None:
        """Build the index of ``info.index`` if it is missing, and return when it is ready.

        It is one call to the database, without a timeout. Where the database indexes in its own way it does nothing.
        """
        with self._whole("build_index"):
            if isinstance(self._adapter, AsyncIndexing):
                await self._adapter.build_index()

    async def rename(self, name: str) -> None:
        """Give the collection another name; everything else stays.

        Args:
            name: 3 to 48 of ``A-Z a-z 0-9 _``, beginning with a letter, ending in a letter or digit.

        Raises:
            AlreadyExists: Another collection has the name.
            Unsupported: The capability ``rename`` is NO.
        """
        with self._writing("rename", whole=True) as (writer, _):
            self._capabilities.require("rename", "rename")
            new = check_name(name)
            await writer.rename(new)  # to its own name too, which another store may have changed or deleted

    @property
    def _composer(self) -> AsyncComposer:
        return AsyncComposer(self.info, self._capabilities, self._embedders, self._partition)
