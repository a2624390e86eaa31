"""The door for LlamaIndex: ``VStoreVectorStore``. It needs the extra ``llamaindex``."""

from __future__ import annotations

try:
    import llama_index.core as _llama_index_core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "vstore.integrations.llamaindex needs llama-index-core. Install it with pip install 'vstore-db[llamaindex]'."
    ) from error

from vstore.integrations.llamaindex.store import VStoreVectorStore

__all__ = ["VStoreVectorStore"]
