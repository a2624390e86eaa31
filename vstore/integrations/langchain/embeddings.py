"""An embedder of vstore as LangChain's ``Embeddings``."""

from __future__ import annotations

import numpy as np
from langchain_core.embeddings import Embeddings

from vstore.embedding import Embedder
from vstore.integrations.langchain._async import _run as asynchronous
from vstore.integrations.langchain._sync import _run as synchronous

__all__ = ["EmbedderEmbeddings", "as_embeddings"]


class EmbedderEmbeddings(Embeddings):
    """Embeds documents with the embedder, questions with its other side if it has one."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text."""
        vectors: list[list[float]] = np.asarray(synchronous.embed_documents(self.embedder, texts)).tolist()
        return vectors

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text."""
        vectors: list[list[float]] = np.asarray(await asynchronous.embed_documents(self.embedder, texts)).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text that asks."""
        vector: list[float] = np.asarray(synchronous.embed_query(self.embedder, text)).tolist()
        return vector

    async def aembed_query(self, text: str) -> list[float]:
        """Return the vector of a text that asks."""
        vector: list[float] = np.asarray(await asynchronous.embed_query(self.embedder, text)).tolist()
        return vector


def as_embeddings(embedding: Embeddings | Embedder | None) -> Embeddings | None:
    """Return what LangChain calls, of either kind."""
    return embedding if embedding is None or isinstance(embedding, Embeddings) else EmbedderEmbeddings(embedding)
