# Generated from vstore/core/_async/texts.py by tools/unasync.py: do not edit.
"""From texts to vectors, wherever a collection takes a text in place of a vector."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vstore.capabilities import Limits
from vstore.columns import Column, VectorArray, absent, dense
from vstore.core.embedders import Embedders
from vstore.core.field_input import check_sizes
from vstore.core.validate import check_documents, check_vectors
from vstore.embedding import (
    Embedder,
    SparseEmbedder,
    asking,
    check_answer,
    check_sparse_answer,
    for_queries,
    for_sparse_queries,
)
from vstore.errors import InvalidInput, reading
from vstore.fields import Dense
from vstore.info import CollectionInfo
from vstore.sparse import SparseArray
from vstore.spi._sync._run import embed, embed_sparse

__all__ = ["check_texts", "embed_documents", "embed_questions"]


def embed_documents(
    embedders: Embedders, info: CollectionInfo, documents: list[str | None], limits: Limits, name: str = ""
) -> Column:
    """Return one vector a document, for one field.

    Args:
        embedders: Those that the collection was opened with.
        info: The collection.
        documents: What ``check_documents`` returned.
        limits: ``max_sparse_values`` is the most of one sparse vector.
        name: The field, whose vector is absent where a document is None; empty for the one without a name, which has
            a vector always.

    Raises:
        InvalidInput: There is no embedder, or a document is None.
        VStoreError: What the embedder raises.
    """
    given = _given(embedders, info, name)
    if not name:
        return _embed(given, info, strings(documents, "documents"), limits, name)
    places = [place for place, text in enumerate(documents) if text is not None]
    found = _embed(given, info, [text for text in documents if text is not None], limits, name)
    if len(places) == len(documents):
        return found
    if isinstance(found, SparseArray):
        rows = dict(zip(places, found, strict=True))
        return SparseArray.stack([rows.get(place) for place in range(len(documents))])
    column = dense(absent(len(documents), found.shape[1]))
    column[places] = found
    return column


def embed_questions(
    embedders: Embedders, info: CollectionInfo, texts: list[str], limits: Limits, name: str = ""
) -> Column:
    """Return one vector a text that asks, for one field; errors are those of ``embed_documents``.

    Args:
        embedders: Those that the collection was opened with.
        info: The collection.
        texts: What ``check_texts`` returned.
        limits: As in ``embed_documents``.
        name: The field.
    """
    given = _given(embedders, info, name)
    if isinstance(info.field(name), Dense):
        assert isinstance(given, Embedder)
        return _embed(for_queries(given), info, texts, limits, name)
    assert isinstance(given, SparseEmbedder)
    return _embed(for_sparse_queries(given), info, texts, limits, name)


def check_texts(texts: object, max_bytes: int, name: str = "texts") -> list[str]:
    """Return texts that ask as a list.

    Args:
        texts: What the caller gave.
        max_bytes: Most UTF-8 bytes of one.
        name: What errors call them.

    Raises:
        InvalidInput: No list of str, or a text that no document may be.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise InvalidInput(f"{name} must be a list of str, not {type(texts).__name__}")
    with reading(name):
        listed = list(texts)
    return strings(check_documents(listed, len(listed), max_bytes, name=name), name)


def strings(texts: list[str | None], name: str) -> list[str]:
    """Return texts none of which is None; raises ``InvalidInput`` where one is."""
    found = [text for text in texts if text is not None]
    if len(found) != len(texts):
        raise InvalidInput(f"{name}[{texts.index(None)}] is None: there is nothing to embed", hint="Pass vectors=.")
    return found


def _given(embedders: Embedders, info: CollectionInfo, name: str) -> Embedder | SparseEmbedder:
    if name in embedders:
        return embedders[name]
    stored = info.fields[name].embedder if name else info.embedder
    which = f" for the field {name!r}" if name else ""
    raise InvalidInput(
        f"a text needs an embedder{which}, and the collection was opened without one",
        hint=f"Open it with the embedder {stored!r}, or pass vectors."
        if stored
        else "Pass vectors, or open it with embedder=.",
    )


def _embed(
    embedder: Embedder | SparseEmbedder, info: CollectionInfo, texts: list[str], limits: Limits, name: str
) -> Column:
    field, label = info.field(name), f"the embedder's vectors{f' for {name!r}' if name else ''}"
    if isinstance(field, Dense):
        assert isinstance(embedder, Embedder)
        return check_vectors(_dense(embedder, texts), field.dimension, field.metric, name=label)
    assert isinstance(embedder, SparseEmbedder)
    if not texts:
        return SparseArray.empty()
    with asking(embedder):
        answer = embed_sparse(embedder, texts)
    column = check_sparse_answer(embedder, answer, len(texts))
    check_sizes(column, limits, label)
    return column


def _dense(embedder: Embedder, texts: list[str]) -> VectorArray:
    if not texts:
        return np.empty((0, embedder.dimension), dtype=np.float32)
    with asking(embedder):
        answer = embed(embedder, texts)
    return check_answer(embedder, answer, len(texts))
