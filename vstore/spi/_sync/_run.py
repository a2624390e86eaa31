"""What differs between the sync core and its async twin; both are hand-written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import sleep
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from vstore.embedding import Embedder
from vstore.records import VectorArray

if TYPE_CHECKING:
    from concurrent.futures import Future

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["acquire", "current_loop", "embed", "is_over", "run_blocking", "sleep", "wait"]


def current_loop() -> object:
    """None: a sync store belongs to no event loop."""
    return None


def is_over(loop: object) -> bool:  # noqa: ARG001  # as its twin
    """Never: there is none."""
    return False


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``function``."""
    return function(*args, **kwargs)


def acquire(take: Callable[[], T], give_back: Callable[[T], object]) -> T:  # noqa: ARG001  # as its twin
    """What ``take`` returns."""
    return take()


def embed(embedder: Embedder, texts: Sequence[str]) -> VectorArray:
    """What the embedder answers."""
    return embedder.embed(texts)


def wait(future: Future[T]) -> T:
    """The result of work that another thread does."""
    return future.result()
