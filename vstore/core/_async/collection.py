"""``AsyncCollection``: validates everything once, then hands columns to the adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from numpy.typing import ArrayLike

from vstore.capabilities import Capabilities
from vstore.core._async.composing import AsyncComposer, Given
from vstore.core._async.searching import AsyncSearcher, Question, no_records
from vstore.core.embedders import Embedders
from vstore.core.fusing import public_name
from vstore.core.legs import read_legs
from vstore.core.operation import CallContext, refuse_copy
from vstore.core.reranking import Reranker, check_reranker
from vstore.core.validate import check_count, check_filter, check_ids
from vstore.embedding import Embedder, SparseEmbedder
from vstore.errors import InvalidInput, PartialWrite, Unsupported, brief, check_flag
from vstore.filters.tree import Filter
from vstore.fusion import Fusion
from vstore.hits import Hits
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.keys import check_name, encodable
from vstore.mapping import RecordMapping
from vstore.omission import Omission
from vstore.records import Include, IncludeName, Metadata, Page, Records
from vstore.sparse import SparseInput, SparseRowInput
from vstore.spi._async.protocol import AsyncCollectionAdapter, AsyncCollectionReader, AsyncIndexing

if TYPE_CHECKING:
    from vstore.core._async.mapped import AsyncMappedCollection

__all__ = ["AsyncCollection"]

_EVERYTHING: tuple[IncludeName, ...] = ("vectors", "documents", "metadatas", "fields")
_TEXTUAL: tuple[IncludeName, ...] = ("documents", "metadatas")
# of a page, whatever batch_size is: what every database has a number for, and more than a process holds
_MOST_ROWS: Final = 10_000_000


class AsyncCollection:
    """One collection of records: id, vector, document, metadata. Made by a store.

    It may be used from many threads, or tasks, at once.
    """

    def __init__(
        self,
        adapter: AsyncCollectionReader,
        capabilities: Capabilities,
        calls: CallContext,
        embedders: Embedders,
        *,
        writer: AsyncCollectionAdapter | None,
        mapped: AsyncMappedCollection | None = None,
    ) -> None:
        self._adapter = adapter
        self._writer = writer
        self._mapped = mapped
        self._capabilities = capabilities
        self._calls = calls
        self._embedders = embedders
        self._searcher = AsyncSearcher(adapter, capabilities, embedders)

    def __reduce__(self) -> NoReturn:
        refuse_copy(self)

    def __repr__(self) -> str:
        info = self.info
        of = f" of process {self._calls.home.number}" if self._calls.inherited else ""
        return f"<{type(self).__name__} {info.name!r} {info.dimension} {info.metric} on {self._calls.backend}{of}>"

    @property
    def info(self) -> CollectionInfo:
        """Name, dimension, metric, index, user metadata and embedder of the collection."""
        return self._adapter.info

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._adapter.info.name

    @property
    def embedder(self) -> Embedder | None:
        """What it was opened with to turn texts into vectors; ``info.embedder`` is the name stored with it."""
        one = self._embedders.get("")
        assert one is None or isinstance(one, Embedder)
        return one

    @property
    def embedders(self) -> dict[str, Embedder | SparseEmbedder]:
        """What it was opened with to turn texts into vectors, by field; ``"vector"`` is the one without a name."""
        return {public_name(name): one for name, one in self._embedders.items()}

    @property
    def mapping(self) -> RecordMapping | None:
        """How it is read, if vstore did not create it; with what the database told filled in."""
        return None if self._mapped is None else self._mapped.mapping

    async def omissions(self, where: Filter | Mapping[str, Any] | None = None) -> list[Omission]:
        """What the mapping does not bring of what is there: further vectors, fields, keys, rows, settings.

        ``info.omitted`` tells what the schema and the first records tell; this reads the fields of every row, unless
        the mapping brings all by its form. Collections that vstore created have nothing else.

        Args:
            where: Only of the records that match.
        """
        with self._calls.operation("omissions", self.name):
            if self._mapped is None:
                return []
            condition = None if where is None else check_filter(where, self._capabilities)
            return await self._mapped.omissions(None if isinstance(condition, bool) else condition)

    @property
    def native(self) -> Any:
        """The client's own handle of this collection, for what this library does not do."""
        return self._adapter.native

    async def add(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        sparse: SparseInput | None = None,
    ) -> None:
        """Inserts new records.

        Args:
            ids: One id a record, 1 to 512 UTF-8 bytes, no two equal.
            vectors: Shape (n, dimension), converted to float32. Without them the documents are embedded.
            documents: One str or None a record.
            metadatas: One dict or None a record.
            fields: A column for each named field that is given: of a dense one an array of shape (n, dimension), where
                a row of NaN is absent, or a list of vectors and None; of a sparse one what ``SparseArray.of`` takes. A
                field with an embedder that is not given is made of the documents.
            sparse: The column of the only sparse field.

        Raises:
            AlreadyExists: Any id exists; ``error.ids`` names them and nothing was written.
            InvalidInput: A record breaks the contract; nothing was sent.
            PartialWrite: It failed midway where the database cannot roll back; ``error.written`` tells.
        """
        with self._writing("add") as writer:
            records = await self._composer.whole(Given(ids, vectors, documents, metadatas, fields, sparse))
            if records.ids:
                try:
                    await writer.add(records)
                except PartialWrite as error:
                    error.retryable = False  # the same call again would find what this one has written
                    raise

    async def upsert(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        sparse: SparseInput | None = None,
    ) -> None:
        """Inserts records or replaces them whole: nothing of an old record stays.

        Args and errors are those of ``add``, but an id that exists is no error.
        """
        with self._writing("upsert") as writer:
            records = await self._composer.whole(Given(ids, vectors, documents, metadatas, fields, sparse))
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
        """Changes the columns given, of records that exist.

        Args:
            ids: Which records.
            vectors: New vectors. Where none are given and the collection was created or opened with an embedder, new
                documents are embedded again, so that a vector never stays behind its text; then none of them may be
                None.
            documents: New documents; None removes a record's document.
            metadatas: Merged key by key into what is there; a value of None removes its key.
            fields: New vectors of named fields, as in ``add``; one that is absent removes the record's.
            sparse: New vectors of the only sparse field.
            replace_metadata: Replaces the metadata instead of merging.

        Raises:
            NotFound: Any id is missing; ``error.ids`` names them and nothing was written.
            InvalidInput: New documents without vectors, of a collection that was created with an embedder and opened
                without.
        """
        with self._writing("update") as writer:
            check_flag("replace_metadata", replace_metadata)
            given = Given(ids, vectors, documents, metadatas, fields, sparse)
            records = await self._composer.changes(given, replace_metadata=replace_metadata)
            if records.ids:
                await writer.update(records, replace_metadata=replace_metadata)

    async def get(self, ids: Iterable[str], *, include: Iterable[IncludeName | str] = _EVERYTHING) -> Records:
        """The records with these ids, in the order asked; missing ids are left out, repeated ones come once."""
        with self._calls.operation("get", self.name):
            wanted = list(dict.fromkeys(check_ids(ids, distinct=False)))
            columns = self._include(include)
            if not wanted:
                return no_records(self.info, columns)
            return await self._adapter.get(wanted, columns)

    async def query(
        self,
        vector: ArrayLike | Mapping[str, Any] | None = None,
        text: str | None = None,
        k: int = 10,
        *,
        sparse: SparseRowInput | None = None,
        fuse: Fusion | None = None,
        where: Filter | Mapping[str, Any] | None = None,
        include: Iterable[IncludeName | str] = _TEXTUAL,
        exact: bool = False,
        search: Search | None = None,
        rerank: Reranker | None = None,
    ) -> Hits:
        """The k records nearest to a vector, or to a text where there is an embedder; or to several, fused.

        Args:
            vector: Shape (dimension,), of the field without a name; or a dict from field to a vector or a text, where
                ``"vector"`` is the field without a name.
            text: What to embed for each field that has an embedder and is given no vector.
            k: How many; fewer come if fewer match.
            sparse: A sparse vector, of the only sparse field.
            fuse: How the lists of several fields become one: ``RRF()`` or ``Weighted({…})``.
            where: A filter built with ``F``, or its dict form. It applies in every field's list.
            include: The columns to bring: ``"vectors"``, ``"documents"``, ``"metadatas"``, ``"fields"`` for all named
                fields, or the name of one.
            exact: The true nearest, at whatever cost; else by the index, approximately. Sparse vectors are always
                compared exactly.
            search: Settings of this one search.
            rerank: Called with the text, or None, and the documents of the k hits; it returns a score for each. Hits
                come by it then, highest first, and those without a document last.

        Returns:
            Hits by distance, then id. Lower distance is nearer, higher score is nearer.
        """
        with self._calls.operation("query", self.name):
            legs = read_legs(vector, text, sparse, self.info, self._embedders, many=False)
            asked = self._searcher.check(self._question(k, where, include, exact, search, fuse, rerank), legs)
            return (await self._searcher.answer(legs, asked, many=False))[0]

    async def query_many(
        self,
        vectors: ArrayLike | Mapping[str, Any] | None = None,
        texts: Sequence[str] | None = None,
        k: int = 10,
        *,
        sparse: SparseInput | None = None,
        fuse: Fusion | None = None,
        where: Filter | Mapping[str, Any] | None = None,
        include: Iterable[IncludeName | str] = _TEXTUAL,
        exact: bool = False,
        search: Search | None = None,
        rerank: Reranker | None = None,
    ) -> list[Hits]:
        """``query`` for each row of ``vectors``, shape (n, dimension), each of ``texts``, or each sparse vector.

        Args are those of ``query``, each with one vector or text a query.
        """
        with self._calls.operation("query_many", self.name):
            legs = read_legs(vectors, texts, sparse, self.info, self._embedders, many=True)
            asked = self._searcher.check(self._question(k, where, include, exact, search, fuse, rerank), legs)
            return await self._searcher.answer(legs, asked, many=True)

    def scan(
        self,
        *,
        where: Filter | Mapping[str, Any] | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Iterable[IncludeName | str] = _EVERYTHING,
    ) -> AsyncIterator[Page]:
        """Every record once, in pages, whatever is written meanwhile.

        Args:
            where: Only the records that match.
            batch_size: Most records of a page.
            after: The ``cursor`` of a page, to go on behind it, in any process.
            include: The columns to bring.
        """
        with self._calls.operation("scan", self.name):
            rows = min(check_count("batch_size", batch_size), _MOST_ROWS)
            token = None if after is None else self._token(after)
            columns = self._include(include)
            condition = None if where is None else check_filter(where, self._capabilities)
        return self._pages(condition, rows, token, columns)

    async def delete(
        self, ids: Iterable[str] | None = None, *, where: Filter | Mapping[str, Any] | None = None
    ) -> None:
        """Deletes records by id or by filter. Ids that are not there are no error.

        Raises:
            InvalidInput: Neither or both are given, or the filter is empty or true of every record.
        """
        with self._writing("delete") as writer:
            if (ids is None) == (where is None):
                raise InvalidInput("delete takes exactly one of ids= and where=", hint="clear() deletes everything.")
            if ids is not None:
                if wanted := list(dict.fromkeys(check_ids(ids, distinct=False))):
                    await writer.delete_ids(wanted)
                return
            condition = check_filter(where if where is not None else {}, self._capabilities)
            if condition is True:
                raise InvalidInput("this filter is true of every record", hint="clear() deletes everything.")
            if condition is not False:
                await writer.delete_where(condition)

    async def clear(self) -> None:
        """Deletes all records; the collection stays."""
        with self._writing("clear") as writer:
            await writer.clear()

    async def count(self, where: Filter | Mapping[str, Any] | None = None) -> int:
        """The exact number of records, or of those that match."""
        with self._calls.operation("count", self.name):
            condition = None if where is None else check_filter(where, self._capabilities)
            if condition is False:
                return 0
            return await self._adapter.count(None if condition is True else condition)

    async def peek(self, n: int = 10) -> Records:
        """Any n records, with all columns."""
        with self._calls.operation("peek", self.name):
            rows = min(check_count("n", n), _MOST_ROWS)
            everything = self._include(_EVERYTHING)
            async for records, _ in self._adapter.scan(None, rows, None, everything):
                return records
            return no_records(self.info, everything)

    async def defer_index(self) -> None:
        """Puts off the upkeep of the index until ``build_index``, where that makes a large load faster.

        Meanwhile every query is exact, and takes the longer the more records there are. It outlives the process: a
        collection whose load was given up needs ``build_index`` as well. Where the database indexes in its own way
        this does nothing.
        """
        with self._calls.operation("defer_index", self.name):
            if isinstance(self._adapter, AsyncIndexing):
                await self._adapter.defer_index()

    async def build_index(self) -> None:
        """Builds the index that ``info`` tells, if it is not there, and returns when it is ready.

        The database does it in one call, which has no timeout. Where it indexes in its own way this does nothing.
        """
        with self._calls.operation("build_index", self.name):
            if isinstance(self._adapter, AsyncIndexing):
                await self._adapter.build_index()

    async def rename(self, name: str) -> None:
        """Gives the collection another name; everything else stays.

        Raises:
            AlreadyExists: The name is taken.
        """
        with self._writing("rename") as writer:
            self._capabilities.require("rename", "rename")
            new = check_name(name)
            await writer.rename(new)  # to its own name too, which another store may have changed or deleted

    @contextmanager
    def _writing(self, operation: str) -> Iterator[AsyncCollectionAdapter]:
        with self._calls.operation(operation, self.name):
            if self._writer is None:
                raise Unsupported(
                    f"{operation} writes, and a collection opened with mapping= is read only",
                    hint="Copy it into a collection of vstore's own, or write through store.native.",
                )
            yield self._writer

    @property
    def _composer(self) -> AsyncComposer:
        return AsyncComposer(self.info, self._capabilities, self._embedders)

    def _include(self, names: Iterable[str]) -> Include:
        include = Include.parse(names, self.info.fields)
        return include if self.info.dimension else replace(include, vectors=False)

    def _question(
        self,
        k: int,
        where: Filter | Mapping[str, Any] | None,
        include: Iterable[str],
        exact: bool,
        search: Search | None,
        fusion: Fusion | None,
        rerank: Reranker | None,
    ) -> Question:
        condition = None if where is None else check_filter(where, self._capabilities)
        return Question(k, condition, self._include(include), exact, search, fusion, check_reranker(rerank))

    def _token(self, cursor: str) -> str:
        backend, colon, token = cursor.partition(":") if isinstance(cursor, str) else ("", "", "")
        if not colon or backend != self._calls.backend or "\x00" in token or not encodable(token):
            raise InvalidInput(
                f"{brief(cursor)} is not a cursor of a {self._calls.backend} collection",
                hint="Pass the cursor of a Page from the same collection.",
            )
        return token

    async def _pages(
        self, where: Filter | bool | None, batch_size: int, after: str | None, include: Include
    ) -> AsyncIterator[Page]:
        if where is False:
            return
        condition = None if isinstance(where, bool) else where
        pages = self._adapter.scan(condition, batch_size, after, include)
        with self._calls.scanning(pages):
            while True:
                with self._calls.operation("scan", self.name):
                    try:
                        records, token = await anext(pages)
                    except StopAsyncIteration:
                        return
                yield Page(records, f"{self._calls.backend}:{token}")
