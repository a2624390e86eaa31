"""``VStoreEmbeddingRetriever``: the nearest documents, as a component of Haystack's pipelines."""

from __future__ import annotations

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from vstore.errors import InvalidInput
from vstore.integrations.haystack.store import VStoreDocumentStore

__all__ = ["VStoreEmbeddingRetriever"]


@component
class VStoreEmbeddingRetriever:
    """Finds the documents of a ``VStoreDocumentStore`` nearest to an embedding.

    Args:
        document_store: Where to look.
        filters: Only of the documents that match.
        top_k: Most documents.
        filter_policy: Whether filters of a run replace those given here (REPLACE), or are merged with them (MERGE).
        return_embedding: Whether documents have their embeddings.
        exact: The true nearest, at whatever cost.

    Raises:
        InvalidInput: ``document_store`` is another store.
    """

    def __init__(
        self,
        *,
        document_store: VStoreDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        return_embedding: bool = False,
        exact: bool = False,
    ) -> None:
        if not isinstance(document_store, VStoreDocumentStore):
            raise InvalidInput(
                f"document_store must be a VStoreDocumentStore, not {type(document_store).__name__}",
            )
        self.document_store = document_store
        self.filters = filters or {}
        self.top_k = top_k
        self.filter_policy = FilterPolicy.from_str(filter_policy) if isinstance(filter_policy, str) else filter_policy
        self.return_embedding = return_embedding
        self.exact = exact

    def to_dict(self) -> dict[str, Any]:
        """Return the component as a dict for YAML; errors are those of ``VStoreDocumentStore.to_dict``."""
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
            return_embedding=self.return_embedding,
            exact=self.exact,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VStoreEmbeddingRetriever:
        """Return the component that ``to_dict`` was called of."""
        parameters = dict(data["init_parameters"])
        parameters["document_store"] = VStoreDocumentStore.from_dict(parameters["document_store"])
        return default_from_dict(cls, {**data, "init_parameters": parameters})

    def close(self) -> None:
        """Closes the document store."""
        self.document_store.close()

    async def close_async(self) -> None:
        """Does what ``close`` does."""
        await self.document_store.close_async()

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Return ``{"documents": …}``: those nearest to the embedding, nearest first, with their scores.

        Args:
            query_embedding: The embedding of a question.
            filters: Only of the documents that match, by the filter policy.
            top_k: Most documents; None for the component's own.
        """
        asked = self._asked(filters, top_k)
        return {"documents": self.document_store.embedding_retrieval(query_embedding, **asked)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Does what ``run`` does."""
        asked = self._asked(filters, top_k)
        return {"documents": await self.document_store.embedding_retrieval_async(query_embedding, **asked)}

    def _asked(self, filters: dict[str, Any] | None, top_k: int | None) -> dict[str, Any]:
        return {
            "filters": apply_filter_policy(self.filter_policy, self.filters, filters),
            "top_k": self.top_k if top_k is None else top_k,
            "return_embedding": self.return_embedding,
            "exact": self.exact,
        }
