"""The door for Haystack: ``VStoreDocumentStore`` and ``VStoreEmbeddingRetriever``. It needs the extra ``haystack``."""

from __future__ import annotations

try:
    import haystack as _haystack  # noqa: F401
except ImportError as error:
    raise ImportError(
        "vstore.integrations.haystack needs haystack-ai. Install it with pip install 'vstore-db[haystack]'."
    ) from error

from vstore.integrations.haystack.retriever import VStoreEmbeddingRetriever
from vstore.integrations.haystack.store import VStoreDocumentStore

__all__ = ["VStoreDocumentStore", "VStoreEmbeddingRetriever"]
