"""What can be read of a collection; ``AsyncCollection`` adds what writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from vstore.capabilities import Capabilities
from vstore.core._async.positions import one_by_position
from vstore.core._async.scanning import MOST_ROWS, AsyncScanner
from vstore.core._async.searching import AsyncSearcher, no_records
from vstore.core.embedders import Embedders
from vstore.core.fusing import public_name
from vstore.core.legs import Leg, read_legs
from vstore.core.operation import CallContext, refuse_copy
from vstore.core.question import Question, check_question
from vstore.core.reranking import Reranker
from vstore.core.validate import check_count, check_filter, check_ids
from vstore.embedding import Embedder, SparseEmbedder
from vstore.errors import InvalidInput
from vstore.fields import only_sparse
from vstore.filters.tree import Filter
from vstore.fusion import Fusion
from vstore.hits import Hits
from vstore.include import TEXTUAL
from vstore.indexing import Search
from vstore.info import CollectionInfo
from vstore.like import Like
from vstore.mapping import RecordMapping
from vstore.omission import Omission
from vstore.records import IncludeName, Page, Record, Records
from vstore.sparse import SparseInput, SparseRowInput
from vstore.spi._async.protocol import AsyncCollectionReader

if TYPE_CHECKING:
    from vstore.core._async.mapped import AsyncMappedCollection

__all__ = ["AsyncReading"]

_EVERYTHING: Final[tuple[IncludeName, ...]] = ("vectors", "documents", "metadatas", "fields")


class AsyncReading:
    """The calls of a collection that read."""

    def __init__(
        self,
        adapter: AsyncCollectionReader,
        capabilities: Capabilities,
        calls: CallContext,
        embedders: Embedders,
        mapped: AsyncMappedCollection | None,
    ) -> None:
        self._adapter = adapter
        self._mapped = mapped
        self._capabilities = capabilities
        self._calls = calls
        self._embedders = embedders
        self._searcher = AsyncSearcher(adapter, capabilities, embedders)
        self._scanner = AsyncScanner(adapter, capabilities, calls)

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
        """What turns texts into vectors on this handle, or None; ``info.embedder`` is the name stored with it."""
        one = self._embedders.get("")
        assert one is None or isinstance(one, Embedder)
        return one

    @property
    def embedders(self) -> dict[str, Embedder | SparseEmbedder]:
        """What turns texts into vectors on this handle, by field; ``"vector"`` is the field without a name."""
        return {public_name(name): one for name, one in self._embedders.items()}

    @property
    def mapping(self) -> RecordMapping | None:
        """How records are read of a collection that vstore did not create, completed by the database; else None."""
        return None if self._mapped is None else self._mapped.mapping

    @property
    def capabilities(self) -> Capabilities:
        """What can be done with it: what its store can do, or what reading can, if a mapping opened it."""
        return self._capabilities

    @property
    def native(self) -> Any:
        """The client's own handle of this collection, for what vstore does not do."""
        return self._adapter.native

    async def get(self, ids: Iterable[str], *, include: Iterable[IncludeName | str] = _EVERYTHING) -> Records:
        """Return the records with these ids.

        Args:
            ids: Which records.
            include: The columns to fetch: ``"vectors"``, ``"documents"``, ``"metadatas"``, ``"fields"`` for all named
                fields, or the name of one. The others are None.

        Returns:
            The records in the order of ``ids``. Missing ids are left out, repeated ones come once.

        Raises:
            InvalidInput: An id or a column that is none.

        Example:
            >>> for record in await docs.get(["a", "b"], include=["documents"]):
            ...     print(record.id, record.document)
        """
        with self._calls.operation("get", self.name) as observed:
            wanted = list(dict.fromkeys(check_ids(ids, distinct=False)))
            columns = self.info.include(include)
            if not wanted:
                return no_records(self.info, columns)
            records = await self._adapter.get(wanted, columns)
            if observed is not None:
                observed.rows = len(records.ids)
            return records

    @one_by_position
    async def query(
        self,
        vector: ArrayLike | Mapping[str, Any] | Like | None = None,
        *,
        text: str | None = None,
        sparse: SparseRowInput | None = None,
        fuse: Fusion | None = None,
        k: int = 10,
        where: Filter | Mapping[str, Any] | None = None,
        include: Iterable[IncludeName | str] = TEXTUAL,
        exact: bool = False,
        search: Search | None = None,
        rerank: Reranker | None = None,
        group_by: str | None = None,
        within: float | None = None,
        score_threshold: float | None = None,
    ) -> Hits:
        """Return the k records nearest to a vector, to a text if there is an embedder, or to several of them, fused.

        Args:
            vector: Numbers of shape (dimension,), taken as float32, for the field without a name. Or a dict from field
                to a vector or a text, where ``"vector"`` is the field without a name. ``Like(ids)`` in place of a
                vector asks for what is near to records of the collection.
            text: A text, embedded for each field that has an embedder and is given no vector.
            sparse: A vector for the only sparse field: a dict from index to value, or indices and values.
            fuse: How the lists of several fields become one: ``RRF()`` or ``Weighted({…})``.
            k: Number of hits, 1 to ``capabilities.limits.max_k``. Fewer come if fewer records match.
            where: A filter built with ``F``, or its dict form.
            include: The columns to fetch, as in ``get``.
            exact: Whether to compare with every record. False asks the index, which is approximate. Sparse vectors are
                always compared exactly.
            search: Settings of this search; by default those of the index.
            rerank: Called with the text, or None, and the documents of the k hits. It returns one score a document, by
                which hits come then, highest first; those without a document come last.
            group_by: A metadata key: only the nearest record of each of its values comes, k of them.
            within: The largest distance of a hit; of the k nearest, those beyond it do not come.
            score_threshold: The smallest score of a hit.

        Returns:
            Hits by distance, then id. A lower ``distance`` is nearer, a higher ``score`` is nearer.

        Raises:
            InvalidInput: An argument breaks the contract; nothing was sent.
            Unsupported: The filter, ``exact`` or ``search`` asks for what this database cannot do.
            NotFound: A record that ``Like`` names is missing, or has no vector.

        Example:
            >>> hits = await docs.query([1.0, 0.1, 0.0], k=5, where=F("year") >= 2020)
            >>> for hit in hits:
            ...     print(hit.id, hit.score, hit.document)
            >>> hits = await docs.query([1.0, 0.1, 0.0], sparse={17: 0.5, 4711: 1.25}, fuse=RRF())
        """
        info = self._adapter.info
        with self._calls.operation("query", info.name) as observed:
            if isinstance(vector, str):
                raise InvalidInput("a vector is numbers, not a str", hint="Pass text=… to ask with a text.")
            alone = text is None and fuse is None and search is None and exact is False
            alone = alone and rerank is None and group_by is None and within is None and score_threshold is None
            if sparse is not None:
                alone = alone and vector is None
            else:
                alone = alone and type(vector) in (np.ndarray, list) and info.dimension > 0
            if alone:
                field, given = ("", vector) if sparse is None else (only_sparse(info.fields), sparse)
                hits = await self._searcher.nearest(info, field, given, k, where, include)
                if observed is not None:
                    observed.rows = len(hits)
                return hits
            legs = read_legs(vector, text, sparse, info, self._embedders, many=False)
            asked = self._question(
                legs, k, where, include, exact, search, fuse, rerank, group_by, within, score_threshold
            )
            hits = (await self._searcher.answer(legs, asked, many=False))[0]
            if observed is not None:
                observed.rows = len(hits)
            return hits

    @one_by_position
    async def query_many(
        self,
        vectors: ArrayLike | Mapping[str, Any] | None = None,
        *,
        texts: Sequence[str] | None = None,
        sparse: SparseInput | None = None,
        fuse: Fusion | None = None,
        k: int = 10,
        where: Filter | Mapping[str, Any] | None = None,
        include: Iterable[IncludeName | str] = TEXTUAL,
        exact: bool = False,
        search: Search | None = None,
        rerank: Reranker | None = None,
        group_by: str | None = None,
        within: float | None = None,
        score_threshold: float | None = None,
    ) -> list[Hits]:
        """Return what ``query`` returns for each of several vectors, or texts.

        Args:
            vectors: Numbers of shape (n, dimension), taken as float32. Or a dict from field to vectors or texts.
            texts: Texts to embed.
            sparse: One sparse vector a query, as ``SparseArray.of`` takes them.
            fuse: As in ``query``.
            k: As in ``query``, and so are the others.
            where: A filter for all of them.
            include: The columns to fetch.
            exact: Whether to compare with every record.
            search: Settings of these searches.
            rerank: Called once a query.
            group_by: As in ``query``.
            within: As in ``query``.
            score_threshold: As in ``query``.

        Returns:
            One ``Hits`` a query, in their order.

        Raises:
            InvalidInput: An argument breaks the contract; nothing was sent.
            Unsupported: The filter, ``exact`` or ``search`` asks for what this database cannot do.
        """
        with self._calls.operation("query_many", self.name) as observed:
            legs = read_legs(vectors, texts, sparse, self.info, self._embedders, many=True)
            asked = self._question(
                legs, k, where, include, exact, search, fuse, rerank, group_by, within, score_threshold
            )
            found = await self._searcher.answer(legs, asked, many=True)
            if observed is not None:
                observed.batch, observed.rows = len(found), sum(map(len, found))
            return found

    def scan(
        self,
        *,
        where: Filter | Mapping[str, Any] | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Iterable[IncludeName | str] = _EVERYTHING,
        order_by: str | None = None,
        descending: bool = False,
    ) -> AsyncIterator[Page]:
        """Iterate over all records in pages: each comes exactly once, whatever is written meanwhile.

        Args:
            where: A filter built with ``F``, or its dict form; only records that match come.
            batch_size: Number of records of a page, at most.
            after: The ``cursor`` of a page, to go on after it, in another process too.
            include: The columns to fetch, of ``"vectors"``, ``"documents"`` and ``"metadatas"``.
            order_by: A metadata key by which records come: numbers, then bools, then texts, equal ones by id, those
                without such a value last. The metadata of all that match are read first; an id and a value of each are
                held.
            descending: Whether the values of ``order_by`` come in reverse.

        Returns:
            An iterator over pages, in the database's own order without ``order_by``. Each has a length, ``ids``,
            ``records`` and ``cursor``.

        Raises:
            InvalidInput: An argument breaks the contract, or the cursor is of another backend.

        Example:
            >>> async for page in docs.scan(where=F("year") < 2000, include=["metadatas"]):
            ...     print(len(page), page.cursor)
        """
        return self._scanner.pages("scan", where, batch_size, after, include, order_by, descending)

    def scan_records(
        self,
        *,
        where: Filter | Mapping[str, Any] | None = None,
        include: Iterable[IncludeName | str] = _EVERYTHING,
        batch_size: int = 1000,
        order_by: str | None = None,
        descending: bool = False,
    ) -> AsyncIterator[Record]:
        """Iterate over all records, one by one: each comes exactly once, whatever is written meanwhile.

        Args:
            where: A filter built with ``F``, or its dict form; only records that match come.
            include: The columns to fetch, of ``"vectors"``, ``"documents"`` and ``"metadatas"``.
            batch_size: Number of records fetched, and held, at once.
            order_by: A metadata key by which records come, as in ``scan``.
            descending: Whether the values of ``order_by`` come in reverse.

        Returns:
            An iterator over records. To go on after an interruption, use ``scan`` and its cursors.

        Raises:
            InvalidInput: An argument breaks the contract.

        Example:
            >>> async for record in docs.scan_records(include=["documents"]):
            ...     print(record.id, record.document)
        """
        return _each(self._scanner.pages("scan_records", where, batch_size, None, include, order_by, descending))

    async def count(self, where: Filter | Mapping[str, Any] | None = None) -> int:
        """Return the exact number of records, or of those that match a filter."""
        with self._calls.operation("count", self.name):
            condition = None if where is None else check_filter(where, self._capabilities)
            if condition is False:
                return 0
            return await self._adapter.count(None if condition is True else condition)

    async def peek(self, n: int = 10) -> Records:
        """Return any n records, with all columns, or all records if there are fewer."""
        with self._calls.operation("peek", self.name) as observed:
            rows = min(check_count("n", n), MOST_ROWS)
            everything = self.info.include(_EVERYTHING)
            async for records, _ in self._adapter.scan(None, rows, None, everything):
                if observed is not None:
                    observed.rows = len(records.ids)
                return records
            return no_records(self.info, everything)

    async def omissions(self, where: Filter | Mapping[str, Any] | None = None) -> list[Omission]:
        """Return what the mapping leaves out: further vectors, fields, keys, rows and settings, counted.

        It reads the fields of every row, unless the mapping brings everything by its form. ``info.omitted`` holds what
        the schema and the first records show. Collections that vstore created have nothing else.

        Args:
            where: A filter; only records that match are looked at.
        """
        with self._calls.operation("omissions", self.name):
            if self._mapped is None:
                return []
            condition = None if where is None else check_filter(where, self._capabilities)
            return await self._mapped.omissions(None if isinstance(condition, bool) else condition)

    def _question(self, legs: Sequence[Leg], *arguments: Any) -> Question:
        return check_question(self.info, self._capabilities, legs, *arguments)


async def _each(pages: AsyncIterator[Page]) -> AsyncIterator[Record]:
    async for page in pages:
        for record in page:
            yield record
