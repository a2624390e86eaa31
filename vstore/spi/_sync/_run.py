"""What differs between the sync core and its async twin; both are hand-written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from time import sleep
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from vstore.embedding import Embedder, SparseEmbedder
from vstore.records import VectorArray
from vstore.sparse import SparseArray

if TYPE_CHECKING:
    from concurrent.futures import Future

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["acquire", "current_loop", "embed", "embed_sparse", "is_over", "new_lock", "run_blocking", "sleep", "wait"]


def current_loop() -> object:
    """None: a sync store belongs to no event loop."""
    return None


def is_over(loop: object) -> bool:  # noqa: ARG001  # as its twin
    """Never: there is none."""
    return False


def new_lock() -> Lock:
    """Return a lock for what is one step among threads."""
    return Lock()


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function``."""
    return function(*args, **kwargs)


def acquire(take: Callable[[], T], give_back: Callable[[T], object]) -> T:  # noqa: ARG001  # as its twin
    """Return what ``take`` returns."""
    return take()


def embed(embedder: Embedder, texts: Sequence[str]) -> VectorArray:
    """Return what the embedder answers."""
    return embedder.embed(texts)


def embed_sparse(embedder: SparseEmbedder, texts: Sequence[str]) -> SparseArray:
    """What the sparse embedder answers."""
    return embedder.embed_sparse(texts)


def wait(future: Future[T]) -> T:
    """Return the result of work that another thread does."""
    return future.result()
