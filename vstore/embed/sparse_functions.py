"""Sparse embedders from plain callables; those for local models are made of them too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from vstore.embed.batching import OnProgress, batches, check_positive
from vstore.embedding import SparseEmbedder, asking, check_sparse_answer, check_sparse_embedder
from vstore.errors import InvalidInput, brief
from vstore.sparse import SparseArray

__all__ = ["FunctionSparseEmbedder", "SparseEmbedFunction", "sparse_function"]

SparseEmbedFunction: TypeAlias = Callable[[list[str]], Any]
"""Texts to what ``SparseArray.of`` takes: dicts from index to value, pairs of indices and values, SciPy's rows."""


class FunctionSparseEmbedder:
    """A sparse embedder that calls a function with one batch of texts after the other; made by ``sparse_function``.

    Attributes:
        name: Stored with a field.
        chunk: Texts of one call.
    """

    def __init__(self, call: SparseEmbedFunction, name: str, batch_size: int, on_progress: OnProgress | None) -> None:
        if not callable(call):
            raise InvalidInput(f"a sparse embedder is made of a function, not of {brief(call)}")
        self.name = name
        self.chunk = batch_size
        self._call = call
        self._on_progress = on_progress
        self._queries: SparseEmbedder = self
        check_sparse_embedder(self)
        check_positive("batch_size", batch_size)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def queries(self) -> SparseEmbedder:
        """The embedder for texts that ask; itself where the model makes no difference."""
        return self._queries

    def answering(self, call: SparseEmbedFunction) -> FunctionSparseEmbedder:
        """Return the same embedder, with ``call`` for texts that ask."""
        self._queries = FunctionSparseEmbedder(call, self.name, self.chunk, self._on_progress)
        return self

    def embed_sparse(self, texts: Sequence[str]) -> SparseArray:
        """Return one vector a text; an empty one means that it has none.

        Raises:
            BackendError: The function failed, or gave something that SPV-1 does not have.
        """
        made = [SparseArray.empty()]
        for batch in batches(texts, self.chunk):
            with asking(self):
                answer = self._call(batch)
            made.append(check_sparse_answer(self, answer, len(batch)))
            if self._on_progress is not None:
                self._on_progress(len(batch))
        return SparseArray.concat(made)


def sparse_function(
    call: SparseEmbedFunction,
    *,
    name: str,
    queries: SparseEmbedFunction | None = None,
    batch_size: int = 1000,
    on_progress: OnProgress | None = None,
) -> FunctionSparseEmbedder:
    """Return a sparse embedder from a callable, such as a learned sparse model of any library.

    Args:
        call: Takes a list of str and returns one sparse vector each, in a form that ``SparseArray.of`` takes. It may be
            called from many threads at once.
        name: Names the model and whatever changes its vectors; it is stored with the field.
        queries: The same for texts that ask, where the model embeds them in another way.
        batch_size: Most texts of one call.
        on_progress: Called with the number of texts after each call.

    Raises:
        InvalidInput: ``call`` is no function, or the name or the batch size is not legal.

    Example:
        >>> lengths = embed.sparse_function(lambda texts: [{len(text): 1.0} for text in texts], name="lengths")
        >>> lengths.embed_sparse(["rain"])[0].to_dict()
        {4: 1.0}
    """
    made = FunctionSparseEmbedder(call, name, batch_size, on_progress)
    return made if queries is None else made.answering(queries)
