"""``VStoreVectorStore``: a collection of vstore as LlamaIndex's vector store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from vstore.aio import AsyncCollection, AsyncStore
from vstore.core.connecting import DEFAULT_RETRIES, DEFAULT_TIMEOUT
from vstore.embedding import SparseEmbedder
from vstore.errors import InvalidInput
from vstore.indexing import Index, Metric
from vstore.integrations.closing import Closing
from vstore.integrations.door import AsyncDoor, Door
from vstore.integrations.llamaindex._async.calls import AsyncCalls
from vstore.integrations.llamaindex._sync.calls import Calls
from vstore.integrations.target import Given, Target
from vstore.spi.urls import OptionValue

__all__ = ["VStoreVectorStore"]


class VStoreVectorStore(Closing, BasePydanticVectorStore):
    """A vector store for LlamaIndex over any database that vstore knows.

    ``VectorStoreIndex.from_vector_store(VStoreVectorStore("chroma:./data", "docs"))``. The database is opened at the
    first call, and the collection created at the first ``add``. A similarity is vstore's score: higher is nearer, the
    cosine under cosine, ``-‖q - x‖`` under l2, ``q·x`` under dot. docs/integrations.md says what each filter means.

    Args:
        store: A URL, the name of a store in ``vstore.toml``, or None for the URL in ``VSTORE_URL``; or a store or
            collection of vstore, sync or async, which is borrowed, and never closed.
        collection_name: The collection's name, where no collection is given.
        async_store: Beside a sync store or collection, the async one for the async calls; without it they run in worker
            threads.
        metric: ``"cosine"``, ``"l2"`` or ``"dot"``; None for cosine where the collection is created, and whichever it
            has where it is there.
        dimension: Components of a vector; None for those of the first nodes that are added.
        sparse_embedder: vstore's sparse embedder, such as ``embed.bm25()``, for the modes SPARSE and HYBRID. A
            collection that is created has a sparse field ``terms`` then, which ``add`` fills from the nodes' texts.
        index: Index settings of a collection that is created; None for the database's own.
        timeout: Seconds of one request, for a URL.
        retries: How often a request that is safe to repeat is repeated, for a URL.
        options: The adapter's options, for a URL.

    Raises:
        InvalidInput: ``store`` is none of these.
    """

    stores_text: bool = True
    collection_name: str

    _door: Door = PrivateAttr()
    _async_door: AsyncDoor = PrivateAttr()
    _calls: Calls = PrivateAttr()
    _async_calls: AsyncCalls = PrivateAttr()

    def __init__(
        self,
        store: Given = None,
        collection_name: str = "llama_index",
        *,
        async_store: AsyncStore | AsyncCollection | None = None,
        metric: Metric | str | None = None,
        dimension: int | None = None,
        index: Index | None = None,
        sparse_embedder: SparseEmbedder | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        options: Mapping[str, OptionValue] | None = None,
    ) -> None:
        target = Target(
            given=store,
            given_async=async_store,
            name=collection_name,
            metric=metric,
            dimension=dimension,
            index=index,
            sparse_embedder=sparse_embedder,
            timeout=timeout,
            retries=retries,
            options=options or {},
        )
        super().__init__(collection_name=collection_name)  # type: ignore[call-arg]  # pydantic's own signature
        self._door = Door(target)
        self._async_door = AsyncDoor(self._door)
        self._calls = Calls(self._door)
        self._async_calls = AsyncCalls(self._async_door)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises it."""
        return "VStoreVectorStore"

    @property
    def client(self) -> Any:
        """The collection, opened for sync calls; None where there is none yet."""
        return self._door.existing()

    def __getstate__(self) -> dict[str, Any]:
        raise InvalidInput(
            "a vector store with its connection is not pickled", hint="Make one in each process, from the URL."
        )

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Writes nodes with their embeddings, replaces those with the same ids, and returns the ids.

        Raises:
            InvalidInput: A node without an embedding, two with one id, or metadata that no JSON holds.
        """
        return self._calls.add(nodes)

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Does what ``add`` does."""
        return await self._async_calls.add(nodes)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes that are from the document ``ref_doc_id``."""
        self._calls.delete_of_document(ref_doc_id)

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Does what ``delete`` does."""
        await self._async_calls.delete_of_document(ref_doc_id)

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Deletes the nodes with these ids, those that match, or those of both; ids that are not there are no error.

        Raises:
            InvalidInput: Neither is given, or a filter is true of every node; or a filter of no meaning.
            Unsupported: An operator that this database cannot answer.
        """
        self._calls.delete(node_ids, filters)

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Does what ``delete_nodes`` does."""
        await self._async_calls.delete(node_ids, filters)

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes with these ids, in that order, those that match, those of both, or all, with embeddings."""
        return self._calls.get(node_ids, filters)

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Does what ``get_nodes`` does."""
        return await self._async_calls.get(node_ids, filters)

    def clear(self) -> None:
        """Deletes all nodes; the collection stays."""
        self._calls.clear()

    async def aclear(self) -> None:
        """Does what ``clear`` does."""
        await self._async_calls.clear()

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the nodes nearest to the query's embedding, without their own embeddings.

        Args:
            query: In the mode DEFAULT, MMR, SPARSE or HYBRID. SPARSE brings ``sparse_top_k`` nodes by their texts.
                HYBRID asks both ways, for ``similarity_top_k`` and ``sparse_top_k`` nodes, brings the scores of each
                between 0 and 1, and adds ``alpha`` (0.5) times the one and ``1 - alpha`` times the other; of all,
                ``hybrid_top_k`` come. ``node_ids`` and ``doc_ids`` choose among nodes beside the filters, where they
                are not empty; of nodes that are named the true nearest come, in DEFAULT and MMR alone.
            **kwargs: ``exact`` for the true nearest; ``search``, vstore's settings of one search; for MMR
                ``mmr_threshold``, and one of ``mmr_prefetch_factor``, by default 4 candidates a node, and
                ``mmr_prefetch_k``.

        Raises:
            Unsupported: Another mode, or an operator that this database cannot answer.
            InvalidInput: A query without the embedding or the text that its mode takes, a filter of no meaning, or an
                argument that is unknown.
        """
        return self._calls.query(query, kwargs)

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Does what ``query`` does."""
        return await self._async_calls.query(query, kwargs)

    def _door_to_close(self) -> AsyncDoor | None:
        return self._async_door

    async def aclose(self) -> None:
        """Does what ``close`` does, in the event loop that made the async calls."""
        await self._close_async()
