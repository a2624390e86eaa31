"""Embedders of models that were trained with a text before documents and another before questions."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from vstore.embed.batching import check_text, check_texts, chunk_of, requests_of
from vstore.embedding import Embedder, check_embedder, for_queries, metric_of
from vstore.errors import InvalidInput
from vstore.records import VectorArray
from vstore.spi._async._run import embed

__all__ = ["PrefixedEmbedder", "prefixed"]


class PrefixedEmbedder:
    """Puts a text before every text; made by ``prefixed``.

    Attributes:
        name: That of the embedder inside, with the prefixes.
        dimension: Number of components of a vector.
        metric: That of the embedder inside.
        chunk: That of the embedder inside.
        queries: The same for texts that ask.
    """

    def __init__(self, inner: Embedder, name: str, prefix: str, queries: Embedder | None) -> None:
        self.name = name
        self.dimension = inner.dimension
        self.metric = metric_of(inner)
        self.chunk = chunk_of(inner)
        self.queries = queries or self
        self._inner = inner
        self._prefix = prefix

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.dimension}>"

    def embed(self, texts: Sequence[str]) -> VectorArray:
        """One float32 vector a text, as an array of shape (len(texts), dimension)."""
        return self._inner.embed([self._prefix + text for text in check_texts(texts)])

    def requests(self, texts: Sequence[str]) -> int:
        """Count the requests in which the embedder inside embeds these texts."""
        return requests_of(self._inner, [self._prefix + text for text in texts])

    async def embed_async(self, texts: Sequence[str]) -> VectorArray:
        """The same, by the async form of the embedder inside where it has one."""
        return await embed(self._inner, [self._prefix + text for text in check_texts(texts)])


def prefixed(inner: Embedder, *, documents: str = "", queries: str = "") -> PrefixedEmbedder:
    """An embedder that puts ``documents`` before every document and ``queries`` before every text that asks.

    E5 was trained with ``"passage: "`` and ``"query: "``, BGE with an instruction before questions only.

    Raises:
        InvalidInput: Not an embedder, or no prefix at all.
    """
    check_text("documents", documents)
    check_text("queries", queries)
    if inner is None or not (documents or queries):
        raise InvalidInput("prefixed needs an embedder, and documents= or queries=")
    check_embedder(inner)
    given = {"document_prefix": documents, "query_prefix": queries}
    name = inner.name + ("&" if "?" in inner.name else "?") + urlencode({k: v for k, v in given.items() if v})
    return PrefixedEmbedder(inner, name, documents, PrefixedEmbedder(for_queries(inner), name, queries, None))
