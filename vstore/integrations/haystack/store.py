"""``VStoreDocumentStore``: a collection of vstore as Haystack's document store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from haystack import Document
from haystack.document_stores.types import DuplicatePolicy

from vstore.integrations.haystack import fields
from vstore.integrations.haystack.opened import OpenedStore

__all__ = ["VStoreDocumentStore"]

Filters: TypeAlias = dict[str, Any]


class VStoreDocumentStore(OpenedStore):
    """A document store for Haystack over any database that vstore knows.

    The database is opened at the first call, and the collection created at the first write. A document's score is
    vstore's: higher is nearer, the cosine under cosine, ``-‖q - x‖`` under l2, ``q·x`` under dot. Documents without an
    embedding are kept, filtered and counted, and no embedding finds them. docs/integrations.md says what filters mean.

    Args:
        store: A URL, as text or as a ``Secret``, or the name of a store in ``vstore.toml``; or a store or collection of
            vstore, sync or async, which is borrowed, and never closed. By default the URL in ``VSTORE_URL``.
        collection_name: The collection's name, where no collection is given.
        async_store: Beside a sync store or collection, the async one for the async calls; without it they run in worker
            threads.
        embedding_dimension: Components of an embedding; None for those of the first documents written, one of which
            must have an embedding then.
        metric: ``"cosine"``, ``"l2"`` or ``"dot"``; None for cosine where the collection is created, and whichever it
            has where it is there.
        index: Index settings of a collection that is created, or their JSON form; None for the database's own.
        timeout: Seconds of one request, for a URL.
        retries: How often a request that is safe to repeat is repeated, for a URL.
        options: The adapter's options, for a URL, whose values may be a ``Secret``.
    """

    def count_documents(self) -> int:
        """Return the number of documents."""
        return self._calls.count(None)

    async def count_documents_async(self) -> int:
        """Does what ``count_documents`` does."""
        return await self._async_calls.count(None)

    def filter_documents(self, filters: Filters | None = None) -> list[Document]:
        """Return the documents that match, or all, with their embeddings, in the database's order.

        Raises:
            FilterError: The filters are malformed, or cannot be answered exactly.
        """
        return self._calls.read(filters, embedding=True)

    async def filter_documents_async(self, filters: Filters | None = None) -> list[Document]:
        """Does what ``filter_documents`` does."""
        return await self._async_calls.read(filters, embedding=True)

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Writes documents and returns how many; with OVERWRITE that is the length of ``documents``.

        Args:
            documents: With or without embeddings.
            policy: What becomes of documents whose id is there, or repeated: FAIL, which NONE means too, writes none;
                SKIP leaves what is there; OVERWRITE replaces it whole.

        Raises:
            DuplicateDocumentError: An id is there or repeated, and the policy is FAIL or NONE.
            ValueError: These are no documents in a list.
            InvalidInput: An embedding or meta that cannot be kept.
        """
        return self._calls.write(documents, policy)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Does what ``write_documents`` does."""
        return await self._async_calls.write(documents, policy)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Deletes documents by id; ids that are not there are no error."""
        self._calls.delete(document_ids)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """Does what ``delete_documents`` does."""
        await self._async_calls.delete(document_ids)

    def delete_all_documents(self, recreate_collection: bool = False) -> None:
        """Deletes all documents.

        Args:
            recreate_collection: Deletes the collection as well and creates it anew, by the settings of this store.
        """
        self._calls.delete_all(recreate=recreate_collection)

    async def delete_all_documents_async(self, recreate_collection: bool = False) -> None:
        """Does what ``delete_all_documents`` does."""
        await self._async_calls.delete_all(recreate=recreate_collection)

    def delete_by_filter(self, filters: Filters) -> int:
        """Deletes the documents that match and returns how many; errors are those of ``filter_documents``."""
        return self._calls.delete_matching(filters)

    async def delete_by_filter_async(self, filters: Filters) -> int:
        """Does what ``delete_by_filter`` does."""
        return await self._async_calls.delete_matching(filters)

    def update_by_filter(self, filters: Filters, meta: dict[str, Any]) -> int:
        """Merges ``meta`` into those of the documents that match and returns how many they are."""
        return self._calls.update_matching(filters, meta)

    async def update_by_filter_async(self, filters: Filters, meta: dict[str, Any]) -> int:
        """Does what ``update_by_filter`` does."""
        return await self._async_calls.update_matching(filters, meta)

    def count_documents_by_filter(self, filters: Filters) -> int:
        """Return the number of documents that match; errors are those of ``filter_documents``."""
        return self._calls.count(filters)

    async def count_documents_by_filter_async(self, filters: Filters) -> int:
        """Does what ``count_documents_by_filter`` does."""
        return await self._async_calls.count(filters)

    def count_unique_metadata_by_filter(self, filters: Filters, metadata_fields: list[str]) -> dict[str, int]:
        """Return how many different values each field has in the documents that match; it reads their meta."""
        return fields.count_unique(self._calls.read(filters, embedding=False), metadata_fields)

    async def count_unique_metadata_by_filter_async(
        self, filters: Filters, metadata_fields: list[str]
    ) -> dict[str, int]:
        """Does what ``count_unique_metadata_by_filter`` does."""
        return fields.count_unique(await self._async_calls.read(filters, embedding=False), metadata_fields)

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """Return the type of each field, ``boolean``, ``int``, ``float`` or ``keyword``; it reads all meta."""
        return fields.field_types(self._calls.read(None, embedding=False))

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """Does what ``get_metadata_fields_info`` does."""
        return fields.field_types(await self._async_calls.read(None, embedding=False))

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """Return ``min`` and ``max`` of a field, None where there are none; it reads all meta."""
        return fields.min_and_max(self._calls.read(None, embedding=False), metadata_field)

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        """Does what ``get_metadata_field_min_max`` does."""
        return fields.min_and_max(await self._async_calls.read(None, embedding=False), metadata_field)

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters | None = None,
    ) -> tuple[list[Any], int]:
        """Return a page of the different values of a field, and the number of all; it reads the meta that match.

        Args:
            metadata_field: The field, with or without ``meta.``.
            search_term: What a value's text must contain, in any case.
            from_: Values before the page, which are ordered by their text.
            size: Most values of the page.
            filters: Only of the documents that match.
        """
        documents = self._calls.read(filters, embedding=False)
        return fields.unique_values(documents, metadata_field, search_term, from_, size)

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: Filters | None = None,
    ) -> tuple[list[Any], int]:
        """Does what ``get_metadata_field_unique_values`` does."""
        documents = await self._async_calls.read(filters, embedding=False)
        return fields.unique_values(documents, metadata_field, search_term, from_, size)

    def embedding_retrieval(
        self,
        query_embedding: Sequence[float],
        *,
        filters: Filters | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
        exact: bool = False,
    ) -> list[Document]:
        """Return the documents nearest to an embedding, nearest first, with their scores.

        Args:
            query_embedding: The embedding.
            filters: Only of the documents that match.
            top_k: Most documents.
            return_embedding: Whether they have their embeddings.
            exact: The true nearest, at whatever cost.
        """
        return self._calls.nearest(query_embedding, filters, top_k, embeddings=return_embedding, exact=exact)

    async def embedding_retrieval_async(
        self,
        query_embedding: Sequence[float],
        *,
        filters: Filters | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
        exact: bool = False,
    ) -> list[Document]:
        """Does what ``embedding_retrieval`` does."""
        calls = self._async_calls
        return await calls.nearest(query_embedding, filters, top_k, embeddings=return_embedding, exact=exact)
