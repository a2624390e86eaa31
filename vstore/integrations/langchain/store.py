"""LangChain's ``VectorStore`` over a collection of vstore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from vstore.aio import AsyncCollection, AsyncStore
from vstore.core._sync.collection import Collection
from vstore.core.connecting import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from vstore.embedding import Embedder, SparseEmbedder, check_embedder
from vstore.errors import InvalidInput
from vstore.indexing import Index, Metric
from vstore.integrations.closing import Closing
from vstore.integrations.door import AsyncDoor, Door
from vstore.integrations.langchain._async.steps import AsyncSteps
from vstore.integrations.langchain._sync.steps import Steps
from vstore.integrations.langchain.documents import batch
from vstore.integrations.langchain.embeddings import as_embeddings
from vstore.integrations.langchain.searching import Searching, Where
from vstore.integrations.target import Given, Target
from vstore.spi.urls import OptionValue

__all__ = ["VStoreVectorStore"]


class VStoreVectorStore(Closing, Searching):
    """A LangChain vector store over Chroma, Milvus, Qdrant, PostgreSQL with pgvector, or another database, by its URL.

    ``VStoreVectorStore("chroma:./data", OpenAIEmbeddings())``. The collection is opened at the first call and created
    at the first write; the async methods need no second object. Every search takes ``filter=`` (a filter built with
    ``F``, or a dict with LangChain's ``$`` operators), ``exact=True`` for the true nearest, and ``search=`` with
    settings of one search. A search by a text takes ``fuse=RRF()`` too, and then asks by the text's words besides. A
    retriever takes them as ``search_kwargs``.

    The scores of ``…_with_score`` are distances: lower is nearer. By the collection's metric they are ``1 - cos``,
    ``‖q - x‖`` or ``-q·x``. The scores of ``…_with_relevance_scores`` are similarities: higher is nearer. They are the
    cosine, ``1 - ‖q - x‖ / √2`` or ``q·x``: LangChain's own formulas, but that a negative product stays negative, where
    LangChain's places it above all others. They are between 0 and 1 for vectors of length 1 in one half of the space.
    """

    def __init__(
        self,
        store: Given = None,
        embedding: Embeddings | Embedder | None = None,
        *,
        async_store: AsyncStore | AsyncCollection | None = None,
        collection_name: str = "langchain",
        metric: Metric | str | None = None,
        dimension: int | None = None,
        index: Index | None = None,
        sparse_embedder: SparseEmbedder | None = None,
        relevance_score_fn: Callable[[float], float] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        options: Mapping[str, OptionValue] | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            store: A URL, the name of a store in ``vstore.toml``, or None for the URL in ``VSTORE_URL``; or a store or a
                collection of vstore, sync or async, which stays open.
            embedding: An ``Embeddings`` of LangChain or an embedder of vstore; None for the embedder that the given
                collection was opened with.
            async_store: Beside a sync store or collection, the async one for the async methods. Without it they call
                the sync one in worker threads.
            collection_name: The collection, where none is given.
            metric: ``"cosine"``, ``"l2"`` or ``"dot"``; None for cosine where it is created, and any where it is there.
            dimension: Components of a vector; None for those of the first vectors written.
            index: Its index where it is created; None for the database's own.
            sparse_embedder: vstore's sparse embedder, such as ``embed.bm25()``, for searches with ``fuse=``. A
                collection that is created has a sparse field ``terms`` then, filled from the texts.
            relevance_score_fn: From a distance to a relevance; None for the one of the metric.
            timeout: Seconds that one request may take, for a URL.
            retries: How often a call that is safe to repeat is repeated, for a URL.
            options: Options of the database's adapter, for a URL.

        Raises:
            InvalidInput: What is given is none of these.
        """
        own = store.embedder if isinstance(store, Collection | AsyncCollection) else None
        self._embedding = own if embedding is None else embedding
        if not isinstance(self._embedding, Embeddings):
            check_embedder(self._embedding)
        self._relevance = relevance_score_fn
        self._door = Door(
            Target(
                given=store,
                given_async=async_store,
                name=collection_name,
                metric=metric,
                dimension=dimension,
                index=index,
                sparse_embedder=sparse_embedder,
                embedder=None if isinstance(self._embedding, Embeddings) else self._embedding,
                timeout=timeout,
                retries=retries,
                options=options or {},
            )
        )
        self._async_door = AsyncDoor(self._door)
        self._steps = Steps(self._door, self._embedding)
        self._async_steps = AsyncSteps(self._async_door, self._embedding)

    @property
    def embeddings(self) -> Embeddings | None:
        """What turns texts into vectors, as LangChain's ``Embeddings``."""
        return as_embeddings(self._embedding)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int | None = None,
        **unknown: Any,
    ) -> list[str]:
        """Embed texts and write them; a record whose id exists is replaced whole.

        Args:
            texts: The texts.
            metadatas: One dict a text. Whatever META-1 does not have is kept all the same (docs/integrations.md).
            ids: One id a text; a new UUID for each that is None, or for all.
            batch_size: Most texts that are embedded and written at a time; None for all. Where a later batch fails, the
                earlier ones are written.
            **unknown: Nothing else is taken.

        Returns:
            The ids.

        Raises:
            InvalidInput: Columns of unequal length, an illegal id, or an id that stands twice.
        """
        _refuse(unknown)
        return self._steps.add(batch(texts, metadatas, ids), batch_size)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int | None = None,
        **unknown: Any,
    ) -> list[str]:
        """Do what ``add_texts`` does."""
        _refuse(unknown)
        return await self._async_steps.add(batch(texts, metadatas, ids), batch_size)

    def delete(self, ids: Sequence[str] | None = None, *, filter: Where = None, **unknown: Any) -> bool:
        """Delete documents by id or by filter; ids that are not there are no error.

        Raises:
            InvalidInput: Neither is given, or both; ``delete_collection`` deletes everything.
        """
        _refuse(unknown)
        return self._steps.delete(ids, filter)

    async def adelete(self, ids: Sequence[str] | None = None, *, filter: Where = None, **unknown: Any) -> bool:
        """Do what ``delete`` does."""
        _refuse(unknown)
        return await self._async_steps.delete(ids, filter)

    def delete_collection(self) -> None:
        """Delete the collection with all its documents; the next write creates it anew."""
        self._door.drop()

    async def adelete_collection(self) -> None:
        """Do what ``delete_collection`` does."""
        await self._async_door.drop()

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents with these ids, in the order asked, each once; missing ids are left out."""
        return self._steps.get(ids)

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Do what ``get_by_ids`` does."""
        return await self._async_steps.get(ids)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder | None,
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **settings: Any,
    ) -> Self:
        """Make a store and add texts.

        Args:
            texts: The texts.
            embedding: As in the constructor.
            metadatas: As in ``add_texts``.
            ids: As in ``add_texts``.
            **settings: The constructor's other arguments, such as ``store=``.
        """
        made = cls(embedding=embedding, **settings)
        try:
            made.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            made.close()
            raise
        return made

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings | Embedder | None,
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **settings: Any,
    ) -> Self:
        """Do what ``from_texts`` does."""
        made = cls(embedding=embedding, **settings)
        try:
            await made.aadd_texts(texts, metadatas, ids=ids)
        except BaseException:
            await made.aclose()
            raise
        return made

    def _door_to_close(self) -> AsyncDoor | None:
        return self._async_door

    async def aclose(self) -> None:
        """Do what ``close`` does, in an event loop."""
        await self._close_async()


def _refuse(unknown: Mapping[str, Any]) -> None:
    if unknown:
        raise InvalidInput(f"there is no argument {next(iter(unknown))!r}")
