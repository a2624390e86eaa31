"""The door for Haystack: ``VStoreDocumentStore`` and ``VStoreEmbeddingRetriever``. It needs the extra ``haystack``."""

from __future__ import annotations

from vstore.integrations.haystack.retriever import VStoreEmbeddingRetriever
from vstore.integrations.haystack.store import VStoreDocumentStore

__all__ = ["VStoreDocumentStore", "VStoreEmbeddingRetriever"]
