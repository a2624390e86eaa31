"""From texts to vectors, wherever a collection takes a text in place of a vector."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vstore.core.validate import check_documents
from vstore.embedding import Embedder, asking, check_answer, for_queries
from vstore.errors import InvalidInput, reading
from vstore.info import CollectionInfo
from vstore.records import VectorArray
from vstore.spi._async._run import embed

__all__ = ["embed_documents", "embed_questions"]


async def embed_documents(embedder: Embedder | None, info: CollectionInfo, documents: list[str | None]) -> VectorArray:
    """One vector a document, shape (n, dimension).

    Args:
        embedder: The collection's embedder, or None where it was opened without one.
        info: The collection.
        documents: What ``check_documents`` returned.

    Raises:
        InvalidInput: There is no embedder, or a document is None.
        VStoreError: What the embedder raises.
    """
    given = _given(embedder, info)
    return await _embed(given, _strings(documents, "documents"))


async def embed_questions(
    embedder: Embedder | None, info: CollectionInfo, texts: object, max_bytes: int
) -> VectorArray:
    """One vector a text that asks, shape (n, dimension); errors are those of ``embed_documents``.

    Args:
        embedder: The collection's embedder, or None where it was opened without one.
        info: The collection.
        texts: What the caller gave; at most ``max_bytes`` UTF-8 bytes each.
        max_bytes: ``limits.max_document_bytes``.
    """
    given = _given(embedder, info)
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InvalidInput(f"texts must be a list of str, not {type(texts).__name__}")
    with reading("texts"):
        listed = list(texts)
    checked = _strings(check_documents(listed, len(listed), max_bytes, name="texts"), "texts")
    return await _embed(for_queries(given), checked)


def _given(embedder: Embedder | None, info: CollectionInfo) -> Embedder:
    if embedder is None:
        raise InvalidInput(
            "a text needs an embedder, and the collection was opened without one",
            hint=f"Open it with the embedder {info.embedder!r}, or pass vectors."
            if info.embedder
            else "Pass vectors, or open it with embedder=.",
        )
    return embedder


def _strings(texts: list[str | None], name: str) -> list[str]:
    strings = [text for text in texts if text is not None]
    if len(strings) != len(texts):
        raise InvalidInput(f"{name}[{texts.index(None)}] is None: there is nothing to embed", hint="Pass vectors=.")
    return strings


async def _embed(embedder: Embedder, texts: list[str]) -> VectorArray:
    if not texts:
        return np.empty((0, embedder.dimension), dtype=np.float32)
    with asking(embedder):
        answer = await embed(embedder, texts)
    return check_answer(embedder, answer, len(texts))
