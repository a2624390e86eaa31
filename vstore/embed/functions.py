"""Embedders from plain callables; those for local models are made of them too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from vstore.embed.batching import OnProgress, batches, check_positive
from vstore.embedding import Embedder, asking, check_answer, check_embedder
from vstore.records import VectorArray

__all__ = ["EmbedFunction", "FunctionEmbedder", "function"]

EmbedFunction: TypeAlias = Callable[[list[str]], Any]
"""Texts to anything NumPy makes a numeric array of shape (len(texts), dimension) of."""


class FunctionEmbedder:
    """An embedder that calls a function with one batch of texts after the other; made by ``function``.

    Attributes:
        name: Stored with a collection.
        dimension: Number of components of a vector.
        chunk: Texts of one call.
    """

    def __init__(
        self, call: EmbedFunction, name: str, dimension: int, batch_size: int, on_progress: OnProgress | None
    ) -> None:
        self.name = name
        self.dimension = dimension
        self._call = call
        self.chunk = batch_size
        self._on_progress = on_progress
        self._queries: Embedder = self
        check_embedder(self)
        check_positive("batch_size", batch_size)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.dimension}>"

    @property
    def queries(self) -> Embedder:
        """The embedder for texts that ask; itself where the model makes no difference."""
        return self._queries

    def answering(self, call: EmbedFunction) -> FunctionEmbedder:
        """The same embedder, with ``call`` for texts that ask."""
        self._queries = FunctionEmbedder(call, self.name, self.dimension, self.chunk, self._on_progress)
        return self

    def embed(self, texts: Sequence[str]) -> VectorArray:
        """One float32 vector a text, as an array of shape (len(texts), dimension).

        Raises:
            BackendError: The function failed or gave something else.
        """
        made = [np.empty((0, self.dimension), dtype=np.float32)]
        for batch in batches(texts, self.chunk):
            with asking(self):
                answer = self._call(batch)
            made.append(check_answer(self, answer, len(batch)))
            if self._on_progress is not None:
                self._on_progress(len(batch))
        return np.concatenate(made)


def function(
    call: EmbedFunction,
    *,
    name: str,
    dimension: int,
    queries: EmbedFunction | None = None,
    batch_size: int = 1000,
    on_progress: OnProgress | None = None,
) -> FunctionEmbedder:
    """An embedder from a callable.

    Args:
        call: Takes a list of str, returns one vector each; may be called from many threads at once.
        name: Names the model and whatever changes its vectors; it is stored with the collection.
        dimension: Number of components of a vector.
        queries: The same for texts that ask, where the model embeds them in another way.
        batch_size: Most texts of one call.
        on_progress: Called with the number of texts behind each call.

    Raises:
        InvalidInput: A name, dimension or batch size that is not legal.
    """
    made = FunctionEmbedder(call, name, dimension, batch_size, on_progress)
    return made if queries is None else made.answering(queries)
