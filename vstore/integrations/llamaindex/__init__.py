"""The door for LlamaIndex: ``VStoreVectorStore``. It needs the extra ``llamaindex``."""

from __future__ import annotations

from vstore.integrations.llamaindex.store import VStoreVectorStore

__all__ = ["VStoreVectorStore"]
