"""``VStoreVectorStore``: a LangChain vector store over any database of vstore. docs/integrations.md says the rest."""

from __future__ import annotations

try:
    import langchain_core as _langchain_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "vstore.integrations.langchain needs langchain-core. Install it with pip install 'vstore-db[langchain]'."
    ) from error

from vstore.integrations.langchain.store import VStoreVectorStore

__all__ = ["VStoreVectorStore"]
