"""What embeds, for the async form; both are hand-written."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.embeddings import Embeddings
from numpy.typing import ArrayLike

from vstore.embedding import Embedder, asking, check_answer, for_queries
from vstore.records import VectorArray
from vstore.spi._async._run import embed

__all__ = ["embed_documents", "embed_query"]


async def embed_documents(embedding: Embeddings | Embedder, texts: Sequence[str]) -> ArrayLike:
    """Return one vector a text, shape (n, d)."""
    if isinstance(embedding, Embeddings):
        return await embedding.aembed_documents(list(texts))
    with asking(embedding):
        answer = await embed(embedding, texts)
    return check_answer(embedding, answer, len(texts))


async def embed_query(embedding: Embeddings | Embedder, text: str) -> ArrayLike:
    """Return the vector of a text that asks, shape (d,)."""
    if isinstance(embedding, Embeddings):
        return await embedding.aembed_query(text)
    side = for_queries(embedding)
    with asking(side):
        answer = await embed(side, [text])
    vector: VectorArray = check_answer(side, answer, 1)[0]
    return vector
