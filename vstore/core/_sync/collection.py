# Generated from vstore/core/_async/collection.py by tools/unasync.py: do not edit.
"""``Collection``: validates everything once, then hands columns to the adapter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from vstore.capabilities import Capabilities
from vstore.core._sync.texts import embed_documents, embed_questions
from vstore.core.operation import CallContext, refuse_copy
from vstore.core.validate import check_documents, check_filter, check_ids, check_k, check_vectors
from vstore.embedding import Embedder
from vstore.errors import InvalidInput, PartialWrite, Unsupported, brief, check_flag, reading
from vstore.filters.tree import Filter
from vstore.hits import Hits
from vstore.indexing import HNSW, IVFPQ, DiskANN, IVFFlat, Search
from vstore.info import CollectionInfo
from vstore.keys import check_name, encodable
from vstore.mapping import RecordMapping
from vstore.metadata import check_metadatas
from vstore.omission import Omission
from vstore.records import Include, IncludeName, Metadata, Page, Records, VectorArray
from vstore.spi._sync.protocol import CollectionAdapter, CollectionReader, Indexing
from vstore.spi.scores import ranked

if TYPE_CHECKING:
    from vstore.core._sync.mapped import MappedCollection

__all__ = ["Collection"]

_EVERYTHING: tuple[IncludeName, ...] = ("vectors", "documents", "metadatas")
_TEXTUAL: tuple[IncludeName, ...] = ("documents", "metadatas")
# of a page, whatever batch_size is: what every database has a number for, and more than a process holds
_MOST_ROWS: Final = 10_000_000


class Collection:
    """One collection of records: id, vector, document, metadata. Made by a store.

    It may be used from many threads, or tasks, at once.
    """

    def __init__(
        self,
        adapter: CollectionReader,
        capabilities: Capabilities,
        calls: CallContext,
        embedder: Embedder | None,
        *,
        writer: CollectionAdapter | None,
        mapped: MappedCollection | None = None,
    ) -> None:
        self._adapter = adapter
        self._writer = writer
        self._mapped = mapped
        self._capabilities = capabilities
        self._calls = calls
        self._embedder = embedder

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
        return self._embedder

    @property
    def mapping(self) -> RecordMapping | None:
        """How it is read, if vstore did not create it; with what the database told filled in."""
        return None if self._mapped is None else self._mapped.mapping

    def omissions(self, where: Filter | Mapping[str, Any] | None = None) -> list[Omission]:
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
            return self._mapped.omissions(None if isinstance(condition, bool) else condition)

    @property
    def native(self) -> Any:
        """The client's own handle of this collection, for what this library does not do."""
        return self._adapter.native

    def add(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
    ) -> None:
        """Inserts new records.

        Args:
            ids: One id a record, 1 to 512 UTF-8 bytes, no two equal.
            vectors: Shape (n, dimension), converted to float32. Without them the documents are embedded.
            documents: One str or None a record.
            metadatas: One dict or None a record.

        Raises:
            AlreadyExists: Any id exists; ``error.ids`` names them and nothing was written.
            InvalidInput: A record breaks the contract; nothing was sent.
            PartialWrite: It failed midway where the database cannot roll back; ``error.written`` tells.
        """
        with self._writing("add") as writer:
            records = self._records(ids, vectors, documents, metadatas)
            if records.ids:
                try:
                    writer.add(records)
                except PartialWrite as error:
                    error.retryable = False  # the same call again would find what this one has written
                    raise

    def upsert(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
    ) -> None:
        """Inserts records or replaces them whole: nothing of an old record stays.

        Args and errors are those of ``add``, but an id that exists is no error.
        """
        with self._writing("upsert") as writer:
            records = self._records(ids, vectors, documents, metadatas)
            if records.ids:
                writer.upsert(records)

    def update(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None = None,
        documents: Iterable[str | None] | None = None,
        metadatas: Iterable[Metadata | None] | None = None,
        *,
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
            replace_metadata: Replaces the metadata instead of merging.

        Raises:
            NotFound: Any id is missing; ``error.ids`` names them and nothing was written.
            InvalidInput: New documents without vectors, of a collection that was created with an embedder and opened
                without.
        """
        with self._writing("update") as writer:
            check_flag("replace_metadata", replace_metadata)
            checked = check_ids(ids)
            texts = None if documents is None else check_documents(documents, len(checked), self._max_bytes)
            if vectors is None and texts is None and metadatas is None:
                raise InvalidInput("update needs vectors, documents or metadatas")
            dicts = (
                None
                if metadatas is None
                else check_metadatas(
                    metadatas,
                    len(checked),
                    nested=bool(self._capabilities.nested_metadata),
                    keep_none=not replace_metadata,
                )
            )
            array = None if vectors is None else self._vectors(vectors, len(checked))
            if checked and array is None and texts is not None and self._embeds(texts):
                array = self._embedded(texts)
            if checked:
                records = Records(checked, array, texts, dicts)
                writer.update(records, replace_metadata=replace_metadata)

    def get(self, ids: Iterable[str], *, include: Iterable[IncludeName] = _EVERYTHING) -> Records:
        """The records with these ids, in the order asked; missing ids are left out, repeated ones come once."""
        with self._calls.operation("get", self.name):
            wanted = list(dict.fromkeys(check_ids(ids, distinct=False)))
            columns = Include.parse(include)
            if not wanted:
                return _no_records(self.info, columns)
            return self._adapter.get(wanted, columns)

    def query(
        self,
        vector: ArrayLike | None = None,
        text: str | None = None,
        k: int = 10,
        *,
        where: Filter | Mapping[str, Any] | None = None,
        include: Iterable[IncludeName] = _TEXTUAL,
        exact: bool = False,
        search: Search | None = None,
    ) -> Hits:
        """The k records nearest to a vector, or to a text where there is an embedder.

        Args:
            vector: Shape (dimension,); or
            text: what to embed into one.
            k: How many; fewer come if fewer match.
            where: A filter built with ``F``, or its dict form.
            include: The columns to bring.
            exact: The true nearest, at whatever cost; else by the index, approximately.
            search: Settings of this one search.

        Returns:
            Hits by distance, then id. Lower distance is nearer, higher score is nearer.
        """
        with self._calls.operation("query", self.name):
            if (vector is None) == (text is None):
                raise InvalidInput("query takes exactly one of vector= and text=")
            asked = self._question(k, where, include, exact, search)
            if text is not None:
                queries = self._asked([text])
            else:
                one = vector[None] if isinstance(vector, np.ndarray) else [vector]
                queries = check_vectors(one, self.info.dimension, self.info.metric, name="vector")
            return (self._query(queries, asked))[0]

    def query_many(
        self,
        vectors: ArrayLike | None = None,
        texts: Sequence[str] | None = None,
        k: int = 10,
        *,
        where: Filter | Mapping[str, Any] | None = None,
        include: Iterable[IncludeName] = _TEXTUAL,
        exact: bool = False,
        search: Search | None = None,
    ) -> list[Hits]:
        """``query`` for each row of ``vectors``, shape (n, dimension), or each of ``texts``."""
        with self._calls.operation("query_many", self.name):
            if (vectors is None) == (texts is None):
                raise InvalidInput("query_many takes exactly one of vectors= and texts=")
            asked = self._question(k, where, include, exact, search)
            if texts is not None:
                queries = self._asked(texts)
            elif _is_empty(vectors):
                return []
            else:
                queries = check_vectors(vectors, self.info.dimension, self.info.metric)
            return self._query(queries, asked) if len(queries) else []

    def scan(
        self,
        *,
        where: Filter | Mapping[str, Any] | None = None,
        batch_size: int = 1000,
        after: str | None = None,
        include: Iterable[IncludeName] = _EVERYTHING,
    ) -> Iterator[Page]:
        """Every record once, in pages, whatever is written meanwhile.

        Args:
            where: Only the records that match.
            batch_size: Most records of a page.
            after: The ``cursor`` of a page, to go on behind it, in any process.
            include: The columns to bring.
        """
        with self._calls.operation("scan", self.name):
            if type(batch_size) is not int or batch_size < 1:
                raise InvalidInput(f"batch_size must be an int of at least 1, not {brief(batch_size)}")
            token = None if after is None else self._token(after)
            columns = Include.parse(include)
            condition = None if where is None else check_filter(where, self._capabilities)
        return self._pages(condition, min(batch_size, _MOST_ROWS), token, columns)

    def delete(self, ids: Iterable[str] | None = None, *, where: Filter | Mapping[str, Any] | None = None) -> None:
        """Deletes records by id or by filter. Ids that are not there are no error.

        Raises:
            InvalidInput: Neither or both are given, or the filter is empty or true of every record.
        """
        with self._writing("delete") as writer:
            if (ids is None) == (where is None):
                raise InvalidInput("delete takes exactly one of ids= and where=", hint="clear() deletes everything.")
            if ids is not None:
                if wanted := list(dict.fromkeys(check_ids(ids, distinct=False))):
                    writer.delete_ids(wanted)
                return
            condition = check_filter(where if where is not None else {}, self._capabilities)
            if condition is True:
                raise InvalidInput("this filter is true of every record", hint="clear() deletes everything.")
            if condition is not False:
                writer.delete_where(condition)

    def clear(self) -> None:
        """Deletes all records; the collection stays."""
        with self._writing("clear") as writer:
            writer.clear()

    def count(self, where: Filter | Mapping[str, Any] | None = None) -> int:
        """The exact number of records, or of those that match."""
        with self._calls.operation("count", self.name):
            condition = None if where is None else check_filter(where, self._capabilities)
            if condition is False:
                return 0
            return self._adapter.count(None if condition is True else condition)

    def peek(self, n: int = 10) -> Records:
        """Any n records, with all columns."""
        with self._calls.operation("peek", self.name):
            if type(n) is not int or n < 1:
                raise InvalidInput(f"peek takes an int of at least 1, not {brief(n)}")
            everything = Include.parse(_EVERYTHING)
            for records, _ in self._adapter.scan(None, min(n, _MOST_ROWS), None, everything):
                return records
            return _no_records(self.info, everything)

    def defer_index(self) -> None:
        """Puts off the upkeep of the index until ``build_index``, where that makes a large load faster.

        Meanwhile every query is exact, and takes the longer the more records there are. It outlives the process: a
        collection whose load was given up needs ``build_index`` as well. Where the database indexes in its own way
        this does nothing.
        """
        with self._calls.operation("defer_index", self.name):
            if isinstance(self._adapter, Indexing):
                self._adapter.defer_index()

    def build_index(self) -> None:
        """Builds the index that ``info`` tells, if it is not there, and returns when it is ready.

        The database does it in one call, which has no timeout. Where it indexes in its own way this does nothing.
        """
        with self._calls.operation("build_index", self.name):
            if isinstance(self._adapter, Indexing):
                self._adapter.build_index()

    def rename(self, name: str) -> None:
        """Gives the collection another name; everything else stays.

        Raises:
            AlreadyExists: The name is taken.
        """
        with self._writing("rename") as writer:
            self._capabilities.require("rename", "rename")
            check_name(name)
            writer.rename(name)  # to its own name too, which another store may have changed or deleted

    @contextmanager
    def _writing(self, operation: str) -> Iterator[CollectionAdapter]:
        with self._calls.operation(operation, self.name):
            if self._writer is None:
                raise Unsupported(
                    f"{operation} writes, and a collection opened with mapping= is read only",
                    hint="Copy it into a collection of vstore's own, or write through store.native.",
                )
            yield self._writer

    def _records(
        self,
        ids: Iterable[str],
        vectors: ArrayLike | None,
        documents: Iterable[str | None] | None,
        metadatas: Iterable[Metadata | None] | None,
    ) -> Records:
        checked = check_ids(ids)
        n = len(checked)
        texts = None if documents is None else check_documents(documents, n, self._max_bytes)
        dicts = (
            None
            if metadatas is None
            else check_metadatas(metadatas, n, nested=bool(self._capabilities.nested_metadata))
        )
        array = None if vectors is None else self._vectors(vectors, n)
        if array is None and n:
            if texts is None:
                raise InvalidInput("vectors are missing", hint="Pass vectors=, or documents= with an embedder.")
            array = self._embedded(texts)
        return Records(checked, array, texts, dicts)

    def _vectors(self, vectors: ArrayLike, n: int) -> VectorArray:
        if n == 0 and _is_empty(vectors):
            return np.empty((0, self.info.dimension), dtype=np.float32)
        array = check_vectors(vectors, self.info.dimension, self.info.metric)
        if len(array) != n:
            raise InvalidInput(f"vectors has {len(array)} rows for {n} ids", hint="All columns have equal length.")
        return array

    @property
    def _max_bytes(self) -> int:
        return self._capabilities.limits.max_document_bytes

    def _embeds(self, documents: list[str | None]) -> bool:
        """Whether new documents need new vectors; a document that is only removed does not, without an embedder."""
        return self._embedder is not None or (self.info.embedder is not None and any(t is not None for t in documents))

    def _embedded(self, documents: list[str | None]) -> VectorArray:
        vectors = embed_documents(self._embedder, self.info, documents)
        return check_vectors(vectors, self.info.dimension, self.info.metric, name="the embedder's vectors")

    def _asked(self, texts: object) -> VectorArray:
        vectors = embed_questions(self._embedder, self.info, texts, self._max_bytes)
        return check_vectors(vectors, self.info.dimension, self.info.metric, name="the embedder's vectors")

    def _question(
        self,
        k: int,
        where: Filter | Mapping[str, Any] | None,
        include: Iterable[IncludeName],
        exact: bool,
        search: Search | None,
    ) -> _Question:
        """Checks everything but the vectors: a question that is refused has cost no embedding."""
        check_k(k, self._capabilities.limits.max_k)
        columns = Include.parse(include)
        self._check_search(exact, search)
        condition = None if where is None else check_filter(where, self._capabilities)
        if isinstance(condition, Filter) and not exact:
            self._capabilities.require("filtered_query", "an approximate query with a filter")
        return _Question(k, condition, columns, exact, search)

    def _query(self, queries: VectorArray, asked: _Question) -> list[Hits]:
        k, where, include = asked.k, asked.where, asked.include
        if where is False:
            empty = _no_records(self.info, include)
            return [ranked(self.info.metric, empty, np.empty(0), k) for _ in queries]
        chosen = None if isinstance(where, bool) else where
        return self._adapter.query(queries, k, chosen, include, exact=asked.exact, search=asked.search)

    def _check_search(self, exact: bool, search: Search | None) -> None:
        check_flag("exact", exact)
        if exact:
            self._capabilities.require("exact_query", "exact=True")
        if search is None:
            return
        if not isinstance(search, Search):
            raise InvalidInput(f"search must be a Search(…), not {type(search).__name__}")
        if exact:
            raise InvalidInput("search= tunes an approximate query; with exact=True it has no meaning")
        for name, value, kinds in (("ef", search.ef, (HNSW, DiskANN)), ("probes", search.probes, (IVFFlat, IVFPQ))):
            if value is not None:
                self._capabilities.require(f"search_{name}", f"Search({name}=…)")
                if not isinstance(self.info.index, kinds):
                    fitting = " and ".join(kind.__name__ for kind in kinds)
                    raise InvalidInput(f"Search({name}=…) is for {fitting}; this index is {self.info.index}")

    def _token(self, cursor: str) -> str:
        backend, colon, token = cursor.partition(":") if isinstance(cursor, str) else ("", "", "")
        if not colon or backend != self._calls.backend or "\x00" in token or not encodable(token):
            raise InvalidInput(
                f"{brief(cursor)} is not a cursor of a {self._calls.backend} collection",
                hint="Pass the cursor of a Page from the same collection.",
            )
        return token

    def _pages(
        self, where: Filter | bool | None, batch_size: int, after: str | None, include: Include
    ) -> Iterator[Page]:
        if where is False:
            return
        condition = None if isinstance(where, bool) else where
        pages = self._adapter.scan(condition, batch_size, after, include)
        with self._calls.scanning(pages):
            while True:
                with self._calls.operation("scan", self.name):
                    try:
                        records, token = next(pages)
                    except StopIteration:
                        return
                yield Page(records, f"{self._calls.backend}:{token}")


@dataclass(frozen=True, slots=True)
class _Question:
    """A query without its vectors, checked."""

    k: int
    where: Filter | bool | None
    include: Include
    exact: bool
    search: Search | None


def _is_empty(vectors: object) -> bool:
    with reading("vectors"):
        if isinstance(vectors, np.ndarray):
            return bool(vectors.shape[:1] == (0,))
        return isinstance(vectors, Sequence) and len(vectors) == 0


def _no_records(info: CollectionInfo, include: Include) -> Records:
    return Records(
        [],
        np.empty((0, info.dimension), dtype=np.float32) if include.vectors else None,
        [] if include.documents else None,
        [] if include.metadatas else None,
    )
