"""``cached``: a cache on disk before an embedder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vstore.embed._async.caching import embed_through as embed_through_async
from vstore.embed._sync.caching import embed_through
from vstore.embed.batching import OnProgress, check_positive, chunk_of
from vstore.embed.cachefile import CacheFile, Claims, digest
from vstore.embedding import Embedder, check_embedder, for_queries, metric_of
from vstore.errors import InvalidInput, brief
from vstore.records import VectorArray

__all__ = ["CachedEmbedder", "cached"]


class CachedEmbedder:
    """Embeds no text twice; made by ``cached``.

    Attributes:
        name: That of the embedder inside.
        dimension: Number of components of a vector.
        metric: That of the embedder inside.
        chunk: Texts embedded between two writes to the file.
        inner: The embedder inside.
        queries: The same for texts that ask, in the same file.
    """

    def __init__(self, inner: Embedder, file: CacheFile, side: str, chunk: int, on_progress: OnProgress | None) -> None:
        self.name = inner.name
        self.dimension = inner.dimension
        self.metric = metric_of(inner)
        self.queries: Embedder = self
        self.inner, self.chunk = inner, chunk
        self._file, self._claims = file, Claims()
        self._model = f"{inner.name}\n{inner.dimension}{side}"
        self._on_progress = on_progress

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.dimension}>"

    def embed(self, texts: Sequence[str]) -> VectorArray:
        """One float32 vector a text, as an array of shape (len(texts), dimension)."""
        return embed_through(self._file, self._claims, self._model, self.inner, texts, self.chunk, self._on_progress)

    async def embed_async(self, texts: Sequence[str]) -> VectorArray:
        """The same, by the async form of the embedder inside where it has one."""
        return await embed_through_async(
            self._file, self._claims, self._model, self.inner, texts, self.chunk, self._on_progress
        )

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return those of the texts, each once, that have no vector in the file."""
        asked = {digest(text): text for text in texts}
        known = self._file.known(self._model, list(asked))
        return [text for key, text in asked.items() if key not in known]

    def around(self, inner: Embedder) -> CachedEmbedder:
        """Return the same cache, and the same open file, around ``inner``, which embeds as the one inside does."""
        made = CachedEmbedder(inner, self._file, "", self.chunk, self._on_progress)
        made._claims, made._model = self._claims, self._model
        return made

    def close(self) -> None:
        """Closes the file; the embedder inside stays open."""
        self._file.close()


def cached(
    inner: Embedder, path: str | os.PathLike[str], *, chunk: int | None = None, on_progress: OnProgress | None = None
) -> CachedEmbedder:
    """An embedder that keeps every vector in a file and embeds no text twice.

    A vector is found again by the embedder's name and the text. Texts are embedded in chunks, each of which is in the
    file before the next is begun: what a process that dies has asked for since the last one is asked for again, and
    nothing else. Calls of one process that want the same text at the same moment embed it once; two processes may both
    do it.

    Args:
        inner: The embedder.
        path: An SQLite file, made if there is none; on a disk of this machine.
        chunk: Texts embedded between two writes to the file; by default as many as the embedder has under way at once
            (for an endpoint ``batch_size * concurrency``).
        on_progress: Called with the number of texts behind each chunk.

    Raises:
        InvalidInput: Not an embedder, or a chunk below 1.
        BackendError: The file cannot be opened.
    """
    if inner is None:
        raise InvalidInput("cached needs an embedder")
    check_embedder(inner)
    size = chunk_of(inner) if chunk is None else chunk
    check_positive("chunk", size)
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(f"path must be a path, not {brief(path)}")
    file = CacheFile(Path(path))
    made = CachedEmbedder(inner, file, "", size, on_progress)
    if (other := for_queries(inner)) is not inner:
        made.queries = CachedEmbedder(other, file, "\nqueries", size, on_progress)
    return made
