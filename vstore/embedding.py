"""What an embedder is: a function from texts to vectors, with a name and a dimension.

Embedders that come with vstore are in ``vstore.embed``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import numpy as np

from vstore.columns import VectorArray
from vstore.errors import BackendError, InvalidInput, VStoreError, brief, reading
from vstore.indexing import Metric, check_metric
from vstore.sparse import SparseArray

__all__ = [
    "AsyncEmbedder",
    "AsyncSparseEmbedder",
    "Embedder",
    "SparseEmbedder",
    "TwoSidedEmbedder",
    "TwoSidedSparseEmbedder",
    "asking",
    "check_answer",
    "check_embedder",
    "check_sparse_answer",
    "check_sparse_embedder",
    "for_queries",
    "for_sparse_queries",
    "metric_of",
]

BACKEND = "embedder"


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors; its name is stored with the collection and checked when it is opened.

    It may be called from many threads at once. Under async its ``embed`` runs in a worker thread, unless it is an
    ``AsyncEmbedder``.

    Attributes:
        name: Names the model and whatever changes its vectors, e.g. ``"minilm-l6-v2"``.
        dimension: Number of components of a vector.
    """

    name: str
    dimension: int

    def embed(self, texts: Sequence[str]) -> VectorArray:
        """One float32 vector a text, as an array of shape (len(texts), dimension)."""
        ...


@runtime_checkable
class AsyncEmbedder(Embedder, Protocol):
    """An embedder with an async form, which an async store awaits instead of starting a thread."""

    async def embed_async(self, texts: Sequence[str]) -> VectorArray:
        """The same as ``embed``."""
        ...


@runtime_checkable
class TwoSidedEmbedder(Embedder, Protocol):
    """An embedder of a model that embeds a question in another way than a document, such as E5 and BGE.

    Attributes:
        queries: Embeds the texts of ``query`` and ``query_many``; ``embed`` those of documents.
    """

    queries: Embedder


@runtime_checkable
class SparseEmbedder(Protocol):
    """Turns texts into sparse vectors, for a ``Sparse`` field; its name is stored with the field.

    It may be called from many threads at once. Under async its ``embed_sparse`` runs in a worker thread, unless it is
    an ``AsyncSparseEmbedder``. One object may be an ``Embedder`` too.

    Attributes:
        name: Names the model and whatever changes its vectors.
    """

    name: str

    def embed_sparse(self, texts: Sequence[str]) -> SparseArray:
        """Return one sparse vector a text; an empty one makes the field absent, or a query without hits."""
        ...


@runtime_checkable
class AsyncSparseEmbedder(SparseEmbedder, Protocol):
    """A sparse embedder with an async form, which an async store awaits instead of starting a thread."""

    async def embed_sparse_async(self, texts: Sequence[str]) -> SparseArray:
        """Return the same as ``embed_sparse``."""
        ...


@runtime_checkable
class TwoSidedSparseEmbedder(SparseEmbedder, Protocol):
    """A sparse embedder that embeds a question in another way than a document, such as BM25.

    Attributes:
        queries: Embeds the texts of ``query`` and ``query_many``; ``embed_sparse`` those of documents.
    """

    queries: SparseEmbedder


def for_sparse_queries(embedder: SparseEmbedder) -> SparseEmbedder:
    """Return the sparse embedder for texts that ask: its other side, or itself."""
    return embedder.queries if isinstance(embedder, TwoSidedSparseEmbedder) else embedder


def check_sparse_embedder(embedder: object) -> None:
    """Raises ``InvalidInput`` unless it is None or a sparse embedder with a name."""
    if embedder is None:
        return
    with reading("embedder"):
        fits, name = isinstance(embedder, SparseEmbedder), getattr(embedder, "name", None)
    if not fits:
        raise InvalidInput(
            f"the embedder of a sparse field needs name and embed_sparse(texts); {type(embedder).__name__} lacks some"
        )
    if type(name) is not str or not name:
        raise InvalidInput(f"the name of an embedder must be a str that is not empty, not {brief(name)}")


def check_sparse_answer(embedder: SparseEmbedder, answer: object, n: int) -> SparseArray:
    """Return what a sparse embedder answered to ``n`` texts as a column in order.

    Raises:
        BackendError: Too few or too many vectors, or one that breaks SPV-1.
    """
    try:
        column = SparseArray.of(answer)
    except InvalidInput as error:
        raise _wrong(BACKEND, embedder, f"no sparse vectors: {error.message}") from error
    if len(column) != n:
        raise _wrong(BACKEND, embedder, f"{len(column)} sparse vectors to {n} texts")
    return column


def for_queries(embedder: Embedder) -> Embedder:
    """The embedder for texts that ask: its other side, or itself."""
    return embedder.queries if isinstance(embedder, TwoSidedEmbedder) else embedder


def metric_of(embedder: Embedder) -> Metric:
    """Return the metric that an embedder's vectors are made for: its ``metric`` if it has one, otherwise cosine."""
    return check_metric(getattr(embedder, "metric", Metric.COSINE))


def check_embedder(embedder: object) -> None:
    """Raises ``InvalidInput`` unless it is None or an embedder with a name and a dimension."""
    if embedder is None:
        return
    with reading("embedder"):
        fits = isinstance(embedder, Embedder)
        name, dimension = getattr(embedder, "name", None), getattr(embedder, "dimension", None)
    if not fits:
        raise InvalidInput(
            f"embedder= needs name, dimension and embed(texts); {type(embedder).__name__} lacks some",
            hint="vstore.embed.function(…) makes one of a callable, vstore.embed.from_spec(…) of a text.",
        )
    if type(name) is not str or not name:
        raise InvalidInput(f"the name of an embedder must be a str that is not empty, not {brief(name)}")
    if type(dimension) is not int or dimension < 1:
        raise InvalidInput(f"the dimension of an embedder must be an int of at least 1, not {brief(dimension)}")


@contextmanager
def asking(embedder: Embedder | SparseEmbedder) -> Iterator[None]:
    """Around a call of an embedder: whatever it raises that is no error of this library is ``BackendError``.

    Without this the store would take an embedder's error for one of its database.
    """
    try:
        yield
    except VStoreError:
        raise
    except Exception as error:
        raise BackendError(
            f"the embedder {embedder.name!r} raised {type(error).__name__}; the cause is chained",
            backend=BACKEND,
        ) from error


def check_answer(embedder: Embedder, answer: object, n: int, *, backend: str = BACKEND) -> VectorArray:
    """What an embedder answered to ``n`` texts, as a float32 array of shape (n, dimension).

    Args:
        embedder: Which one.
        answer: What it answered.
        n: To how many texts.
        backend: Whose fault another answer is.

    Raises:
        BackendError: Too few or too many vectors, another dimension, or components that are not finite numbers.
    """
    try:
        given = np.asarray(answer)
        if given.dtype.kind in "bcmMSU":  # which NumPy would make numbers of
            raise TypeError(f"an array of {given.dtype}")
        with np.errstate(over="ignore"):  # what is beyond float32 becomes inf, which is told below
            array = given.astype(np.float32, copy=False)
    except (ValueError, TypeError) as error:
        raise _wrong(backend, embedder, "something that is not one list of numbers a text") from error
    if array.ndim != 2 or len(array) != n:
        raise _wrong(backend, embedder, f"an array of shape {array.shape} to {n} texts")
    if array.shape[1] != embedder.dimension:
        raise _wrong(backend, embedder, f"vectors of {array.shape[1]} dimensions instead of {embedder.dimension}")
    if not np.isfinite(array).all():
        place = int(np.argmin(np.isfinite(array).all(axis=1)))
        raise _wrong(backend, embedder, f"NaN or inf to the text at {place}")
    return array


def _wrong(backend: str, embedder: Embedder | SparseEmbedder, what: str) -> BackendError:
    return BackendError(f"the embedder {embedder.name!r} answered {what}; nothing was written", backend=backend)
